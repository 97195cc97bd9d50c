import csv
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from sb3_ext import DDPG
from sb3_ext.cli import main as cli
from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import adstock, static
from sb3_ext.spend_plan.command import main
from sb3_ext.spend_plan.output import NAMES

Planner = Callable[..., Path]
Mistake = Callable[..., str]
ROBYN_FILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "robyn_model_3_165_9.json"
CURVES = ["channel,spend,response", *(f"{name},{x},{90 * x / (40 + x)}" for name in "ab" for x in (0, 20, 50, 90, 200))]
RUN = Path("logs", "ddpg_ext", "AdSpendAdstock-v0_1")
TINY = """
AdSpendAdstock-v0:
  n_timesteps: 60
  policy: MlpPolicy
  learning_starts: 20
  batch_size: 8
  normalize: true
  policy_kwargs: "dict(net_arch=[4])"
"""


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_csv_adds_up(planner: Planner, capfd: pytest.CaptureFixture[str]) -> None:
    folder = planner()
    rows = read(folder / "plan.csv")
    assert list(rows[0]) == [
        "date", "spend_facebook", "spend_instagram", "spend", "expected_sales", "cumulative_spend", "budget_left",
    ]  # fmt: skip
    assert [row["date"] for row in rows] == [f"2027-01-0{day}" for day in range(4, 9)]
    total = Decimal(0)
    for row in rows:
        spent = Decimal(row["spend_facebook"]) + Decimal(row["spend_instagram"])
        total += spent
        assert spent == Decimal(row["spend"])
        assert total == Decimal(row["cumulative_spend"])
        assert Decimal(row["budget_left"]) == 10_000 - total >= 0
    campaign = CampaignSimulator(adstock(), 10_000.0, 5)
    for row in rows:
        sold = campaign.step(np.array([float(row["spend_facebook"]), float(row["spend_instagram"])])).total_sales
        assert float(row["expected_sales"]) == pytest.approx(float(sold), abs=0.006)
    shown = capfd.readouterr().out
    assert "Mon 2027-01-04" in shown and "optimized plan" in shown and "no plan can earn more" in shown
    assert {path.name for path in folder.iterdir()} == {*NAMES}


