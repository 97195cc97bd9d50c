"""Evaluate trained agents: the same as ``sb3-ext evaluate``."""

import sys

from sb3_ext.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["evaluate", *sys.argv[1:]]))
