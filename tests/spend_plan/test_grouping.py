"""``sb3-ext plan --groups``: several markets under one budget."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sb3_ext.app.errors import UserError
from sb3_ext.app.records import read_records
from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign, Kind
from sb3_ext.spend_plan.command import main
from sb3_ext.spend_plan.constraints import make_constraints
from sb3_ext.spend_plan.goals import find_budget
from sb3_ext.spend_plan.grouping import find_groups
from sb3_ext.spend_plan.kept_cents import keeps
from sb3_ext.spend_plan.record import read_record

NORTH = Market((Channel("tv", 9e4, 3e4, theta=0.5, cap=1.5e4), Channel("radio", 2e4, 1.5e4, cap=1.5e4)), 7.0)
SOUTH = Market((Channel("tv", 5e4, 2e4, cap=1.5e4),), 7.0, season=(1.5, 0.7), margin=0.5)
DRAWS = tuple((replace(SOUTH.channels[0], beta=beta),) for beta in (2e4, 9e4))
GEO = Path(__file__).parents[1] / "envs" / "ad_spend" / "market" / "pymc_marketing_geo.nc"
CALM = ("--periods", "6", "--start", "2027-01-04")

pytestmark = pytest.mark.usefixtures("workdir", "without_page")


def planned(budget: str, *arguments: str, **markets: Market) -> tuple[list[dict[str, str]], dict[str, list[int]]]:
    """The lines of groups.csv, and the cents by date in every group's own folder."""
    return planned_for(("--budget", budget, *arguments), **markets)


def planned_for(arguments: Sequence[str], **markets: Market) -> tuple[list[dict[str, str]], dict[str, list[int]]]:
    """The same for all flags."""
    for name, market in markets.items():
        market.save(f"{name}.json")
    files = [f"{name}.json" for name in markets]
    assert main(["--groups", *files, *CALM, *arguments]) == 0
    dated = {
        name: [
            round(sum(100.0 * float(cell) for title, cell in line.items() if title.startswith("spend_")))
            for line in read_records(Path("plan", name, "plan.csv"))
        ]
        for name in markets
        if Path("plan", name).is_dir()
    }
    return read_records(Path("plan", "groups.csv")), dated


def test_table_folders_and_certificate_agree(capsys: pytest.CaptureFixture[str]) -> None:
    lines, dated = planned("100k", north=NORTH, south=SOUTH)
    north, south, total = lines
    assert [line["group"] for line in lines] == ["north", "south", "total"]
    for line in (north, south):
        assert sum(dated[line["group"]]) == round(100.0 * float(line["spend"]))
        assert {path.name for path in Path("plan", line["group"]).iterdir()} >= {
            "plan.csv",
            "plan.json",
            "channels.csv",
        }
    for column in ("spend", "earns", "sales", "share"):
        assert float(total[column]) == pytest.approx(float(north[column]) + float(south[column]), abs=0.02)
    assert total["spend"] == "100000.00"
    # A margin of a half: sales are twice what they earn.
    assert float(south["sales"]) == pytest.approx(2.0 * float(south["earns"]), abs=0.02)
    assert float(total["earns"]) <= float(total["no_plan_earns_more_than"]) <= float(total["earns"]) * (1.0 + 1e-5)
    # A group's folder is what it would be with this budget alone.
    assert main(["--market", "south.json", "--budget", south["spend"], *CALM, "--output", "alone"]) == 0
    assert read_records(Path("alone", "plan.csv")) == read_records(Path("plan", "south", "plan.csv"))
    assert "However the budget is divided" in capsys.readouterr().out
    planned("100k", "--json", north=NORTH, south=SOUTH)
    found = json.loads(capsys.readouterr().out)
    assert [line["spend"] for line in found["groups"]] == [float(line["spend"]) for line in lines]


@pytest.mark.parametrize("budget", ["0.02", "77.77", "1", "123456.78"])
def test_cents_add_up_and_groups_without_money_have_no_folder(budget: str) -> None:
    lines, dated = planned(budget, north=NORTH, south=SOUTH, east=replace(SOUTH, margin=1e-6))
    assert sum(map(sum, dated.values())) == round(100.0 * float(lines[-1]["spend"])) <= round(100.0 * float(budget))
    assert {line["group"] for line in lines[:-1] if float(line["spend"])} == set(dated)
    assert float(lines[-1]["spend"]) == pytest.approx(float(budget)) or float(budget) > 1e5


def test_smallest_spends_hold_in_each_group() -> None:
    lines, dated = planned("60000.12", "--min", "tv=5000.005", north=NORTH, south=SOUTH)
    assert np.min(list(dated.values())) >= 500_001 and sum(map(sum, dated.values())) <= 6_000_012
    assert all(float(line["spend"]) >= 30_000.0 for line in lines)


def test_draws_are_planned_for() -> None:
    lines, _ = planned("50000", north=NORTH, south=replace(SOUTH, draws=DRAWS))
    assert all(0.0 <= float(line["gap"]) < 1e-4 for line in lines)


