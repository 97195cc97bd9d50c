"""
Measure how often the 95 % intervals hold the truth, on simulated scores of 5 to 30 seeds.

Example: python scripts/interval_coverage.py --output docs/results/interval_coverage.csv
"""

import argparse
import csv
import functools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from docs.coverage import SEEDS, Coverage, measure_coverage
from sb3_ext.common.files import atomic_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2_000, help="sets of scores for each interval")
    parser.add_argument("--seed", type=int, default=0, help="seed of the scores")
    parser.add_argument("--n-jobs", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    args = parser.parse_args()
    measure = functools.partial(measure_coverage, repetitions=args.repetitions, seed=args.seed)
    with ProcessPoolExecutor(args.n_jobs) as pool:
        # The largest numbers of seeds take longest, so they go first.
        records = [record for part in reversed(list(pool.map(measure, reversed(SEEDS)))) for record in part]
    with atomic_path(args.output) as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Coverage._fields)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in record] for record in records)


if __name__ == "__main__":
    main()
