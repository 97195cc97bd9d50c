"""Figures are of seeds that no setting has met."""

from pathlib import Path

import pytest

from docs.figures import figures
from docs.rows import Row, read_rows
from docs.seeds import read_seeds, reporting_seeds
from sb3_ext.app.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
ROW = Row("CartPole-v1_reinforce", "reinforce", "CartPole-v1", 5000, 100, "--conf-file {}")
BLOCK = "CartPole-v1:\n  n_timesteps: {}\n"


@pytest.fixture
def row(tmp_path: Path) -> Row:
    (tmp_path / "docs" / "results").mkdir(parents=True)
    (tmp_path / "settings.yml").write_text(BLOCK.format(1000))
    return ROW._replace(flags=ROW.flags.format(tmp_path / "settings.yml"))


def test_seeds_are_drawn_once(tmp_path: Path, row: Row) -> None:
    drawn = reporting_seeds(tmp_path, [row])[row.name]
    assert len(set(drawn)) == 10 and drawn == sorted(drawn)
    assert 1000 <= drawn[0] and drawn[-1] <= 9999
    assert reporting_seeds(tmp_path, [row]) == {row.name: drawn}
    other = row._replace(name="other")
    both = reporting_seeds(tmp_path, [other, row], count=3)
    assert both[row.name] == drawn and len(both["other"]) == 3


def test_settings_that_changed_need_new_seeds(tmp_path: Path, row: Row) -> None:
    drawn = reporting_seeds(tmp_path, [row])[row.name]
    assert reporting_seeds(tmp_path, [row._replace(flags=f"{row.flags} --tensorboard-log x")]) == {row.name: drawn}
    for changed in (
        row._replace(flags=f"{row.flags} -params gamma:0.9"),
        row._replace(env_id="CartPole-v1", algo="a2c"),
    ):
        with pytest.raises(UserError, match=r"CartPole-v1_reinforce: its settings changed .* --new-seeds"):
            reporting_seeds(tmp_path, [changed])
    (tmp_path / "settings.yml").write_text(BLOCK.format(2000))
    with pytest.raises(UserError, match="its settings changed"):
        reporting_seeds(tmp_path, [row._replace(name="new"), row])
    assert list(read_seeds(tmp_path)) == [row.name]
    again = reporting_seeds(tmp_path, [row], again=True)[row.name]
    assert not set(again) & set(drawn)
    assert reporting_seeds(tmp_path, [row]) == {row.name: again}


def test_reported_figures_are_of_the_recorded_seeds_and_of_todays_settings() -> None:
    rows, record = read_rows(ROOT), read_seeds(ROOT)
    for name, line in record.items():
        assert figures(ROOT / "docs" / "results" / name).training_seeds == line.numbers, name
        assert rows[name].settings() == line.settings, f"{name}: settings changed, report it on new seeds"


def test_a_line_that_is_no_row_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "scripts" / "docs").mkdir(parents=True)
    (tmp_path / "scripts" / "docs" / "rows.txt").write_text("# comment\nCartPole|ppo|CartPole-v1|often|100|\n")
    with pytest.raises(UserError, match=r"no row .*'CartPole\|ppo"):
        read_rows(tmp_path)
