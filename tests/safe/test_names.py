"""Names of channels are text wherever they are shown: in the terminal, in spreadsheets and on the page."""

import csv
from pathlib import Path

import pytest

from sb3_ext.app.records import read_records
from sb3_ext.cli import main
from sb3_ext.envs.ad_spend import Channel, Market

NAMES = ['=HYPERLINK("http://x","y")', "<script>alert('x')</script>", "[bold]a[/bold]", "\"quoted' & <u>", "+1,@x"]


def test_names_of_channels_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    channels = [Channel(name, 1000.0, 100.0, 1.0, 0.0, historical_mean=10.0) for name in NAMES]
    Market(tuple(channels)).save(tmp_path / "market.json")
    arguments = ["--market", str(tmp_path / "market.json"), "--budget", "1000", "--periods", "4"]
    assert main(["plan", *arguments, "--output", str(tmp_path / "plan")]) == 0
    shown = "".join(capsys.readouterr().out.split())
    for name in NAMES[2:4]:
        assert "".join(name.split()) in shown
    with (tmp_path / "plan" / "channels.csv").open(newline="", encoding="utf-8") as file:
        cells = [line["channel"] for line in csv.DictReader(file)]
    assert cells == [f"'{NAMES[0]}", *NAMES[1:4], f"'{NAMES[4]}", "total"]
    assert [line["channel"] for line in read_records(tmp_path / "plan" / "channels.csv")] == [*NAMES, "total"]
    assert [name for name in read_records(tmp_path / "plan" / "plan.csv")[0] if name[:6] == "spend_"] == [
        f"spend_{name}" for name in NAMES
    ]
    page = (tmp_path / "plan" / "plan.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "<u>" not in page
    assert "&lt;script&gt;alert(" in page
