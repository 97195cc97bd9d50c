"""
Check the built site: every link and anchor leads somewhere, every picture has a text, every page one main heading.

``python -m docs.site.html_check build/docs`` with ``scripts`` on the path; nothing is fetched.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links, anchors, pictures and headings of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.without_text: list[str] = []
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [link for name in ("href", "src") if (link := given.get(name)) is not None]
        self.anchors |= {anchor for name in ("id", "name") if (anchor := given.get(name)) is not None}
        self.headings += tag == "h1"
        # Sphinx writes the file's name where there is no text.
        if tag == "img" and (given.get("alt") or ".png").endswith((".png", ".gif")):
            self.without_text.append(given.get("src") or "")


def faults(site: Path) -> list[str]:
    """All that is wrong, a line each."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    found = []
    for path, page in sorted(pages.items()):
        name = path.relative_to(site.resolve())
        found += [f"{name}: {why}" for link in page.links if (why := fault(path, link, pages))]
        found += [f"{name}: the picture {source} has no text" for source in page.without_text]
        if page.headings != 1 and path.stem not in ("search", "genindex", "404"):
            found.append(f"{name}: {page.headings} main headings")
    return found


def fault(path: Path, link: str, pages: dict[Path, Page]) -> str:
    """What is wrong with a link, or nothing."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.exists():
        return f"{link} leads nowhere"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return f"{link}: no such anchor"
    return ""


def main(arguments: list[str]) -> int:
    found = faults(Path(arguments[0]))
    print("\n".join(found) if found else "links, anchors and pictures: nothing broken")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
