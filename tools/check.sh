#!/usr/bin/env bash
# `make check` (quick) and `make check-full` (full): sets up what is missing, runs every step even when one fails,
# and closes with the time of each step, the ends of the logs of what failed, and "N passed, N failed" over all tests of
# all steps. Non-zero exit when anything failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

export SUTRA_TEST_MODEL=${SUTRA_TEST_MODEL:-$PWD/.cache/model}
export SUTRA_SHARED_DATA=${SUTRA_SHARED_DATA:-$PWD/../shared/data}
[ "${CI:-}" = true ] && export YES=1
jobs=$(nproc)
logs=build/check
tail_lines=40 # of a failed step's log, shown again at the end
report=$logs/report-${1:-}.txt # what failed, for .ci/run
passed=0
failed=0
failures=()  # "name<TAB>command that shows the reason"
durations=() # "seconds name"
current=
mkdir -p "$logs"
rm -f "$report"

# begin NAME: closes the running step's time and opens the next one's.
begin() {
    [ -z "$current" ] || durations+=("$((SECONDS - since)) $current")
    current=$1 since=$SECONDS
    [ -z "$1" ] || printf '\n=== %s (%d s)\n' "$1" "$SECONDS"
}

log_of() { printf '%s/%s.log' "$logs" "$(printf '%s' "$1" | tr -c 'a-zA-Z0-9' '-')"; }

# fail NAME COMMAND ...: what to say about it at the end.
fail() {
    local command
    printf -v command '%q ' "${@:2}"
    failures+=("$1"$'\t'"$command")
}

# Times, then for each failure the end of its log, then the counts: the reason stands in the last lines.
finish() {
    local line
    begin ''
    printf '\nstep times:\n'
    for line in "${durations[@]}"; do printf '%6d s  %s\n' "${line%% *}" "${line#* }"; done
    printf '\n'
    for line in "${failures[@]}"; do
        printf 'FAILED: %s\n' "${line%%$'\t'*}"
        eval "${line#*$'\t'}"
        printf '\n'
    done | tee "$report"
    printf 'time: %d s\n' "$SECONDS"
    printf '%d passed, %d failed\n' "$passed" "$failed" | tee -a "$report"
    [ "$failed" = 0 ]
}

# step NAME COMMAND ...: counts as one test.
step() {
    local log
    log=$(log_of "$1")
    begin "$1"
    "${@:2}" 2>&1 | tee "$log"
    if [ "${PIPESTATUS[0]}" = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        fail "$1" tail -n "$tail_lines" "$log"
        return 1
    fi
}

# need NAME COMMAND ...: a step without which the rest makes no sense; it counts only when it fails.
need() {
    step "$@" || { finish; exit 1; }
    passed=$((passed - 1))
}

# tests PRESET [CTEST ARGUMENT ...]: each test of ctest counts; its skipped tests count as failed.
tests() {
    local preset=$1 name="tests, $*" log=$logs/ctest-$1.log junit=$PWD/$logs/ctest-$1.xml total bad skipped
    shift
    begin "$name"
    rm -f "$junit"
    ctest --test-dir "build/$preset" --no-tests=error --output-on-failure --timeout 1800 -j "$jobs" \
        --output-junit "$junit" "$@" 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]}
    total=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/.*tests passed, \([0-9]*\) tests failed out of.*/\1/p' "$log")
    skipped=$(grep -c '\*\*\*Skipped' "$log")
    if [ -z "$total" ]; then
        total=1 bad=1
    fi
    bad=$((bad + skipped))
    [ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    [ "$bad" = 0 ] || fail "$name: $bad" show_failed_tests "$junit" "$log"
}

# show_failed_tests JUNIT_FILE LOG
show_failed_tests() {
    tail -n 12 "$2"
    [ ! -f "$1" ] || python3 tools/failed_tests.py "$1" "$tail_lines"
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
        --model "$SUTRA_TEST_MODEL" --program build/release/tokenizer_dump --share 16
    fuzz 0
}

