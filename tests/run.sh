#!/bin/sh
# Runs every check on a fresh machine: format, lints, all tests, doc tests, features, documentation.
#
#     sh tests/run.sh             run everything
#     sh tests/run.sh --dry-run   say what would be installed and run, and do nothing
#
# The GPU tests need an adapter. On Linux without a Vulkan driver this installs Mesa's software one (lavapipe)
# with the system's package manager, and from then on a test that finds no adapter fails instead of being skipped.

set -u
cd "$(dirname "$0")/.." || exit 1

dry=
case "${1-}" in
    '') ;;
    --dry-run) dry=1 ;;
    *) echo "usage: sh tests/run.sh [--dry-run]" >&2; exit 2 ;;
esac

say() { echo "tests/run.sh: $*"; }

stop() {
    say "FAILED: $*" >&2
    exit 1
}

# Runs a command, or says that it would.
run() {
    if [ -n "$dry" ]; then
        say "would run: $*"
    else
        say "running: $*"
        "$@"
    fi
}

# The same with the rights that installing needs.
as_root() {
    if [ -n "$dry" ] || [ "$(id -u)" -eq 0 ]; then
        run "$@"
    elif command -v sudo >/dev/null 2>&1; then
        run sudo "$@"
    else
        stop "installing a Vulkan driver needs root or sudo; as root: $*"
    fi
}

has_vulkan_driver() {
    [ -n "${VK_DRIVER_FILES-}${VK_ICD_FILENAMES-}" ] && return 0
    for file in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json; do
        [ -e "$file" ] && return 0
    done
    return 1
}

has_gpu() {
    for node in /dev/dri/renderD* /dev/nvidia0 /dev/dxg; do
        [ -e "$node" ] && return 0
    done
    return 1
}

# Debian 12 has Mesa 22, whose software driver ends long loops early without a word.
mesa_is_too_old() {
    [ "$codename" = bookworm ] || return 1
    version=$(dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null) || return 1
    dpkg --compare-versions "$version" lt 23
}

# The address of the archive that apt has a suite from, by the suite's code name; nothing if it has none.
archive() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $1" 2>/dev/null | head -n 1; }

install_on_debian() {
    as_root apt-get update || say "apt-get update failed; going on with the lists there are"
    if [ "$codename" != bookworm ]; then
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1 ||
            stop "installing mesa-vulkan-drivers"
        return
    fi
    if [ -z "$(archive bookworm-backports)" ]; then
        site=$(archive bookworm)
        [ -n "$dry" ] && site=${site:-"<the archive of bookworm>"}
        [ -n "$site" ] || stop "apt knows no archive with bookworm; add bookworm-backports and install" \
            "mesa-vulkan-drivers from it"
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
        signed=
        [ -e "$keyring" ] && signed="[signed-by=$keyring] "
        list=/etc/apt/sources.list.d/fastweights-backports.list
        say "Debian 12's own Mesa ends long loops early; adding bookworm-backports in $list"
        as_root sh -c "echo 'deb $signed$site bookworm-backports main' > $list" || stop "writing $list"
        as_root apt-get update || stop "apt-get update"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1 ||
        stop "installing mesa-vulkan-drivers from bookworm-backports"
}

install_driver() {
    case " $distribution " in
        *" debian "* | *" ubuntu "*) install_on_debian ;;
        *" fedora "* | *" rhel "*)
            as_root dnf install -y mesa-vulkan-drivers vulkan-loader || stop "installing mesa-vulkan-drivers" ;;
        *" arch "*)
            as_root pacman -S --needed --noconfirm vulkan-swrast vulkan-icd-loader || stop "installing vulkan-swrast" ;;
        *)
            stop "no Vulkan driver, and no known package manager: install a recent Mesa lavapipe (often called" \
                "mesa-vulkan-drivers or vulkan-swrast) and the Vulkan loader" ;;
    esac
}

if [ "$(uname -s)" = Linux ]; then
    distribution=$(. /etc/os-release 2>/dev/null && echo "${ID-} ${ID_LIKE-}")
    codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME-}")
    if ! has_vulkan_driver; then
        say "no Vulkan driver; installing Mesa's software driver"
        install_driver
    elif ! has_gpu && mesa_is_too_old; then
        say "Mesa $version cannot run the GPU tests and there is no GPU; installing a newer one"
        install_driver
    else
        say "a Vulkan driver is installed"
    fi
    export FASTWEIGHTS_REQUIRE_ADAPTER=1
fi

passed=
failed=
skipped=
check() {
    name=$1
    shift
    if run "$@"; then passed="$passed, $name"; else failed="$failed, $name"; fi
}

command -v cargo >/dev/null 2>&1 || stop "no cargo: install Rust first"
if cargo fmt --version >/dev/null 2>&1; then
    check format cargo fmt --check
else
    skipped="$skipped, format (no rustfmt)"
fi

