"""
Write every page of results from raw CSV files: docs/results/*/results.md, and docs/*.md from docs/templates/.

Nothing is trained or measured. --check changes nothing and fails if a page is not what it should be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from docs.pages import draw_speed, pages
from sb3_ext.app.errors import UserError
from sb3_ext.common.files import atomic_path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if a page is out of date")
    args = parser.parse_args()
    stale = []
    try:
        for path, text in pages(args.root):
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(path)
            print(f"{'out of date' if args.check else 'written'}: {path.relative_to(args.root)}")
            if args.check:
                continue
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            if path.name == "speed.md":
                draw_speed(args.root)
    except UserError as error:
        print(f"results_pages: error: {error}", file=sys.stderr)
        return error.exit_code
    return int(args.check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
