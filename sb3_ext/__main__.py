"""``python -m sb3_ext`` is the ``sb3-ext`` command."""

import sys

from sb3_ext.cli import main

if __name__ == "__main__":
    sys.exit(main())
