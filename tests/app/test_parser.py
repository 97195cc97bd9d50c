import argparse

import pytest
from rl_zoo3.utils import StoreDict

from sb3_ext.app.errors import UserError
from sb3_ext.app.parser import Parser


@pytest.fixture
def parser() -> Parser:
    parser = Parser("fly", "Fly.", "examples:\n  sb3-ext fly --to Mars")
    parser.add_argument("--to", nargs="+", choices=["Mars", "Venus"], metavar="PLANET")
    parser.add_argument("--passengers", type=int)
    parser.add_argument("--ship", nargs="+", action=StoreDict)
    return parser


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--passengers", "two"], "argument --passengers: invalid int value: 'two' (see `sb3-ext fly --help`)"),
        (
            ["--to", "Venus", "mrs"],
            "argument --to: unknown value 'mrs'. Did you mean 'Mars'? Choose from Mars, Venus (see `sb3-ext fly",
        ),
        (["x" * 5000], f"unrecognized arguments: {'x' * 80}... (see `sb3-ext fly --help`)"),
        (["--pasengers=2"], "unrecognized arguments: --pasengers=2. Did you mean '--passengers'? (see `sb3-ext fly"),
        (["-shp", "a"], "unrecognized arguments: -shp a. Did you mean '--ship'? (see `sb3-ext fly --help`)"),
        (["--colour", "red"], "unrecognized arguments: --colour red (see `sb3-ext fly --help`)"),
        (["--ship", "engines:("], "cannot read a NAME:VALUE argument"),
        (["--ship", "engines"], "cannot read a NAME:VALUE argument"),
    ],
)
def test_wrong_usage_is_the_users_mistake(parser: Parser, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        parser.parse_args(arguments)
    assert str(error.value).startswith(message) and "\n" not in message
    assert error.value.exit_code == 2


def test_what_is_right_is_read(parser: Parser) -> None:
    args = parser.parse_args(["--to", "Mars", "--ship", "engines:2+2"])
    assert args == argparse.Namespace(to=["Mars"], passengers=None, ship={"engines": 4})


def test_help_keeps_the_lines_of_the_examples(parser: Parser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parser.parse_args(["--help"])
    assert end.value.code == 0
    assert "usage: sb3-ext fly" in (shown := capsys.readouterr().out)
    assert shown.endswith("examples:\n  sb3-ext fly --to Mars\n")