@pytest.mark.parametrize(("kind", "target"), [("sales", 150_000.0), ("mroas", 1.5), ("cpa", 0.5)])
def test_goals_of_groups_are_those_of_one_market_with_all_channels(
    kind: Kind, target: float, capsys: pytest.CaptureFixture[str]
) -> None:
    west = Market((Channel("print", 6e4, 2.5e4, theta=0.2, cap=1.5e4),), 7.0)
    both = replace(NORTH, channels=NORTH.channels + west.channels)
    dates = period_dates(date(2027, 1, 4), 7.0, 6)
    joint = find_budget(Campaign(both, 270_000.0, dates, np.zeros(3), np.full(3, 1.5e4)), kind, target)
    lines, dated = planned_for((f"--target-{kind}", str(target), "--budget", "270000"), north=NORTH, west=west)
    spent = sum(map(sum, dated.values())) / 100.0
    assert spent == pytest.approx(joint.budget, rel=2e-3) and float(lines[-1]["spend"]) == pytest.approx(spent)
    if kind == "sales":
        assert target * (1.0 - 1e-6) <= float(lines[-1]["sales"]) < target * 1.001
    assert "smallest budget found" in (said := capsys.readouterr().out) or "largest spend with" in said


def test_mistakes_are_told_in_one_line(error_line: Callable[..., str]) -> None:
    NORTH.save("north.json")
    SOUTH.save("south.json")
    Path("sub").mkdir()
    NORTH.save("sub/North.json")
    both = ("--groups", "north.json", "south.json")
    cases = [
        (("--groups", "north.json"), "one group", "at least two"),
        (("--groups", "north.json", "none.json"), "'none.json'", "neither a file nor a preset"),
        (("--groups", "north.json", "sub/North.json"), "two groups", "'North'", "rename"),
        (("--groups", "north.json", "adstock"), "one length", "1, 7 days"),
        (("--groups", "north.json", "shock"), "random", "'shock'"),
        ((*both, "--market", "north.json"), "not allowed with"),
        ((*both, "--risk", "0.2"), "--groups goes without --risk"),
        ((*both, "--total", "tv=5000..4000"), "all groups: tv: total", "min <= max"),
        ((*both, "--total", "print=5000"), "all groups: channels", "no channel 'print'", "tv, radio"),
        ((*both, "--dark", "tv=2027-03"), "no week of the plan starts in '2027-03'"),
        ((*both, "--target-roas", "900", "--margin", "1"), "--target-roas 900", "no plan within the limits"),
        ((*both, "--target-roas", "2"), "--target-roas needs groups with one margin", "1 (north), 0.5 (south)"),
        ((*both, "--compare", "static"), "--groups goes without --compare"),
        ((*both, "--min", "tv=9000"), "smallest spends", "108,000.00"),
        ((*both, "--caps", "radio=9"), "no channel 'radio'"),
    ]
    for arguments, *said in cases:
        line = error_line("plan", *arguments, "--budget", "100000", *CALM, code=2)
        assert all(text in line for text in said), line
    assert "give --budget, or a goal" in error_line("plan", *both, *CALM, code=2)
    Path("plan.yml").write_text("groups: {nort: {total: 5k}}")
    line = error_line("plan", *both, "--constraints", "plan.yml", "--budget", "5000", *CALM, code=2)
    assert "there is no group 'nort'. Did you mean 'north'" in line
    Path("plan.yml").write_text("around_plan: {file: plan.csv, within: 20%}")
    line = error_line("plan", *both, "--constraints", "plan.yml", "--budget", "5000", *CALM, code=2)
    assert "around_plan: each group has a plan of its own: give it under groups" in line
    told = ("--total", "radio=5000..", "--booked", "tv=2027-01-04:15k", "--budget", "20000")
    line = error_line("plan", *both, *told, *CALM, code=1)
    assert "contradict each other by 10,000.00" in line and "all groups: tv: 15,000.00 are booked" in line
    assert not Path("plan").exists()


CONDITIONS = """
groups:
  north: {channels: {radio: {booked: {2027-01-11: "4,321.09"}}}, share: 40%..60%}
  south: {total: 45k.., channels: {tv: {smallest_buy: 5k, dark: 2027-01-25}}}
channels:
  tv: {total: "77,777.77", change: 14k}
budgets: {2027-01: ..66k}
"""


