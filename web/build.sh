#!/bin/sh
# Builds the page: the engine as WebAssembly and its JavaScript, into web/site/pkg. `node web/serve.mjs` then serves it.
#
#     sh web/build.sh             builds it; some minutes
#     sh web/build.sh --check     says what stands in the way of testing it: what is not here, or that it is not built of these sources

set -eu
cd "$(dirname "$0")/.."
target=wasm32-unknown-unknown
engine=web/site/pkg/fastweights_web_bg.wasm
case "${1-}" in
    '' | --check) ;;
    *) echo "usage: sh web/build.sh [--check]" >&2; exit 2 ;;
esac

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p;}' Cargo.lock)
found=$(wasm-bindgen --version 2>/dev/null | cut -d ' ' -f 2 || true)
missing=
lacks() { missing="${missing:+$missing; }$1"; }
command -v cargo >/dev/null 2>&1 || lacks "Rust"
[ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ] || lacks "rustup target add $target"
[ "$found" = "$version" ] || lacks "cargo install wasm-bindgen-cli --version $version${found:+ (here is $found)}"
if [ "${1-}" = --check ]; then
    sources="Cargo.lock Cargo.toml src shaders recipes web/Cargo.toml web/src web/build.sh"
    if [ ! -e $engine ]; then
        lacks "sh web/build.sh"
    elif [ -n "$(find $sources -newer $engine | head -n 1)" ]; then
        lacks "sh web/build.sh, for it is older than its sources"
    fi
    [ -z "$missing" ] || echo "$missing"
    exit 0
fi
[ -z "$missing" ] || { echo "web/build.sh: first: $missing" >&2; exit 1; }

# Every browser with WebGPU has vectors of four floats; the processor's engine uses them.
RUSTFLAGS="-C target-feature=+simd128 ${RUSTFLAGS-}" cargo build --locked --profile web -p fastweights-web --target $target
wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section --out-dir web/site/pkg \
    "${CARGO_TARGET_DIR:-target}/$target/web/fastweights_web.wasm"
echo "web/build.sh: web/site is whole: $(cat web/site/*.* web/site/*/* | wc -c) bytes, $(tar -c -C web site | gzip -9 | wc -c) packed"
