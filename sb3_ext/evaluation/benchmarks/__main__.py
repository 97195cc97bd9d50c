"""``python -m sb3_ext.evaluation.benchmarks``: the command with mistakes reported in one line."""

import sys

from sb3_ext.errors import UserError
from sb3_ext.evaluation.benchmarks.command import PROGRAM, main


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
