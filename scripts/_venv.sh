# Sourced by test.sh, quickstart.sh and docs.sh: changes to the repository's root, makes .venv unless it is up to date, activates it.
# PYTHON names the interpreter (default python3), EXTRAS what is installed (default dev). The constraints pin torch==2.13.0; where the package index serves its CUDA
# build by default, PIP_EXTRA_INDEX_URL with the address of PyTorch's CPU wheels avoids several gigabytes.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON="${PYTHON:-python3}"

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: $PYTHON is $("$PYTHON" --version 2>&1); the tested versions need Python 3.11 or newer: set PYTHON" >&2
    exit 1
fi
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "Creating .venv"
    "$PYTHON" -m venv --clear .venv
fi
EXTRAS="${EXTRAS:-dev}"
stamp="$(cat pyproject.toml scripts/constraints.txt | cksum)"
if [ "$(cat ".venv/.sb3_ext_installed.$EXTRAS" 2>/dev/null || true)" != "$stamp" ]; then
    echo "Installing sb3_ext and the tested versions of what it needs into .venv (a few minutes the first time)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c scripts/constraints.txt -e ".[$EXTRAS]"
    echo "$stamp" >".venv/.sb3_ext_installed.$EXTRAS"
fi
export PATH="$PWD/.venv/bin:$PATH"
