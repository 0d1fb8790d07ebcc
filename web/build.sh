#!/bin/sh
# Builds the page: the engine as WebAssembly and its JavaScript, into web/site/pkg. `node web/serve.mjs` then serves it.

set -eu
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown

stop() {
    echo "web/build.sh: $*" >&2
    exit 1
}

command -v cargo >/dev/null 2>&1 || stop "no cargo: install Rust first"
[ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ] ||
    stop "this Rust cannot compile for WebAssembly: rustup target add $target"
version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
found=$(wasm-bindgen --version 2>/dev/null | cut -d ' ' -f 2 || true)
[ "$found" = "$version" ] ||
    stop "wasm-bindgen $version is needed, ${found:-none} is here: cargo install wasm-bindgen-cli --version $version"

# Every browser with WebGPU has vectors of four floats; the processor's engine uses them.
RUSTFLAGS="-C target-feature=+simd128 ${RUSTFLAGS-}" cargo build --locked --profile web -p fastweights-web --target $target
wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section --out-dir web/site/pkg \
    "${CARGO_TARGET_DIR:-target}/$target/web/fastweights_web.wasm"
echo "web/build.sh: web/site is whole: $(cat web/site/*.* web/site/*/* | wc -c) bytes, $(tar -c -C web site | gzip -9 | wc -c) packed"
