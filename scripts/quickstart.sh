#!/usr/bin/env bash
set -euo pipefail

if [ $# -gt 0 ]; then
    cat <<'HELP'
usage: bash scripts/quickstart.sh

Installs everything into .venv, trains PPO to spend an advertising budget while media prices vary at random
(AdSpendShock-v0), and compares it in 300 campaigns with every planner, re-planning every day among them, and with a
clairvoyant. Leaves the trained agent, a table and pictures in quickstart/.
A few minutes on two CPU cores after the downloads. PYTHON=... chooses the interpreter.
HELP
    case "$1" in
        -h | --help) exit 0 ;;
        *) echo "error: quickstart.sh takes no arguments, got: $*" >&2 && exit 2 ;;
    esac
fi

source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
SECONDS=0
# Networks this small are fastest on one thread.
export MPLBACKEND=Agg OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1

output=quickstart
python scripts/train.py --algo ppo --env AdSpendShock-v0 --vec-env native --seed 1 -f "$output/logs" \
    --eval-freq 100000 --eval-episodes 50 --log-interval 1000 --progress
python scripts/evaluate.py --algo ppo --env AdSpendShock-v0 -f "$output/logs" -n 300 --output "$output/results"

echo
echo "Done in $SECONDS s. Table and pictures:"
find "$output/results" -type f | sort | sed 's/^/  /'
