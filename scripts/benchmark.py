"""Measure speed and memory beside what others offer: see `python scripts/benchmark.py --help`."""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is imported

from benchmarks.command import PROGRAM, main
from sb3_ext.app.errors import UserError

if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
