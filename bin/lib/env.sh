# shellcheck shell=bash
# Sourced by the commands in bin/. Changes to the project's root and installs the requirements into .venv:
# `environment` those of Pantheon, `environment --dev` those of the tests too.
# Works with bash 3.2 (macOS) and with an empty environment.

cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
unset PYTHONHOME PYTHONPATH # keep other projects' modules out
export PYTHONUNBUFFERED=1

say() { printf 'pantheon: %s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}

# Print the first Python >= 3.11. Each candidate is run, not just looked up: pyenv has shims for versions
# that are not selected, which fail.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

environment() {
    local python
    if .venv/bin/python -I bin/lib/environment.py --check "$@" 2>/dev/null; then return; fi
    python=$(find_python) || die "Python 3.11 or newer is needed, but none was found on the PATH" \
        "(Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python; or set PYTHON=/path/to/python3)."
    "$python" -I bin/lib/environment.py "$@" || exit
}