def test_scripts_get_one_document_of_the_same_numbers(
    planner: Planner, without_page: None, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = planner("--json")
    found = json.loads(capfd.readouterr().out)
    rows = read(folder / "plan.csv")
    assert [(row["date"], row["spend"]) for row in found["periods"]] == [
        (row["date"], float(row["spend"])) for row in rows
    ]
    assert {row["channel"] for row in found["channels"]} == {"facebook", "instagram", "total"}
    assert found["policies"][0]["value"] == found["earns"] <= found["no_plan_earns_more_than"]
    assert found["spend"] <= found["budget"] == 10_000.0
    assert str(Path("plan", "plan.csv")) in found["written"] and "earn" in found["lead"]
    assert found["leads"] == [] and len(found["budgets"]) > 4
    for row in found["budgets"]:
        assert row["earns"] <= row["no_plan_earns_more_than"]
        assert row["spend_facebook"] + row["spend_instagram"] <= row["budget"] * (1.0 + 1e-9)


@pytest.mark.skipif(not ROBYN_FILE.is_file(), reason="no Robyn export here")
@pytest.mark.usefixtures("without_page")
def test_robyn_exports_are_planned_by_week(planner: Planner) -> None:
    rows = read(planner("--market", str(ROBYN_FILE), "--budget", "500000", "--periods", "6") / "plan.csv")
    assert [row["date"] for row in rows][:2] == ["2027-01-04", "2027-01-11"]
    assert max(float(row["spend_facebook_S"]) for row in rows) <= 13_900.62


@pytest.mark.usefixtures("without_page")
def test_channels_modelled_on_exposures_are_planned_in_money(planner: Planner, mistake: Mistake) -> None:
    weeks = [{"clicks": 100.0 + week, "search": 20.0} for week in range(9)]
    model = {
        "InputCollect": {
            **{"intervalType": ["week"], "adstock": ["geometric"], "paid_media_vars": ["clicks"]},
            **{"paid_media_spends": ["search"], "rollingWindowStartWhich": [1], "rollingWindowEndWhich": [9]},
        },
        "ExportedModel": {
            "summary": [{"variable": "clicks", "coef": 500.0}],
            "hyper_values": {"clicks_alphas": [1.0], "clicks_gammas": [0.5], "clicks_thetas": [0.0]},
        },
        "Extras": {"raw_data": weeks},
    }
    Path("robyn.json").write_text(json.dumps(model))
    asked = ("--market", "robyn.json", "--budget", "80", "--periods", "4")
    assert "--spend-per-exposure clicks=..." in mistake(*asked, code=1)
    assert "give CHANNEL=NUMBER" in mistake(*asked, "--spend-per-exposure", "clicks")
    rows = read(planner(*asked, "--spend-per-exposure", "clicks=0.2") / "plan.csv")
    # At most 108 clicks a week at 0.2; the money is enough for 20 a week.
    assert [float(row["spend_clicks"]) for row in rows] == pytest.approx([20.0] * 4, abs=0.02)
    assert "goes with a Robyn export" in mistake("--spend-per-exposure", "facebook=0.2")


@pytest.mark.usefixtures("without_page")
@pytest.mark.skipif(not ROBYN_FILE.is_file(), reason="no Robyn export here")
def test_money_per_exposure_of_a_channel_on_spend_is_a_mistake(mistake: Mistake) -> None:
    said = mistake("--market", str(ROBYN_FILE), "--spend-per-exposure", "facebook_S=0.2", code=1)
    assert "modelled on exposures are []" in said


def test_response_curves_are_planned(planner: Planner, capfd: pytest.CaptureFixture[str]) -> None:
    Path("curves.csv").write_text("\n".join(CURVES))
    folder = planner("--market", "curves.csv", "--budget", "600", "--carry-over", "a=0.5", "--period-days", "14")
    rows = read(folder / "plan.csv")
    assert [row["date"] for row in rows][:2] == ["2027-01-04", "2027-01-18"]
    assert sum(float(row["spend"]) for row in rows) == pytest.approx(600.0)
    assert "a: past spend is not known" in capfd.readouterr().out
    assert "Hill curves fitted to the data" in (folder / "plan.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("without_page")
def test_own_markets_with_draws_have_intervals(planner: Planner) -> None:
    market = static()
    draws = tuple(tuple(replace(c, beta=c.beta * factor) for c in market.channels) for factor in (0.5, 1.5))
    replace(market, draws=draws).save("market.json")
    for row in read(planner("--market", "market.json") / "plan.csv"):
        assert float(row["expected_sales_low"]) < float(row["expected_sales"]) < float(row["expected_sales_high"])


@pytest.mark.usefixtures("without_page")
def test_limits_season_and_costs_are_kept_to(planner: Planner) -> None:
    rows = read(planner("--caps", "facebook=700", "--min", "instagram=300") / "plan.csv")
    assert max(float(row["spend_facebook"]) for row in rows) <= 700.0
    assert min(float(row["spend_instagram"]) for row in rows) >= 300.0
    # Where the adstock that is left sells on top of what is spent afterwards, less of it is left.
    going_on = read(planner("--afterwards", "past", "--market", "adstock") / "plan.csv")
    ending = read(planner("--afterwards", "nothing", "--market", "adstock") / "plan.csv")
    assert float(going_on[-1]["spend"]) < float(ending[-1]["spend"])
    sales = [float(row["expected_sales"]) for row in read(planner("--season", "1", "3") / "plan.csv")]
    assert min(sales[1::2]) > max(sales[::2])
    profitable = read(planner("--market", "static", "--spend-cost", "4", "--budget", "100000") / "plan.csv")
    assert float(profitable[-1]["budget_left"]) > 50_000.0
    paid = read(planner("--market", "static", "--spend-cost", "4", "--margin", "8", "--budget", "50000") / "plan.csv")
    assert float(paid[-1]["cumulative_spend"]) > float(profitable[-1]["cumulative_spend"])


@pytest.mark.usefixtures("without_page")
def test_channels_may_be_fixed_and_smallest_spends_take_everything(
    planner: Planner, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = read(planner("--min", "facebook=800", "--caps", "facebook=800") / "plan.csv")
    assert {row["spend_facebook"] for row in rows} == {"800.00"}
    assert sum(float(row["spend_instagram"]) for row in rows) == pytest.approx(6000.0)
    assert "unspent" not in capfd.readouterr().out
    rows = read(planner("--min", "facebook=1200", "instagram=800") / "plan.csv")
    assert {(row["spend_facebook"], row["spend_instagram"]) for row in rows} == {("1200.00", "800.00")}


def test_equal_commands_give_equal_files_and_replace_older_ones(planner: Planner) -> None:
    first = {path.name: path.read_bytes() for path in planner().iterdir()}
    planner("--budget", "5000")
    changed = {path.name: path.read_bytes() for path in Path("plan").iterdir()}
    assert first.keys() == changed.keys() and all(first[name] != changed[name] for name in first)
    assert {path.name: path.read_bytes() for path in planner().iterdir()} == first


@pytest.mark.usefixtures("without_page")
def test_numbers_and_dates_are_read_as_people_type_them(planner: Planner) -> None:
    typed = ["--budget", "$20,000", "--caps", "facebook=2.5k", "--season", "1,125", "90%", "--start", "31.12.2026"]
    plain = ["--budget", "20000", "--caps", "facebook=2500", "--season", "1.125", "0.9", "--start", "2026-12-31"]
    assert read(planner(*typed) / "plan.csv") == read(planner(*plain) / "plan.csv")


@pytest.mark.usefixtures("without_page")
def test_if_a_file_fails_none_is_left(planner: Planner, mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "plan.html")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", full)
        assert "No space left on device" in mistake("--output", "new", code=1)
    folder = planner()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as broken:
        broken.setattr(Path, "write_text", full)
        mistake("--budget", "5000", code=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--budget", "0"], 2, "--budget is 0"),
        (["--budget", "-5"], 2, "--budget is -5"),
        (["--budget", "nan"], 2, "must be a number, got 'nan'"),
        (["--budget", "1e300"], 2, "--budget is 1e+300"),
        (["--budget", "1,000"], 2, "'1,000' can mean 1000 or 1.0"),
        (["--budget", "a lot"], 2, "must be a number, got 'a lot'"),
        (["--caps", "facebook=5.000"], 2, "'5.000' can mean 5000 or 5.0"),
        (["--start", "02/03/2027"], 2, "can mean 2027-03-02 or 2027-02-03"),
        (["--periods", "0"], 2, "--periods is 0"),
        (["--periods", "100000"], 2, "from 1 to 731"),
        (["--periods", "2.5"], 2, "--periods"),
        (["--start", "31.02.2027"], 2, "must be a date such as 2026-12-31"),
        (["--start", "9999-12-30"], 2, "pass the year 9999"),
        (["--market", "nowhere.json"], 2, "neither a file nor a preset (static"),
        (["--market", "nowhere.csv"], 1, "no response curves at 'nowhere.csv'"),
        (["--market", "torn.json"], 1, "not a complete JSON file"),
        (["--market", "foreign.json"], 1, "adspend-params/1"),
        (["--market", "text.csv"], 1, "column 'channel' is missing"),
        (["--caps", "facebok=5"], 2, "Did you mean 'facebook'?"),
        (["--caps", "facebook"], 2, "give CHANNEL=NUMBER"),
        (["--caps", "facebook=nan"], 2, "give CHANNEL=NUMBER"),
        (["--caps", "facebook=0"], 2, "a MAX from 0.01 to 1e+13"),
        (["--caps", "facebook=1e300"], 2, "a MAX from 0.01 to 1e+13"),
        (["--margin", "1e300"], 1, "margin must be a finite number in [1e-06, 1e+06]"),
        (["--min", "facebook=-1"], 2, "give 0 <= LOW <= MAX"),
        (["--min", "facebook=300", "--caps", "facebook=200"], 2, "give 0 <= LOW <= MAX"),
        (["--min", "facebook=2001"], 2, "10,005.00 over 5 periods, more than the budget of 10,000.00"),
        (["--min", "facebook=9", "instagram=9", "--caps", "facebook=9", "instagram=9"], 2, "nothing to plan"),
        (["--season", "1", "-1"], 1, "season factor"),
        (["--season", "nan"], 2, "must be a number, got 'nan'"),
        (["--season", "0"], 1, "season factor"),
        (["--margin", "0"], 1, "margin"),
        (["--carry-over", "facebook=0.5"], 2, "go with a CSV"),
        (["--model", "nowhere.zip"], 2, "there is no file 'nowhere.zip'"),
        (["--model", "torn.json"], 1, "cannot load 'torn.json'"),
        (["--model", "torn.json", "--algo", "ddpg_exd"], 2, "Did you mean 'ddpg_ext'?"),
        (["--output", "torn.json"], 2, "cannot write to"),
        (["--output", "taken"], 2, "is a folder"),
        (["--wrong"], 2, "unrecognized arguments: --wrong"),
    ],
)
def test_mistakes_are_one_line(mistake: Mistake, arguments: list[str], code: int, expected: str) -> None:
    Path("torn.json").write_text('{"schema": "adspend-par')
    Path("foreign.json").write_text('{"hello": 1}')
    Path("text.csv").write_text("hello")
    Path("taken", "plan.html").mkdir(parents=True)
    assert expected in mistake(*arguments, code=code)


@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize(
    ("module", "left_out"), [("matplotlib", "plan.html"), ("jinja2", "plan.html"), ("xlsxwriter", "plan.xlsx")]
)
def test_what_needs_a_missing_package_is_left_out_with_a_hint(
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    module: str,
    left_out: str,
) -> None:
    names = {path.name for path in planner().iterdir()}
    monkeypatch.setitem(sys.modules, module, None)
    # The file of the plan before goes too: it would show another plan.
    assert {path.name for path in planner().iterdir()} == names - {left_out}
    (hint,) = (line for line in capfd.readouterr().out.splitlines() if line.startswith("left out: "))
    assert f"needs {module}: pip install '{module}>=" in hint


def test_excel_files_without_their_package_get_a_hint(mistake: Mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("table.xlsx").touch()
    Path("rules.yml").write_text("around_plan: {file: table.xlsx, within: 20%}")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    for *flags, code in (("--market", "table.xlsx", 1), ("--constraints", "rules.yml", 2)):
        assert "pip install 'openpyxl>=" in mistake(*flags, code=code)


def test_help_has_examples_and_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capfd.readouterr().out
    assert "sb3-ext plan --market robyn.json --budget 2000000 --periods 26" in text
    assert "--no-safe unpickles them" in text


def test_a_model_of_any_observation_and_action_mode(planner: Planner, mistake: Mistake) -> None:
    env = AdSpendEnv("adstock", 10_000.0, 5, obs_mode="partial", action_mode="currency")
    model = DDPG("MlpPolicy", env, policy_kwargs={"net_arch": [4]}, seed=0)
    model.save("mine.zip")
    observation, _ = env.reset()
    for _ in range(5):
        observation, *_, info = env.step(model.predict(observation, deterministic=True)[0])
    page = (planner("--model", "mine.zip") / "plan.html").read_text(encoding="utf-8")
    assert "agent (ddpg_ext, mine.zip)" in page
    assert f">{info['campaign_value']:,.0f}<" in page
    for change in (["--budget", "9000"], ["--periods", "6"], ["--market", "profit", "--caps", "facebook=9000"]):
        assert "trained for another market, budget or horizon" in mistake("--model", "mine.zip", *change)


def test_a_model_of_the_zoo_is_given_its_normalization(planner: Planner, mistake: Mistake) -> None:
    Path("tiny.yml").write_text(TINY)
    campaign = ["--env-kwargs", "budget:10000", "periods:5"]
    arguments = ["train", "--algo", "ddpg_ext", "--env", "AdSpendAdstock-v0", "-f", "logs", "--conf-file", "tiny.yml"]
    assert cli([*arguments, *campaign, "--seed", "3", "--eval-freq", "-1", "--verbose", "0"]) == 0
    model = str(RUN / "AdSpendAdstock-v0.zip")
    assert (
        cli(
            ["evaluate", "--algo", "ddpg_ext", "--env", "AdSpendAdstock-v0", "-f", "logs", "--output", "out", "-n", "1"]
        )
        == 0
    )
    (record,) = (row for row in read(Path("out", "results.csv")) if row["kind"] == "agent")
    page = (planner("--model", model) / "plan.html").read_text(encoding="utf-8")
    assert f">{float(record['value']):,.0f}<" in page
    for change, expected in {
        ("--budget", "9000"): "another budget (10,000.00, not 9,000.00)",
        ("--periods", "6"): "another horizon (5 periods, not 6)",
        ("--market", "static"): "another market",
        ("--caps", "facebook=900"): "other smallest and largest spends",
    }.items():
        assert expected in mistake("--model", model, *change)
    os.remove(RUN / "AdSpendAdstock-v0" / "vecnormalize.pkl")
    assert "VecNormalize stats" in mistake("--model", model, code=1)
