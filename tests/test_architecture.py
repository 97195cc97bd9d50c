"""The package is built as docs/architecture.md says."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sb3_ext"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = {
    room: re.findall(r"`([^`]+)`", allowed)
    for room, allowed in re.findall(r"^\| `([\w.]+)` \| [^|]* \| ([^|]*) \|$", PAGE, re.MULTILINE)
}
"""What each room may import, from the ground up."""
APPLICATION_ONLY = {"huggingface_hub", "jinja2", "optuna", "ray", "rich", "rl_zoo3", "sqlalchemy"}


class Import(NamedTuple):
    """A line that imports something."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def modules() -> dict[str, Path]:
    """Every module of the package but the public names, which everyone may ask for the version."""
    files = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in PACKAGE.rglob("*.py")}
    named = {name.removesuffix(".__init__"): file for name, file in files.items()}
    return {name: file for name, file in named.items() if name not in ("sb3_ext", "sb3_ext.__main__")}


MODULES = modules()


def imports(file: Path) -> Iterator[Import]:
    """What a file imports: on top, in functions, and for types."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.relative_to(ROOT)}:{node.lineno}: write the module's whole name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(file, node.lineno, whole if whole in MODULES else str(node.module))


IMPORTS = {name: list(imports(file)) for name, file in MODULES.items()}


def room_of(module: str) -> str:
    """The room of the page that a module is in."""
    found = [room for room in ROOMS if is_in(module.removeprefix("sb3_ext."), [room])]
    assert found, f"{module} is in no room of docs/architecture.md"
    return max(found, key=len)


def is_in(path: str, rooms: list[str]) -> bool:
    """Whether one of the rooms is the path or a folder around it."""
    return any(f"{path}.".startswith(f"{room}.") for room in rooms)


def test_rooms_import_only_what_the_page_allows() -> None:
    wrong = [
        f"{each}, but `{room}` may import {ROOMS[room] or 'no other room'}: see docs/architecture.md"
        for name, found in IMPORTS.items()
        for each in found
        if each.module in MODULES
        and (room := room_of(name)) != room_of(each.module)
        and not is_in(room_of(each.module), ROOMS[room])
    ]
    assert not wrong, "\n".join(wrong)


def test_no_room_imports_one_above_it() -> None:
    rooms = list(ROOMS)
    for index, room in enumerate(rooms):
        above = [other for other in rooms[index:] if is_in(other, ROOMS[room])]
        assert not above, f"docs/architecture.md lets `{room}` import {above}, which stand above it"


def test_the_page_lists_every_room() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert {room.split(".")[0] for room in ROOMS} == parts - {"__init__", "__main__"}
    assert all(room_of(name) for name in MODULES)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {each.module for each in found} & MODULES.keys() - {name} for name, found in IMPORTS.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail("modules import each other: " + " <- ".join(error.args[1]))


def test_the_ground_floor_and_the_algorithms_need_no_application() -> None:
    wrong = [
        str(each)
        for name, found in IMPORTS.items()
        for each in found
        if list(ROOMS).index(room_of(name)) < list(ROOMS).index("app") and each.module.split(".")[0] in APPLICATION_ONLY
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["sb3_ext", "scripts"])
def test_no_file_is_long(folder: str) -> None:
    lines = {file: file.read_text(encoding="utf-8").count("\n") for file in (ROOT / folder).rglob("*.py")}
    long = [f"{file.relative_to(ROOT)}: {count} lines" for file, count in lines.items() if count > 350]
    assert not long, "\n".join(long)
