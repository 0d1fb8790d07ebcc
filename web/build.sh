#!/bin/sh
# Builds the page: the engine as WebAssembly and its JavaScript, into web/site/pkg. `node web/serve.mjs` then serves it.
#
#     sh web/build.sh             as small as it can be
#     sh web/build.sh --quick     sooner built, larger: for tests
#     sh web/build.sh --missing   names what this machine lacks for it, and builds nothing

set -eu
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
profile=web
case "${1-}" in
    '' | --missing) ;;
    --quick) profile=web-quick ;;
    *) echo "usage: sh web/build.sh [--quick | --missing]" >&2; exit 2 ;;
esac

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
found=$(wasm-bindgen --version 2>/dev/null | cut -d ' ' -f 2 || true)
missing=
lacks() { missing="${missing:+$missing; }$1"; }
command -v cargo >/dev/null 2>&1 || lacks "Rust"
[ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ] || lacks "rustup target add $target"
[ "$found" = "$version" ] || lacks "cargo install wasm-bindgen-cli --version $version${found:+ (here is $found)}"
[ "${1-}" = --missing ] && { [ -z "$missing" ] || echo "$missing"; exit 0; }
[ -z "$missing" ] || { echo "web/build.sh: first: $missing" >&2; exit 1; }

# Every browser with WebGPU has vectors of four floats; the processor's engine uses them.
RUSTFLAGS="-C target-feature=+simd128 ${RUSTFLAGS-}" cargo build --locked --profile $profile -p fastweights-web --target $target
wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section --out-dir web/site/pkg \
    "${CARGO_TARGET_DIR:-target}/$target/$profile/fastweights_web.wasm"
echo "web/build.sh: web/site is whole: $(cat web/site/*.* web/site/*/* | wc -c) bytes, $(tar -c -C web site | gzip -9 | wc -c) packed"
