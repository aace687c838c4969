#!/usr/bin/env bash
# `make check` (quick) and `make check-full` (full): sets up what is missing, runs every step even when one fails,
# and closes with "N passed, N failed" over all tests of all steps. Non-zero exit when anything failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

export SUTRA_TEST_MODEL=${SUTRA_TEST_MODEL:-$PWD/.cache/model}
export SUTRA_SHARED_DATA=${SUTRA_SHARED_DATA:-$PWD/../shared/data}
[ "${CI:-}" = true ] && export YES=1
jobs=$(nproc)
logs=build/check
passed=0
failed=0
failures=()

headline() { printf '\n=== %s (%d s)\n' "$*" "$SECONDS"; }

die() {
    printf '%s\n' "check: $*" >&2
    printf '%d passed, %d failed\n' "$passed" "$((failed + 1))"
    exit 1
}

# need NAME COMMAND ...: a step without which the rest makes no sense.
need() {
    headline "$1"
    "${@:2}" || die "$1 failed"
}

# step NAME COMMAND ...: counts as one test.
step() {
    headline "$1"
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        failures+=("$1")
    fi
}

# tests PRESET [CTEST ARGUMENT ...]: each test of ctest counts; its skipped tests count as failed.
tests() {
    local preset=$1 log=$logs/ctest-$1.log total bad
    shift
    headline "tests, $preset $*"
    ctest --test-dir "build/$preset" --no-tests=error --output-on-failure -j "$jobs" "$@" 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]}
    total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of.*/\1/p' "$log")
    local skipped
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    if [ -z "$total" ]; then
        total=1 bad=1
    fi
    bad=$((bad + skipped))
    [ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    [ "$bad" = 0 ] || failures+=("tests, $preset: $bad")
}

build() { cmake --preset "$1" >"$logs/configure-$1.log" 2>&1 || { cat "$logs/configure-$1.log"; return 1; }
    cmake --build --preset "$1"; }

shared_data() {
    if [ -d "$SUTRA_SHARED_DATA" ]; then
        echo "Shared data: $SUTRA_SHARED_DATA"
    else
        echo "No shared data at $SUTRA_SHARED_DATA (set SUTRA_SHARED_DATA): tests on it say so and use their own small texts"
    fi
}

set_up() {
    need "packages" tools/setup.sh packages build check "$@"
    mkdir -p "$logs"
    need "Python" tools/setup.sh python tests/requirements.txt
    need "build, release" build release
    need "model" tools/setup.sh model
    shared_data
}

quick() {
    set_up
    need "build, asan" build asan
    tests release
    tests asan
    step "layering" python3 tools/check_layering.py
    step "layering check can fail" python3 tools/check_layering.py --self-test
    step "tokenizer against the reference" .venv/bin/python tests/tokenizer/differential.py \
        --model "$SUTRA_TEST_MODEL" --program build/release/tokenizer_dump
    fuzz 20
}

full() {
    set_up lint
    need "build, tsan" build tsan
    tests tsan
    step "lint" tools/lint.sh check
    fuzz 60
}

# Each fuzz target counts.
fuzz() {
    need "build, fuzz" build fuzz
    headline "fuzzing, $1 s a target"
    local log=$logs/fuzz.log
    tools/fuzz.sh "$1" 2>&1 | tee "$log"
    local good bad
    good=$(grep -c '^fuzz_.*: passed' "$log")
    bad=$(grep -c '^fuzz_.*: FAILED' "$log")
    [ $((good + bad)) -gt 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    [ "$bad" = 0 ] || failures+=("fuzzing: $bad")
}

case ${1:-} in
quick | full) "$1" ;;
*) die "usage: tools/check.sh quick|full" ;;
esac

printf '\n'
for failure in "${failures[@]}"; do printf 'FAILED: %s\n' "$failure"; done
printf 'time: %d s\n%d passed, %d failed\n' "$SECONDS" "$passed" "$failed"
[ "$failed" = 0 ]
