#!/usr/bin/env bash
# usage: tools/lint.sh format    clang-format the tree in place
#        tools/lint.sh check [NODES]
#                                clang-format, line width, cppcheck, clang-tidy, shellcheck, layering; runs all, fails if one does
# NODES: how much of a function clang's analyzer looks through, 75000; its own default, 225000, takes twice as long.
# shellcheck disable=SC2317 # functions are called by run
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

# Generated tables are not formatted by hand or tool.
sources() { git ls-files --cached --others --exclude-standard "$@" | grep -v '_tables\.[ch]$'; }

format_check() { sources '*.c' '*.h' '*.cu' '*.cuh' | xargs clang-format --dry-run --Werror; }

cppcheck_run() {
    cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 -j "$(nproc)" \
        --suppressions-list=tools/lint_cppcheck.txt -Iinclude -Isrc -Iserver -D_GNU_SOURCE \
        src cli server plugins include examples
}

# The checks are in .clang-tidy. Files for Arm are in no build of this machine: clang-format, width and layering see them.
tidy_run() {
    cmake --preset release >/dev/null || return 1
    sources 'src/*.c' 'cli/*.c' 'server/*.c' 'plugins/*.c' | grep -v -e '^src/kernels/arm/' -e '_neon\.c$' -e '_dotprod\.c$' | xargs -P "$(nproc)" -n 1 \
        clang-tidy --quiet -p build/release --extra-arg={-Xclang,-analyzer-config,-Xclang,max-nodes="$nodes"} 2>/dev/null
}

shellcheck_run() {
    local scripts
    mapfile -t scripts < <(sources '*.sh' '.ci/run' '*.bash')
    shellcheck "${scripts[@]}"
}

run() {
    printf -- '--- %s\n' "$1"
    "$1" || { printf 'lint: %s failed\n' "$1"; status=1; }
}

layering() { python3 tools/check_layering.py --self-test && python3 tools/check_layering.py; }

# clang-format leaves long comments as they are.
width() { python3 tools/check_width.py --self-test && python3 tools/check_width.py; }

status=0
nodes=${2:-75000}
case ${1:-} in
format) sources '*.c' '*.h' '*.cu' '*.cuh' | xargs clang-format -i ;;
check)
    run format_check
    run width
    run shellcheck_run
    run layering
    run cppcheck_run
    run tidy_run
    ;;
*)
    echo "usage: tools/lint.sh format|check" >&2
    exit 2
    ;;
esac
exit $status
