"""Train an agent: the same as ``sb3-ext train``."""

import sys

from sb3_ext.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["train", *sys.argv[1:]]))
