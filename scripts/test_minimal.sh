#!/usr/bin/env bash
# The tests with the lowest versions that pyproject.toml allows of what it names, in .venv-minimal. Arguments go to pytest.
# PYTHON names the interpreter (default python3.10, the lowest). UV_INDEX with the address of PyTorch's CPU wheels avoids
# several gigabytes where the package index serves its CUDA build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON="${PYTHON:-python3.10}"
"$PYTHON" -m venv --clear .venv-minimal
.venv-minimal/bin/python -m pip install --quiet --disable-pip-version-check uv
.venv-minimal/bin/uv pip install --python .venv-minimal/bin/python --resolution lowest-direct -e '.[plots,planning,tests]'
.venv-minimal/bin/uv pip list --python .venv-minimal/bin/python
OMP_NUM_THREADS=1 MPLBACKEND=Agg .venv-minimal/bin/python -m pytest -n 2 --dist loadgroup "$@"
