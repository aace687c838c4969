#!/usr/bin/env bash
# The program of the preset arm64, under QEMU, against that of the preset release: vectors of the same bytes in fp32,
# int8 and bf16, by every GEMM of Arm that the program takes. Prints a line a comparison; exits 1 when bytes differ.
#
#   tools/check_arm64.sh        SUTRA_TEST_MODEL: the model's folder (default .cache/model)
set -euo pipefail
cd "$(dirname "$0")/.."

model=${SUTRA_TEST_MODEL:-.cache/model}
texts=("A text." "Two texts are packed into one batch, and this one is longer than the other." "naïve café, 東京 0123456789")
emulator=(qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu -E "LD_LIBRARY_PATH=$PWD/.cache/arm64/usr/lib/aarch64-linux-gnu")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

# embed ISA COMPUTE FILE [EMULATOR ...]: without a name of an ISA, what the processor has.
embed() {
    local program=build/release/sutra
    [ $# = 3 ] || program=build/arm64/sutra
    SUTRA_ISA=$1 "${@:4}" "$program" embed --no-cache --strict -m "$model" --compute "$2" --format npy -o "$3" "${texts[@]}"
}

# compare COMPUTE ISA_HERE ISA_ARM ...
compare() {
    local compute=$1 here=$2 isa
    if ! embed "$here" "$compute" "$folder/here.npy" 2>"$folder/error"; then
        cat "$folder/error"
        grep -q -e 'this processor has no instructions' -e 'this machine has only' "$folder/error" || exit 1
        echo "SKIPPED: $compute: this processor cannot compute what Arm is compared with (above)"
        return
    fi
    for isa in "${@:3}"; do
        embed "$isa" "$compute" "$folder/arm.npy" "${emulator[@]}"
        if cmp "$folder/here.npy" "$folder/arm.npy"; then
            echo "$compute, $isa: the same bytes"
        else
            echo "$compute, $isa: other bytes"
            status=1
        fi
    done
}

compare fp32 "" neon i8mm
compare int8 "" dotprod i8mm
compare bf16 avx2 neon # rows of floats: not what avx512bf16 and amx compute
exit $status
