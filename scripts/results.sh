#!/usr/bin/env bash
# Trains and evaluates rows of the pages of results (scripts/docs/rows.txt), by the rules of docs/protocol.md: on ten seeds that
# are drawn once (docs/results/seeds.csv), one process per core, on episodes that no training saw. Trained agents go to results-logs/,
# tables, raw CSV and pictures to docs/results/. Arguments choose rows, e.g. `bash scripts/results.sh AdSpend-v0 Pendulum-v1`; all by default.
# JOBS limits the processes. SEEDS="100 101" tries other seeds and leaves the table with the agents.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"
# shellcheck disable=SC2086  # several seeds
exec python scripts/measure.py rows "$@" ${JOBS:+--jobs "$JOBS"} ${SEEDS:+--seeds $SEEDS}
