# shellcheck shell=bash
# What the scripts of this folder share. Source it first: `. "$(dirname "$0")/lib.sh"`.
# It goes to the top of the clone, finds cargo, and stops the script at unset variables and failed pipes.
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
ROOT=$PWD
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
export ROOT TARGET

# A service may run without HOME; cargo and the cache of libssl both live below it.
if [ -z "${HOME:-}" ]; then
    HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
    export HOME
fi
if ! command -v cargo >/dev/null && [ -r "${CARGO_HOME:-$HOME/.cargo}/env" ]; then
    # shellcheck disable=SC1091  # written by rustup
    . "${CARGO_HOME:-$HOME/.cargo}/env"
fi

# What the library is built and tested with: every feature but `vendored`, which builds a libssl of its own. The same
# words in every script, so that all find what one has compiled.
# shellcheck disable=SC2034  # used by the scripts that source this
LIBRARY=(--workspace --exclude patina-interop --features patina-tls/cli)

# Colour only for a person's terminal.
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' RESET=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' RESET=''
fi
export BOLD DIM RED GREEN RESET

# The Debian packages that a build takes.
# shellcheck disable=SC2034  # used by the scripts that source this
BUILD_PACKAGES=(gcc libc6-dev libssl-dev openssl pkg-config)

# note TEXT...: a line about what goes on.
note() { printf '%s\n' "${DIM}$*${RESET}"; }

# die TEXT...: one clear line on stderr, and the end.
die() {
    printf '%s\n' "${RED}${0##*/}: $*${RESET}" >&2
    exit 1
}

# need_cargo: the Rust toolchain is the one thing that is not installed here.
need_cargo() {
    command -v cargo >/dev/null || die "cargo was not found; install a Rust toolchain (https://rustup.rs) first"
}

# need_component NAME...: cargo's own tools, such as clippy. A minimal toolchain lacks some; rustup can add them.
need_component() {
    local name
    for name; do
        cargo "${name/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null || die "this toolchain has no $name, and there is no rustup to add it"
        note "adding $name to the toolchain"
        rustup --quiet component add "$name" || die "rustup could not add $name"
    done
}

# as_root COMMAND...: as root, with sudo where needed.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing (${*: -1} and others); run as root, or install sudo"
    fi
}

# has_package NAME: whether Debian's package, or what it is wanted for, is there.
has_package() {
    case "$1" in
        # Programs that people have from elsewhere, too.
        gcc) command -v cc >/dev/null ;;
        default-jdk-headless) command -v javac >/dev/null ;;
        golang-go) command -v go >/dev/null ;;
        python3-pip) python3 -m pip --version >/dev/null 2>&1 ;;
        curl | make | openssl | perl | pkg-config | python3 | shellcheck | valgrind) command -v "$1" >/dev/null ;;
        *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

# need_packages NAME...: installs what is missing of Debian's packages, and nothing when nothing is.
need_packages() {
    local name missing=()
    for name; do
        has_package "$name" || missing+=("$name")
    done
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || die "no apt-get here; install what is called ${missing[*]} on Debian"
    note "installing ${missing[*]}"
    local quiet=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
    as_root "${quiet[@]}" update || die "apt-get update failed"
    as_root "${quiet[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null ||
        die "apt-get could not install ${missing[*]}"
    for name in "${missing[@]}"; do
        has_package "$name" || die "$name was installed, but is still not found"
    done
}
