"""``python -m benchmarks``: the command with mistakes reported in one line."""

import sys

from benchmarks.command import PROGRAM, main
from sb3_ext.app.errors import UserError


def run() -> int:
    """
    Run the command.

    :return: exit code: 0, 1 for a run that failed, 2 for wrong usage, 130 if it was interrupted
    """
    try:
        return main()
    except UserError as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(run())
