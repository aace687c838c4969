#!/usr/bin/env bash
# The program of the preset arm64, under QEMU, against that of the preset release: vectors of the same bytes in fp32,
# int8, bf16 and fp16, by every GEMM of Arm that the program takes. Prints a line a comparison; exits 1 when bytes differ.
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

# embed ISA MODEL FILE [EMULATOR ...]: without a name of an ISA, what the processor has.
embed() {
    local program=build/release/sutra
    [ $# = 3 ] || program=build/arm64/sutra
    SUTRA_ISA=$1 "${@:4}" "$program" embed --no-cache -m "$2" --format npy -o "$3" "${texts[@]}"
}

# compare NAME MODEL ISA_HERE ISA_ARM ...
compare() {
    local isa
    embed "$3" "$2" "$folder/here.npy"
    for isa in "${@:4}"; do
        embed "$isa" "$2" "$folder/arm.npy" "${emulator[@]}"
        if cmp "$folder/here.npy" "$folder/arm.npy"; then
            echo "$1, $isa: the same bytes"
        else
            echo "$1, $isa: other bytes"
            status=1
        fi
    done
}

# Files compute in their precision on every processor. Level avx2: the bf16 attention of amx and the dot products of
# avx512bf16 give other bits.
for compute in int8 bf16 fp16; do
    build/release/sutra quantize "$model" -o "$folder/$compute.sutra" --compute $compute --embeddings fp32 >"$folder/said" 2>&1 ||
        { cat "$folder/said"; exit 1; }
done
compare fp32 "$model" avx2 neon i8mm
compare int8 "$folder/int8.sutra" avx2 neon dotprod i8mm
compare bf16 "$folder/bf16.sutra" avx2 neon
compare fp16 "$folder/fp16.sutra" avx2 neon
exit $status
