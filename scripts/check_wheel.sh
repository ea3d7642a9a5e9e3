#!/usr/bin/env bash
# Is the wheel what a user needs? Build it, check its types, then install it where nothing else is and run it there.
#
#   scripts/check_wheel.sh [build|types|install]...     all three when none is named
#
# PYTHON is a Python with the development tools, TORCH_INDEX as in the Makefile. WHEELS keeps the wheel; a temporary folder otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
wheels=${WHEELS:-$work/dist}

build() {
    rm -rf build "$wheels"/dragoman-*.whl
    "$python" -m build --wheel --outdir "$wheels" . >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; return 1; }
    rm -rf build
    "$python" scripts/wheel_contents.py "$wheels"/dragoman-*.whl
}

# mypy does not follow the mapping of folders to names in a checkout, so it reads the wheel, unpacked.
types() {
    "$python" -m pip install --quiet --quiet --no-deps --target "$work/types" "$wheels"/dragoman-*.whl
    MYPYPATH="$work/types" "$python" -m mypy --config-file pyproject.toml --namespace-packages -p dragoman
}

install() {
    "$python" -m venv "$work/env"
    local pip=("$work/env/bin/python" -m pip install --quiet --quiet)
    "${pip[@]}" --upgrade pip
    "${pip[@]}" --constraint constraints.txt --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
    "${pip[@]}" --constraint constraints.txt "$wheels"/dragoman-*.whl
    "$work/env/bin/python" -m pip check
    # Away from the checkout, so that nothing of it can stand in for what the wheel lacks.
    cd "$work"
    "$work/env/bin/python" "$root/scripts/import_everything.py"
    "$work/env/bin/dragoman" --help >"$work/help.txt"
    "$work/env/bin/dragoman" doctor
    cd "$root"
}

[ $# -gt 0 ] || set -- build types install
for step in "$@"; do
    case $step in
        build | types | install) "$step" ;;
        *) echo "unknown step $step: build, types or install" >&2; exit 2 ;;
    esac
done
