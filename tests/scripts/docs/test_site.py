"""What the site needs to build: pages in toctrees, links that lead somewhere, every public name in the reference."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.site.commands import commands_page
from docs.site.environments import environment_ids, environment_pages
from docs.site.html_check import faults
from docs.site.reference import reference_pages
from sb3_ext.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
GENERATED = {"reference", "environments"}
PAGES = sorted(
    path for path in DOCS.rglob("*.md") if not {"templates", *GENERATED} & set(path.relative_to(DOCS).parts[:-1])
)
CODE = re.compile(r"^```(?:python|\{code-cell\}[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def listed(page: Path) -> Iterator[Path]:
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            entry = re.sub(r".*<(.*)>", r"\1", line.strip())
            if entry and not entry.startswith(":"):
                yield from page.parent.glob(f"{entry}.md")


def test_every_page_is_in_a_toctree() -> None:
    reached = {path.resolve() for page in PAGES for path in listed(page)}
    assert {page for page in PAGES if page not in reached} == {DOCS / "index.md"}


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).strip().lower()).replace(" ", "-") for title in titles}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def test_links_between_files_lead_somewhere() -> None:
    broken = []
    for page in [*PAGES, *ROOT.glob("*.md")]:
        text = re.sub(r"^```(?!\{).*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", text):
            path, _, anchor = "".join(link).partition("#")
            target = (page.parent / path).resolve() if path else page
            if re.match(r"[a-z]+:", path) or GENERATED & set(target.relative_to(ROOT).parts[1:-1]):
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {''.join(link)}")
    assert not broken


@pytest.fixture(scope="module")
def reference() -> str:
    return "\n".join(reference_pages().values())


def names_of_all() -> set[str]:
    """What every ``__all__`` of the sources lists, read without importing anything."""
    found = set()
    for path in (ROOT / "sb3_ext").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                found |= {f"{module}.{name}" for name in ast.literal_eval(node.value)}
    return found


def imported_by_pages() -> set[str]:
    """The names that the code on the pages imports from the package."""
    found = set()
    for page in [*PAGES, ROOT / "README.md"]:
        for block in CODE.findall(page.read_text(encoding="utf-8")):
            lines = "\n".join(line for line in block.splitlines() if not line.startswith(("%", ":")))
            for node in ast.walk(ast.parse(lines)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sb3_ext"):
                    found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_public_name_is_in_the_reference(reference: str) -> None:
    public = names_of_all() | imported_by_pages()
    assert len(public) > 60
    shown = set(re.findall(r"(?:^\.\. auto\w+:: |``)(sb3_ext[\w.]*)", reference, re.MULTILINE))
    rooms = {name for name in public if (ROOT / Path(*name.split("."))).is_dir() or name.endswith("baselines")}
    assert public - rooms - shown == set()


def test_every_command_is_in_the_reference() -> None:
    page = commands_page()
    assert all(f"\n{name}\n{'-' * len(name)}\n" in page for name in COMMANDS)
    assert {"--checkpoint-freq", "--dry-run", "--json", "--upload", "--vec-env"} <= set(re.findall(r"--[\w-]+", page))


def test_every_environment_has_a_page_and_a_picture() -> None:
    pages = environment_pages()
    assert {"AdSpend-v0", "AdSpendShock-v0", "MsPacmanTutorial-v0", "ThreeStateMDP-v0"} <= set(pages)
    for name in environment_ids():
        assert (DOCS / "images" / "environments" / f"{name}.gif").stat().st_size < 300_000
        assert f"# {name}" in pages[name] and "observation space" in pages[name]
    assert "| 10 | `price_shock_instagram` | -5 | 5 |" in pages["AdSpendShock-v0"]


def test_faults_of_a_built_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="top">A</h1><a href="b.html#x"></a><a href="#top"></a><img src="c.png">')
    (tmp_path / "b.html").write_text('<h1>B</h1><h1>C</h1><a href="a.html#top"></a><a href="https://x.org/y"></a>')
    assert faults(tmp_path) == [
        "a.html: b.html#x: no such anchor",
        "a.html: c.png leads nowhere",
        "a.html: the picture c.png has no text",
        "b.html: 2 main headings",
    ]
