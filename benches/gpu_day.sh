#!/bin/sh
# Everything that is wanted of a machine with a GPU, in one call of at most ten minutes, without network, root or Rust.
#
#     sh benches/gpu_day.sh pack FOLDER                          here: builds, and fills FOLDER with all that is needed
#     sh FOLDER/gpu_day.sh [--short] [--device D] [--out DIR]    there: runs it, writes DIR/gpu_day.json and DIR/gpu_day.md
#
# What fails is noted, and the next step goes on; the exit status is 1 then. FOLDER/data may hold Omniglot's two archives, for a
# training on it; without them it trains on drawn characters. --short takes seconds and means nothing: it is for tests.

set -u
say() { echo "gpu_day: $*"; }
stop() { say "$*" >&2; exit 2; }

pack() {
    cd "$(dirname "$0")/.." || exit 2
    cargo build --release || exit 2
    mkdir -p "$1" || exit 2
    cp target/release/fastweights benches/gpu_day.sh "$1" || exit 2
    cp -r tests/golden benches/peers "$1" || exit 2
    for test in parity gpu; do
        built=$(cargo test --release --test "$test" --no-run --message-format short 2>&1 |
            sed -n 's/.*Executable.*(\(.*\))$/\1/p')
        [ -n "$built" ] || stop "$test was not built"
        cp "$built" "$1/$test" || exit 2
    done
    say "$1: copy it to the machine with the GPU, and there: sh gpu_day.sh"
}

if [ "${1-}" = pack ]; then
    [ $# -eq 2 ] || stop "usage: sh benches/gpu_day.sh pack FOLDER"
    pack "$2"
    exit
fi

short='' device=gpu out=gpu_day
while [ $# -gt 0 ]; do
    case "$1" in
        --short) short=1; shift ;;
        --device | --out)
            [ $# -gt 1 ] || stop "$1 needs a value"
            if [ "$1" = --device ]; then device=$2; else out=$2; fi
            shift 2 ;;
        *) stop "usage: sh gpu_day.sh [--short] [--device D] [--out DIR]" ;;
    esac
done
here=$(cd "$(dirname "$0")" && pwd)
program=$here/fastweights
[ -x "$program" ] || stop "$program is missing: fill the folder with: sh benches/gpu_day.sh pack FOLDER"
mkdir -p "$out" && out=$(cd "$out" && pwd) || stop "$out cannot be made"
cd "$out" || exit 2
rm -rf run eval.json ./*.txt
export FASTWEIGHTS_REQUIRE_ADAPTER=1 FASTWEIGHTS_ADAPTER="$device"

# step NAME SECONDS COMMAND…: runs it with a limit; its words go to NAME.txt, its outcome into both results.
steps=
table=
failed=
step() {
    name=$1 limit=$(($2 * patience))
    shift 2
    say "$name"
    begin=$(date +%s)
    timeout -s INT -k 10 "$limit" "$@" >"$name.txt" 2>&1
    code=$?
    took=$(($(date +%s) - begin))
    # A training that is stopped by the limit has saved, and is judged next.
    [ "$name $code" = "training 124" ] && code=0
    [ $code -eq 0 ] || { failed=1; say "  failed with $code, see $out/$name.txt"; }
    steps="$steps${steps:+,}{\"step\":\"$name\",\"exit\":$code,\"seconds\":$took}"
    table="$table| $name | $([ $code -eq 0 ] && echo ok || echo "failed ($code)") | $took |
"
}

if [ -n "$short" ]; then
    is_short=true
    # Software compiles for a while.
    patience=6
    some='--seconds 0.005 --workload sine --meta-batch 3'
    cases=$here/golden/sine_k1.safetensors
    training='sinusoid --steps 2 --device cpu'
    judged='--tasks 4 --device cpu'
else
    is_short=false
    patience=1
    some='--seconds 0.1'
    cases=$(ls "$here"/golden/*.safetensors)
    training="omniglot-5way-1shot --device $device --set task.data=glyphs"
    judged="--tasks 600 --device $device"
fi
step devices 10 "$program" devices
step golden 20 "$program" gradcheck --device "$device" $cases
# The tests of kernels take minutes where shaders are compiled for a processor.
if [ -z "$short" ]; then
    step kernels 40 "$here/parity"
    step fused 20 "$here/gpu" fused::
fi
rm -f report.json jax.json
step bench 120 "$program" bench --device "$device" $some --report report.json
if [ -z "$short" ] && python3 -c 'import jax' 2>/dev/null; then
    step jax 60 python3 "$here/peers/jax_maml.py" --json jax.json --workload sine --workload omniglot-5way-1shot
    [ -e jax.json ] && step compare 10 python3 "$here/peers/compare.py" report.json jax.json
fi
if [ -z "$short" ] && [ -e "$here/data/images_background.zip" ]; then
    step import 20 "$program" data import omniglot "$here/data" --data sets --force
    training="omniglot-5way-1shot --device $device"
    export FASTWEIGHTS_DATA=sets
fi
step training 270 "$program" train $training --set control.enabled=false --out run --quiet
step eval 30 "$program" eval run $judged --json eval.json

# The contents of a JSON file, or null.
held() { if [ -e "$1" ]; then cat "$1"; else echo null; fi; }
{
    printf '{"device":"%s","short":%s,"steps":[%s],"report":' "$device" "$is_short" "$steps"
    held report.json
    printf ',"jax":'
    held jax.json
    printf ',"training":'
    held eval.json
    echo '}'
} >gpu_day.json
{
    printf '| step | outcome | seconds |\n| --- | --- | ---: |\n%s' "$table"
    for name in devices golden bench compare eval; do
        [ -e "$name.txt" ] && printf '\n%s:\n\n```text\n%s\n```\n' "$name" "$(tail -n 60 "$name.txt")"
    done
} >gpu_day.md
say "$out/gpu_day.json, $out/gpu_day.md"
[ -z "$failed" ]
