"""
Write every page of results from the raw CSV files beside it.

docs/results/*/results.md, the filled templates in docs/*.md and README.md (`<!-- results NAME=FOLDER ...`, see
scripts/docs/pages.py) and docs/tutorial_systems.md. Nothing is trained or measured.

--check changes nothing and fails if a page is not what it should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from docs.figures import folder_page
from docs.pages import fill
from docs.tutorials.page import COMMAND, render_page
from docs.tutorials.systems import read_systems, read_trainings
from sb3_ext.app.errors import UserError
from sb3_ext.common.files import atomic_path

ROOT = Path(__file__).resolve().parent.parent


def pages(root: Path) -> Iterator[tuple[Path, str]]:
    """Every page and what it should say."""
    results = root / "docs" / "results"
    for raw in sorted(results.glob("*/results.csv")):
        yield raw.with_name("results.md"), folder_page(raw.parent)
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        if page.name == "tutorial_systems.md":
            continue
        text = page.read_text(encoding="utf-8")
        try:
            yield page, fill(text, results)
        except UserError as error:
            raise UserError(f"{page}: {error}") from error
    chapters = read_systems(root / "docs" / "tutorial_systems.yml")
    trainings = read_trainings(root / "scripts" / "results.sh")
    yield (
        root / "docs" / "tutorial_systems.md",
        render_page(root / "docs", chapters, trainings, COMMAND, lambda message: print(message, file=sys.stderr)),
    )


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
            if not args.check:
                with atomic_path(path) as temporary:
                    temporary.write_text(text, encoding="utf-8")
    except UserError as error:
        print(f"results_pages: error: {error}", file=sys.stderr)
        return error.exit_code
    for path in stale:
        print(f"{'out of date' if args.check else 'written'}: {path.relative_to(args.root)}")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