def test_conditions_hold_in_groups_and_over_them(capsys: pytest.CaptureFixture[str]) -> None:
    Path("plan.yml").write_text(CONDITIONS)
    lines, _ = planned("100k", "--constraints", "plan.yml", north=NORTH, south=replace(SOUTH, draws=DRAWS))
    tv, radio, south = (
        np.array([float(line[f"spend_{channel}"]) for line in read_records(Path("plan", group, "plan.csv"))])
        for group, channel in (("north", "tv"), ("north", "radio"), ("south", "tv"))
    )
    assert radio[1] == 4321.09 and 0.4 <= float(lines[0]["share"]) <= 0.6
    assert south.sum() >= 45_000.0 and south[3] == 0.0 and np.all((south == 0.0) | (south >= 5000.0))
    assert tv.sum() + south.sum() == pytest.approx(77_777.77, abs=1e-6)
    assert (tv + radio + south)[:4].sum() <= 66_000.0 + 1e-6
    assert max(np.abs(np.diff(tv)).max(), np.abs(np.diff(south)).max()) <= 14_000.0
    assert 0.0 <= float(lines[-1]["gap"]) < 0.1
    said = " ".join(capsys.readouterr().out.split())
    assert "all groups: tv: exactly 77,777.77 in total" in said and "search for a better one failed" not in said
    # The rest of a group is planned within what the other groups leave it.
    record = read_record(Path("plan", "north"))
    assert record.constraints is not None
    total = next(one for one in record.constraints.conditions if "77,777.77" in one.name)
    assert total.name.endswith(", with what the other groups spend")
    np.testing.assert_allclose((total.least, total.most), 77_777.77 - south.sum())
    assert keeps(np.round(100.0 * record.spend).astype(np.int64), record.constraints)


def test_goals_under_conditions_are_those_of_one_market_with_all_channels() -> None:
    west = Market((Channel("print", 6e4, 2.5e4, theta=0.2, cap=1.5e4),), 7.0)
    dates = period_dates(date(2027, 1, 4), 7.0, 6)
    both = replace(NORTH, channels=NORTH.channels + west.channels)
    given = make_constraints({"channels": {"radio": {"share": "40%.."}}}, both, dates)
    joint = Campaign(both, 270_000.0, dates, np.zeros(3), np.full(3, 1.5e4), constraints=given)
    asked = ("--target-mroas", "1.5", "--budget", "270000", "--share", "radio=40%..")
    lines, _ = planned_for(asked, north=NORTH, west=west)
    assert float(lines[-1]["spend"]) == pytest.approx(find_budget(joint, "mroas", 1.5).budget, rel=2e-3)
    radio = read_records(Path("plan", "north", "channels.csv"))[1]
    assert float(radio["spend"]) >= 0.4 * float(lines[-1]["spend"]) - 0.011


def test_a_file_of_several_groups_is_all_of_them_by_names_that_can_name_folders() -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")

    def written(path: str, *groups: str) -> str:
        data = xarray.DataArray(np.ones((len(groups), 2)), coords={"geo": list(groups)}, dims=("geo", "date"))
        xarray.Dataset({"channel_data": data}).to_netcdf(path, group="constant_data", engine="h5netcdf")
        return path

    NORTH.save("north.json")
    expected = {"Nord_Süd": ("geo.nc", "Nord/Süd"), "c": ("geo.nc", "../c"), "north": ("north.json", None)}
    found = find_groups([written("geo.nc", "Nord/Süd", "../c"), "north.json"])
    assert {name.lstrip("_"): source for name, source in found.items()} == expected
    assert all(Path(name).name == name for name in found)
    with pytest.raises(UserError, match="two groups are named 'a_b'"):
        find_groups([written("same.nc", "a/b", "a_b")])


def test_groups_of_a_real_file_are_planned_under_conditions_over_them() -> None:
    """The multidimensional class of PyMC-Marketing: geos with their own draws and last year's spends."""
    pytest.importorskip("h5netcdf")
    Path("plan.yml").write_text("channels: {tv: {total: ..20k}, search: {around_last_year: 50%}}")
    asked = ("--budget", "40k", "--periods", "6", "--start", "2025-12-29", "--constraints", "plan.yml")
    assert main(["--groups", str(GEO), *asked]) == 0
    north, south, total = read_records(Path("plan", "groups.csv"))
    assert (north["group"], south["group"]) == ("north", "south") and 0.0 <= float(total["gap"]) < 1e-5
    spent = 0.0
    for group in ("north", "south"):
        market = Market.from_pymc_marketing(GEO, group)
        lines = read_records(Path("plan", group, "plan.csv"))
        search = np.array([float(line["spend_search"]) for line in lines])
        before = np.array(market.channels[1].history[:6])
        assert np.all((search >= 0.5 * before - 0.01) & (search <= 1.5 * before + 0.01))
        spent += sum(float(line["spend_tv"]) for line in lines)
    assert spent <= 20_000.0


def test_a_plan_of_a_group_that_gets_nothing_any_more_is_taken_away() -> None:
    planned("100000", north=NORTH, south=SOUTH)
    planned("100000", north=NORTH, south=replace(SOUTH, margin=1e-6))
    assert Path("plan", "north", "plan.csv").is_file() and not Path("plan", "south").exists()


@pytest.mark.parametrize("shares", [False, True])
def test_groups_in_which_no_spending_pays_get_nothing(shares: bool, capsys: pytest.CaptureFixture[str]) -> None:
    if shares:
        Path("c.yml").write_text("groups: {north: {share: 50%..}, south: {share: 60%..}}", encoding="utf-8")
    flags = ("--constraints", "c.yml") if shares else ("--spend-cost", "100")
    records, dated = planned("100000", *flags, north=NORTH, south=SOUTH)
    assert not dated and {record["spend"] for record in records} == {"0.00"}
    assert "no plans of these groups earn more than 0.00 together" in " ".join(capsys.readouterr().out.split())
