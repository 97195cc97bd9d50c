#!/usr/bin/env bash
# Lint, types and tests in .venv, made if absent. Arguments go to pytest: `bash scripts/test.sh -m slow`, `... tests/zoo/test_registry.py -x`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
SECONDS=0

# Two workers with one thread each are faster than two workers that compete for the cores.
export OMP_NUM_THREADS=1 MPLBACKEND=Agg

failed=()
run() {
    local name="$1" start=$SECONDS
    shift
    echo "== $name"
    "$@" || failed+=("$name")
    echo "== $name: $((SECONDS - start)) s"
}

run "ruff check" ruff check .
run "ruff format" ruff format --check .
# Beside the tests, which wait for servers and processes at times
types="$(mktemp)"
mypy >"$types" 2>&1 &
checker=$!
trap 'kill "$checker" 2>/dev/null || true; rm -f "$types"' EXIT
# loadgroup: tests that share a server or a trained agent run on the worker that made it.
run "pytest" pytest -n 2 --dist loadgroup --durations=25 "$@"
run "mypy" wait "$checker"
cat "$types"

echo "total: $SECONDS s"
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
