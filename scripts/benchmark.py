"""Measure speed and memory beside what others offer: see `python scripts/benchmark.py --help`."""

from benchmarks.__main__ import run

if __name__ == "__main__":
    raise SystemExit(run())
