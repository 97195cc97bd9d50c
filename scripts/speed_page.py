"""Write docs/speed.md and its chart from docs/results/speed.csv, which `sb3-ext benchmark speed` measures."""

import argparse
import sys
from pathlib import Path

from benchmarks.page import write_page
from sb3_ext.app.errors import UserError

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of the page (default: docs)")
    try:
        write_page(parser.parse_args().docs)
    except UserError as error:
        print(f"speed_page: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