# Kernels and program for arm64 under QEMU; the kernels alone where Debian's arm64 libraries cannot be had.
arm64() {
    if [ "$(uname -m)" = aarch64 ]; then
        echo "arm64: this machine is one, its kernels ran above"
    elif tools/setup.sh arm64; then
        need "build, arm64" build arm64
        tests arm64 -R '^(checkkernels_half_[12]|test_(status|memory|file_map|json_file|thread_pool|parallel_for|cpu_features))$'
        step "program, arm64" tools/check_arm64.sh
    else
        echo "SKIPPED: program, arm64: its libraries cannot be had (above); the kernels need none"
        need "build, arm64-kernels" build arm64-kernels
        tests arm64-kernels -R '^checkkernels_half_[12]$'
    fi
}

# ThreadSanitizer has nothing to see in code that starts no thread, nor in how a server stands the failure of one
# allocation after another, which takes minutes.
no_races='^(test_(chunker|unigram|bundle|pattern|onnx_write|number_text|server_memory)|onnx_structure|cli_help)$'

full() {
    set_up lint arm browser python spark
    need "build, tsan" build tsan
    tests tsan -E "$no_races"
    need "Python, clients of the server" tools/setup.sh python tests/server/clients.txt
    step "clients of the server" .venv/bin/python -B tests/server/test_clients.py --program build/release/sutra
    step "README's lines" .venv/bin/python -B tests/server/test_readme.py --program build/release/sutra
    step "a client of WebSockets" .venv/bin/python -B tests/server/test_stream_client.py --program build/release/sutra
    need "Python, page and API of the server" tools/setup.sh python tests/server/page.txt
    step "page of the server" .venv/bin/python -B tests/server/test_page.py --program build/release/sutra
    step "API of the server against its description" .venv/bin/python -B tests/server/test_openapi.py --program build/release/sutra
    need "Python, ONNX Runtime" tools/setup.sh python tests/onnx/runtime.txt
    step "ONNX files in ONNX Runtime" .venv/bin/python -B tests/onnx/test_onnx_runtime.py \
        --program build/release/sutra --library build/release/libsutra.so
    need "Python wheel" tools/python_wheel.sh
    step "Python package" tools/python_wheel.sh test
    step "guides" python3 -B tests/guide/run_guides.py --program build/release/sutra \
        --package build/python-test/venv/bin/python --clients .venv/bin/python
    need "Python, databases" tools/setup.sh python tests/sql/databases.txt
    step "examples of SQLite, with sqlite-vec" .venv/bin/python -B tests/sql/test_sql_examples.py \
        --program build/release/sutra --extension build/release/sutra0.so --vec0
    step "examples of PostgreSQL, with and without pgvector" .venv/bin/python -B tests/sql/test_postgres.py \
        --program build/release/sutra --server .venv/lib/python3*/site-packages/pgserver/pginstall/bin
    need "Ray and Spark" tools/cluster.sh
    step "Python package in Ray and Spark" tools/cluster.sh test
    need "nginx" tools/setup.sh nginx
    step "server behind nginx" python3 -B tests/server/test_proxy.py --program build/release/sutra --nginx .cache/nginx/usr/sbin/nginx
    step "lint" tools/lint.sh check
    arm64
    fuzz 10
}

# fuzz SECONDS: each fuzz target counts; 0: the seeds alone.
fuzz() {
    local log=$logs/fuzz.log name="fuzzing, $1 s a target" good bad
    [ "$1" -gt 0 ] || name="seeds of the fuzz targets"
    need "build, fuzz" build fuzz
    begin "$name"
    tools/fuzz.sh "$1" 2>&1 | tee "$log"
    good=$(grep -c '^fuzz_.*: passed' "$log")
    bad=$(grep -c '^fuzz_.*: FAILED' "$log")
    [ $((good + bad)) -gt 0 ] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    [ "$bad" = 0 ] || fail "$name: $bad" tail -n $((tail_lines * bad)) "$log"
}

case ${1:-} in
quick | full) "$1" ;;
*)
    echo "usage: tools/check.sh quick|full" >&2
    exit 2
    ;;
esac
finish
