"""Search hyperparameters: the same as ``sb3-ext tune``."""

import sys

from sb3_ext.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["tune", *sys.argv[1:]]))
