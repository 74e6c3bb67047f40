#!/bin/sh
# Makes .venv from the hashed pins in requirements.txt. Idempotent: a stamp holds the pins' hash.
# Needs nothing but a Debian-like system or a Python 3.11 or newer with venv.
set -eu

cd "$(dirname "$0")/.."
stamp=.venv/.pins
pins=$(cksum < requirements.txt)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$pins" ] && [ -x .venv/bin/ship ] && exit 0

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; say "  fix: $2"; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python=
for candidate in python3.13 python3.12 python3.11 python3; do
    if new_enough "$candidate"; then python=$candidate; break; fi
done

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
debian_install() {
    command -v apt-get >/dev/null || fail "$* missing, and this is no Debian-like system" "install it, then run the same command again"
    say "· installing $* from Debian's packages: $why"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if [ -z "$python" ]; then
    why="the program is written in Python 3.11 or newer"
    debian_install python3 python3-venv
    python=python3
    new_enough "$python" || fail "Debian's python3 is older than 3.11" "install Python 3.11 or newer, then run the same command again"
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    why="it makes the project's own virtual environment"
    debian_install python3-venv
fi

started=$(date +%s)
say "· installing the Python packages of requirements.txt into .venv"
[ -x .venv/bin/python ] && new_enough .venv/bin/python || "$python" -m venv --clear .venv
uv=$(grep -m1 -o '^uv==[0-9.]*' requirements.txt)
# uv is several times faster; pip is the fallback because it alone reads a machine's pip configuration.
# Bytecode now, or every `pulumi` command would compile the SDKs again where Python may not write it.
if ! { .venv/bin/python -m pip install -q --disable-pip-version-check "$uv" &&
       .venv/bin/python -m uv pip install -q --compile-bytecode --require-hashes -r requirements.txt; } 2>.venv/.uv-said; then
    say "  uv could not ($(tail -n 1 .venv/.uv-said)); trying pip"
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.txt ||
        fail "the packages could not be installed" "look at pip's message above; the run can be repeated"
fi
# The project itself, for its console script `ship`; what builds it is pinned above, so no index is asked.
.venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-index --no-build-isolation --editable . ||
    fail "the project's own command \`ship\` could not be installed" "look at pip's message above; the run can be repeated"
printf '%s' "$pins" > "$stamp"
say "✓ Python packages ($(($(date +%s) - started)) s)"
