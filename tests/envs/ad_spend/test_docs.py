"""What docs/adspend.md shows must work as shown."""

import inspect
import json
import re
from itertools import takewhile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel, Market, Randomness, plan_optimal
from sb3_ext.envs.ad_spend.market.document import SCHEMA

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "adspend.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_market_file_loads_and_holds_every_field(tmp_path: Path) -> None:
    (text,) = blocks("json")
    path = tmp_path / "market.json"
    path.write_text(text)
    market = Market.load(path)
    data = json.loads(text)
    assert data["schema"] == SCHEMA
    assert set(data) == set(market.to_dict())
    assert set(data["channels"][0]) == set(market.to_dict()["channels"][0])
    assert market.names == ("search", "tv")
    assert len(market.draws) == 1
    env = AdSpendEnv(path, periods=4)
    assert env.budget == 4 * 20_000
    assert plan_optimal(market, env.budget, 4).relative_gap <= 1e-6


@pytest.mark.parametrize("code", blocks("python"))
def test_code_runs(code: str) -> None:
    names: dict[str, Any] = {}
    exec(code, names)
    if "env" in names:
        names["env"].reset()
        *_, info = names["env"].step(names["env"].action_space.sample())
        assert np.isfinite(info["value"])


def test_table_of_presets_is_what_the_code_computes() -> None:
    rows = re.findall(r"^\| `(AdSpend\w*-v0)` \|.*\| ([\d ]+) \| ([\d.]+) % \|$", PAGE, re.MULTILINE)
    registered = {env_id for env_id in gym.registry if env_id.startswith("AdSpend")}
    random = re.findall(r"^\| `(AdSpend\w*-v0)` \| `\w+` \| [^|]* \|$", PAGE, re.MULTILINE)
    assert {env_id for env_id, *_ in rows} | set(random) == registered
    assert all(gym.make(env_id).unwrapped.market.randomness.any for env_id in random)
    for env_id, optimum, shortfall in rows:
        env = gym.make(env_id).unwrapped
        env.reset()
        for _ in range(28):
            *_, info = env.step(np.full(2, -0.5))
        assert info["optimal_value"] == pytest.approx(float(optimum.replace(" ", "")), abs=1.0)
        percent = 100 * (1 - info["even_value"] / info["optimal_value"])
        assert percent == pytest.approx(float(shortfall), abs=0.05)


def table_of_observations(text: str) -> list[list[str]]:
    """Entries, meaning, min and max of every row."""
    lines = iter(line.strip() for line in text.replace("``", "`").splitlines())
    assert "| entries | meaning | min | max |" in lines and next(lines) == "|---|---|---|---|"
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in takewhile(bool, lines)]


def test_table_of_observations_is_the_layout() -> None:
    """The class and the page describe every entry in its place, with its bounds where they are plain numbers."""
    table = table_of_observations(AdSpendEnv.__doc__ or "")
    assert table == table_of_observations(PAGE)
    varied = Randomness(price_sigma=0.3, beta_sigma=0.5, kappa_sigma=0.5)
    channel = Channel("<channel>", beta=9.0, kappa=3.0, weights=(1.0,))
    market = Market((channel,), season=(1.0, 2.0), randomness=varied)
    env = AdSpendEnv(market, 10.0, 3, lags=1, urgency=True, belief=True)
    described = [(name, *row[2:]) for row in table for name in re.findall(r"`([^`]*)`", row[0])]
    assert [name for name, *_ in described] == [re.sub(r"_lag\d", "_lag<k>", name) for name in env.observation_names]
    bounds = zip(env.observation_space.low, env.observation_space.high, strict=True)
    numbers = [
        (name, float(end), bound)
        for (name, *ends), pair in zip(described, bounds, strict=True)
        for end, bound in zip(ends, pair, strict=True)
        if re.fullmatch(r"-?\d+", end)
    ]
    assert len(numbers) > 20 and all(end == bound for _, end, bound in numbers), numbers


@pytest.mark.parametrize("env", [AdSpendEnv, AdSpendVectorEnv])
def test_every_argument_is_listed_and_documented(env: type[gym.Env] | type[gym.vector.VectorEnv]) -> None:
    parameters = inspect.signature(env).parameters
    documented = re.findall(r":param (\w+):", f"{AdSpendEnv.__doc__}{env.__doc__}")
    assert set(parameters) <= set(documented)
    assert parameters["lags"].default == 0 and parameters["market"].default == "static"
    with pytest.raises(TypeError, match="unexpected keyword argument 'lag'"):
        env(lag=3)