# Trainings shared by processes, where there is something to start them and to build against.
has_libclang() {
    [ -n "${LIBCLANG_PATH-}" ] && return 0
    for file in /usr/lib/llvm*/lib/libclang*.so* /usr/lib*/libclang*.so* /usr/lib/*/libclang*.so*; do
        [ -e "$file" ] && return 0
    done
    return 1
}
has_mpi() { command -v mpirun >/dev/null 2>&1 && command -v mpicc >/dev/null 2>&1 && has_libclang; }
if has_mpi; then all="--features mpi"; else all="--features cli"; fi

# The Python package as a user installs it, in a virtual environment of its own that sees what the machine's Python has (PyTorch, say);
# the engine is built among the other artifacts.
python=${FASTWEIGHTS_PYTHON:-python3}
venv=target/python-venv
in_venv() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
python_package() { in_venv --no-deps --force-reinstall ./python && "$venv/bin/python" -m pytest -q python/tests; }
check_python() {
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        skipped="$skipped, Python package (no Python 3.10 or newer)"
    elif [ -n "$dry" ]; then
        check "Python package" python_package
    elif ! "$python" -m venv --system-site-packages "$venv" || ! in_venv numpy pytest; then
        skipped="$skipped, Python package (no virtual environment with numpy and pytest can be made)"
    else
        check "Python package" python_package
    fi
}

# Every feature alone, none of them and all. The profile is that of the tests, so that procedural macros and what C compilers made are
# there already; warnings are errors by an argument, since flags for all crates would have everything built anew.
check_features() {
    if cargo clippy --version >/dev/null 2>&1; then
        strict="cargo clippy --release" deny="-- -D warnings"
    else
        skipped="$skipped, lints (no clippy)"
        strict="cargo check --release" deny=
    fi
    check "no features" $strict --no-default-features --all-targets $deny
    for feature in gpu import export fetch plot tensorboard; do
        check "feature $feature" $strict --no-default-features --lib --features "$feature" $deny
    done
    check lints $strict --all-targets $all $deny
    if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
        check "wasm" $strict --no-default-features --lib --target wasm32-unknown-unknown $deny
        check "wasm of the page" $strict -p fastweights-web --target wasm32-unknown-unknown $deny
    else
        skipped="$skipped, wasm (rustup target add wasm32-unknown-unknown)"
    fi
    check documentation env RUSTDOCFLAGS=-Dwarnings cargo doc --release --no-deps $all
}

# A software driver compiles for four lanes in half the time that it takes for eight.
export LP_NATIVE_VECTOR_WIDTH="${LP_NATIVE_VECTOR_WIDTH:-128}"
# The tests that compile shaders keep one thread busy, and so do the checks of other builds: both run at once, and the report of the
# second follows the first's.
check "building the tests" cargo test --release --all-targets --no-run
if [ -n "$dry" ]; then
    check_python
    check_features
else
    rm -f target/checks.lists
    (
        passed='' failed='' skipped=''
        check_python
        check_features
        printf '%s\n' "$passed" "$failed" "$skipped" >target/checks.lists
    ) >target/checks.log 2>&1 &
    checks=$!
    trap 'kill "$checks" 2>/dev/null; exit 130' INT TERM
fi
check tests cargo test --release --all-targets
if [ -z "$dry" ]; then
    wait "$checks"
    trap - INT TERM
    cat target/checks.log
    [ -s target/checks.lists ] || stop "the checks of other builds ended early"
    { IFS= read -r more_passed; IFS= read -r more_failed; IFS= read -r more_skipped; } <target/checks.lists
    passed=$passed$more_passed failed=$failed$more_failed skipped=$skipped$more_skipped
fi
check "doc tests" cargo test --release --doc
if has_mpi; then
    check "MPI tests" cargo test --release --features mpi --test mpi
else
    skipped="$skipped, MPI (no mpirun, mpicc and libclang)"
fi
# The page in a browser: what is soon tested of it, where it is built, which takes minutes. All of it: sh web/build.sh && node web/tests/run.mjs
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
missing=$(sh web/build.sh --check)
[ -n "$browser" ] || missing="${missing:+$missing; }Chromium"
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null || missing="${missing:+$missing; }node 18 or newer"
if [ -n "$missing" ]; then
    skipped="$skipped, page in a browser (first: $missing)"
else
    check "page in a browser" env CHROMIUM="$browser" node web/tests/run.mjs --quick
fi
if cargo deny --version >/dev/null 2>&1; then
    check dependencies cargo deny check
else
    skipped="$skipped, dependencies (no cargo-deny)"
fi
if typos --version >/dev/null 2>&1; then
    check spelling typos
else
    skipped="$skipped, spelling (no typos)"
fi

skipped=${skipped:+; skipped: ${skipped#, }}
[ -n "$dry" ] && { say "dry run: would check ${passed#, }$skipped"; exit 0; }
[ -n "$failed" ] && stop "${failed#, }; passed: ${passed#, }$skipped"
say "passed: ${passed#, }$skipped"
