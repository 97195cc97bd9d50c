from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from sb3_ext.spend_plan.record import read_record
from sb3_ext.spend_plan.replan_command import main


def test_what_changed_is_on_the_page_in_the_workbook_and_in_the_terminal(
    planner: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    record = read_record(planner("--market", "static"))
    Path("actuals.csv").write_text("date,facebook,instagram,clicks\n2027-01-04,900,300,7\n2027-01-05,100,0,3\n")
    capfd.readouterr()
    assert main(["--plan", "plan", "--actuals", "actuals.csv"]) == 0
    page = Path("replan", "plan.html").read_text(encoding="utf-8")
    book = openpyxl.load_workbook(Path("replan", "plan.xlsx"))
    titles, *rows = book["Changes"].values
    assert titles[:4] == ("Channel", "Planned", "Spent", "Over or under")
    np.testing.assert_allclose(np.array(rows[0][1:3], dtype=float), [record.spend[:2, 0].sum(), 1000.0])
    numbers = np.array([row[1:] for row in rows], dtype=float)
    np.testing.assert_allclose(numbers[-1], numbers[:-1].sum(axis=0), atol=1e-6)
    assert numbers[-1, 4] == pytest.approx(read_record(Path("replan")).spend.sum())
    (note,) = [str(row[1]) for row in book["Settings"].values if row[0] == "Since the last plan"]
    assert "clicks" in note
    for shown in (page, capfd.readouterr().out):
        assert note in " ".join(shown.replace("&#39;", "'").split())
        assert "What changed: 2 days are over since the plan, 3 are to come" in shown
    assert "What changed" not in Path("plan", "plan.html").read_text(encoding="utf-8")
