#!/usr/bin/env bash
# usage: tools/fuzz.sh SECONDS [TARGET ...]   runs fuzz targets of build/fuzz (all by default), one a core.
# SECONDS 0: every seed once, no new inputs.
# Seeds: tests/*/corpus/TARGET/ and, made by the build, build/fuzz/seeds/TARGET/.
# New inputs are kept in build/fuzz/corpus/TARGET/, crashes in build/fuzz/crashes/.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
if [ $# = 0 ]; then
    for program in build/fuzz/fuzz_*; do
        [ -f "$program" ] && [ -x "$program" ] && set -- "$@" "$(basename "$program")"
    done
fi
[ $# -gt 0 ] || { echo "there is no fuzz target"; exit 1; }

run_one() {
    local target=$1 work=build/fuzz/corpus/$1 log=build/fuzz/$1.log seeds=() options=()
    mkdir -p "$work" build/fuzz/crashes
    for folder in tests/*/corpus/"$target" build/fuzz/seeds/"$target"; do [ -d "$folder" ] && seeds+=("$folder"); done
    for dictionary in tests/*/corpus/"$target".dict; do [ -f "$dictionary" ] && options+=("-dict=$dictionary"); done
    if [ "$seconds" = 0 ]; then options+=(-runs=0); else options+=(-max_total_time="$seconds"); fi
    if "build/fuzz/$target" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/crashes/$target-" "${options[@]}" "$work" "${seeds[@]}" >"$log" 2>&1; then
        printf '%s: passed, %s runs, %s seed folders\n' "$target" \
            "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "${#seeds[@]}"
    else
        tail -n 40 "$log"
        printf '%s: FAILED, see build/fuzz/crashes\n' "$target"
        return 1
    fi
}
export -f run_one
export seconds
printf '%s\n' "$@" | xargs -P "$(nproc)" -I {} bash -c 'run_one {}'
