"""Hypothesis strategies for markets, and small helpers that the AdSpend tests share."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_sb3

from sb3_ext.envs.ad_spend import Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario, ScenarioSampler
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import PRESETS, profit

NAMES = ("tv", "radio", "search", "social")


@st.composite
def markets(
    draw: st.DrawFn,
    alpha: tuple[float, float] = (0.3, 3.0),
    max_channels: int = 4,
    caps: bool = True,
    max_spend_cost: float = 2.0,
    windows: bool = True,
) -> Market:
    """Markets of a few channels on one scale of money, with carry-over, seasons, margins and costs."""
    alphas = st.sampled_from([alpha[0], min(max(1.0, alpha[0]), alpha[1]), alpha[1]]) | st.floats(*alpha)
    families = [
        draw(st.sampled_from(["hill", "hill", "logistic"])) for _ in NAMES[: draw(st.integers(1, max_channels))]
    ]
    channels = tuple(
        Channel(
            name,
            beta=draw(st.sampled_from([0.0, 50.0]) | st.floats(10.0, 1000.0)),
            kappa=draw(st.floats(5.0, 500.0)),
            alpha=draw(alphas) if family == "hill" else 1.0,
            theta=draw(st.sampled_from([0.0, 0.9]) | st.floats(0.0, 0.9)),
            historical_mean=draw(st.sampled_from([0.0]) | st.floats(1.0, 200.0)),
            cap=draw(st.none() | st.floats(5.0, 300.0)) if caps else None,
            saturation=family,
        )
        for name, family in zip(NAMES, families, strict=False)
    )
    past = any(channel.historical_mean for channel in channels)
    saturation_first = windows and draw(st.sampled_from([False, False, False, True]))
    if saturation_first:
        channels = tuple(draw(windowed(channel)) for channel in channels)
    elif windows and draw(st.booleans()):
        channels = tuple(draw(windowed(channel)) if draw(st.booleans()) else channel for channel in channels)
    amounts = tuple(draw(st.lists(st.floats(0.0, 200.0), min_size=len(channels), max_size=len(channels))))
    return Market(
        channels,
        saturation_first=saturation_first,
        season=tuple(draw(st.lists(st.floats(0.2, 3.0), min_size=1, max_size=4))),
        margin=draw(st.floats(0.2, 3.0)),
        spend_cost=draw(st.sampled_from([0.0]) | st.floats(0.0, max_spend_cost)),
        tail_periods=draw(st.integers(0, 6)),
        afterwards=draw(st.sampled_from(["nothing", *(["past"] if past else []), amounts])),
    )


@st.composite
def windowed(draw: st.DrawFn, channel: Channel) -> Channel:
    """The channel with carry-over in a window, after a past of spends."""
    weights = np.array(draw(st.lists(st.sampled_from([0.0, 1.0]) | st.floats(0.01, 1.0), min_size=1, max_size=5)))
    weights = np.where(weights.sum() > 0.0, weights, 1.0)
    history = tuple(draw(st.lists(st.floats(0.0, 200.0), max_size=6)))
    return replace(channel, theta=0.0, weights=tuple(weights / weights.sum()), history=history)


def real_market(market: Market, scenario: Scenario) -> Market:
    """The market as it is in a single campaign, with the campaign's own parameters."""
    curves = market.curves if scenario.curves is None else scenario.curves
    theta = market.theta if scenario.theta is None else scenario.theta
    weights = market.weights if scenario.weights is None else scenario.weights
    channels = tuple(
        replace(channel, beta=float(beta), kappa=float(kappa), alpha=float(alpha), theta=float(carried))
        for channel, beta, kappa, alpha, carried in zip(
            market.channels, curves.beta, curves.kappa, curves.alpha, theta, strict=True
        )
    )
    if weights is not None:
        channels = tuple(
            channel if channel.weights is None else replace(channel, weights=tuple(row))
            for channel, row in zip(channels, weights, strict=True)
        )
    return replace(market, channels=channels, draws=(), randomness=replace(market.randomness, use_draws=False))


def feasible_plans(
    rng: np.random.Generator, count: int, low: np.ndarray, cap: np.ndarray, budget: float, periods: int
) -> list[np.ndarray]:
    """Random plans within the bounds and the budget: spread out, concentrated, and at the limits."""
    plans = []
    for number in range(count):
        share = rng.uniform(size=(periods, len(cap))) ** rng.choice([0.2, 1.0, 8.0])
        if number % 3 == 0:
            share *= rng.uniform(size=share.shape) < rng.uniform(0.1, 1.0)
        above = share * (cap - low)
        spare = budget - low.sum() * periods
        if above.sum() > spare or (number % 2 and above.sum() > 0.0):
            above = np.minimum(above * spare / above.sum(), cap - low)
        plans.append(low + above)
    return plans


def one_line(error: pytest.ExceptionInfo[Exception], *parts: object) -> None:
    """The message is a single line that names every part."""
    message = str(error.value)
    assert message and "\n" not in message
    for part in parts:
        assert str(part) in message, f"{part!r} is not in {message!r}"


def refused(saved: Any, folder: Path, *said: str) -> None:
    """A file that ``saved`` writes is refused in one line."""
    path = saved.write(folder / "faulty.nc")
    with pytest.raises(ValueError) as error:
        Market.load(path)
    one_line(error, path.name, *said)
    path.unlink()


def columns(*values: Sequence[float]) -> np.ndarray:
    """A plan from one sequence of spends per channel."""
    return np.column_stack([np.asarray(value, dtype=np.float64) for value in values])


ACTION_MODES = ["normalized", "currency"]


OBS_MODES = ["full", "partial", "spend"]


DRAWN = Randomness(beta_sigma=0.5, kappa_sigma=0.4, sales_sigma=0.1)
DRAWN_ONE = Market((Channel("a", beta=10.0, kappa=4.0),), randomness=DRAWN)
DRAWN_TWO = Market(
    (
        Channel("a", beta=60.0, kappa=20.0, alpha=2.0, theta=0.5, historical_mean=20.0),
        Channel("b", beta=40.0, kappa=10.0, theta=0.2),
    ),
    season=(1.0, 2.0, 0.5),
    randomness=DRAWN,
)


SMALL = Market(
    (
        Channel("a", beta=30.0, kappa=4.0, theta=0.5, historical_mean=2.0),
        Channel("b", beta=90.0, kappa=2.0, alpha=0.5, cap=7.0, historical_max=5.0),
    ),
    season=(1.0, 2.0),
    tail_periods=2,
)


EVERYTHING = replace(
    PRESETS["seasonal"](),
    spend_cost=0.5,
    randomness=Randomness(0.3, 0.7, 0.5, 0.5, drift_sigma=0.1, delivery_sigma=0.3, sales_sigma=0.05),
)


RANDOM = [name for name, preset in PRESETS.items() if preset().randomness.any]


def sigmas(highest: float = 0.6) -> st.SearchStrategy[float]:
    return st.sampled_from([0.0, 0.3]) | st.floats(0.01, highest)


@st.composite
def random_markets(
    draw: st.DrawFn, alpha: tuple[float, float] = (0.3, 3.0), noise: bool = True, max_channels: int = 3
) -> Market:
    """Markets where anything may be random, parameters among it, drawn or from draws."""
    market = draw(markets(alpha=alpha, max_channels=max_channels))
    from_draws = draw(st.booleans())
    scales = draw(st.lists(st.floats(0.3, 3.0), min_size=2, max_size=2)) if from_draws else []
    draws = tuple(
        tuple(
            replace(
                c,
                beta=c.beta * k,
                kappa=c.kappa / k,
                theta=c.theta / (1 + k),
                weights=None if c.weights is None else c.weights[::-1] if k > 1.0 else c.weights,
            )
            for c in market.channels
        )
        for k in scales
    )
    random = Randomness(
        draw(sigmas()),
        draw(st.floats(0.0, 0.99)),
        0.0 if from_draws else draw(sigmas()),
        0.0 if from_draws else draw(sigmas()),
        from_draws,
        draw(sigmas()),
        draw(sigmas(2.0)),
        draw(sigmas()) if noise else 0.0,
    )
    return replace(market, draws=draws, randomness=random)


def scenarios(market: Market, periods: int, campaigns: int, seed: int) -> Scenario:
    sampler = ScenarioSampler(market, periods)
    sampler.seed([np.random.default_rng(seed + i) for i in range(campaigns)])
    return sampler.draw()


def play(campaign: CampaignSimulator, orders: np.ndarray, scenario: Scenario) -> list[np.ndarray]:
    """Values of the periods, tail included in the last."""
    campaign.reset(scenario)
    return [np.asarray(step.value + step.tail) for step in map(campaign.step, orders)]


def run(env: gym.Env, actions: np.ndarray, seed: int | None = None) -> tuple[list, list, list]:
    """One episode from the actions: observations (the first included), rewards, infos."""
    observation, _ = env.reset(seed=seed)
    observations, rewards, infos, terminated = [observation], [], [], False
    for action in actions:
        assert not terminated
        observation, reward, terminated, truncated, info = env.step(action)
        assert not truncated
        observations.append(observation)
        rewards.append(reward)
        infos.append(info)
    assert terminated
    return observations, rewards, infos


def actions_of(envs: gym.vector.VectorEnv, value: float = 0.0) -> np.ndarray:
    return np.full(envs.action_space.shape, value, dtype=np.float32)


def checked(env: gym.Env) -> list[str]:
    """What the checkers of Gymnasium and SB3 warn of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_gymnasium(env.unwrapped, skip_render_check=True)
        check_sb3(env, skip_render_check=True)
    return [str(warning.message) for warning in caught]


def assert_clean(messages: list[str], action_mode: str) -> None:
    # Money is no symmetric [-1, 1] action: both checkers advise one, and say nothing else.
    advice = [
        message for message in messages if "symmetric and normalized" in message and "Box action space" in message
    ]
    assert len(advice) == (2 if action_mode == "currency" else 0)
    assert [message for message in messages if message not in advice] == []


def diminishing(spend: np.ndarray) -> float:
    return float(np.sqrt(spend).sum())


def per_channel(spend: np.ndarray) -> np.ndarray:
    return 10.0 * spend / (spend + 5.0)


def market_with_draws() -> Market:
    """Draws that differ in everything, carry-over included."""
    rng, base = np.random.default_rng(0), profit()
    draws = tuple(
        tuple(
            replace(
                c, beta=c.beta * rng.uniform(0.4, 2.0), kappa=c.kappa * rng.uniform(0.5, 2.0), theta=rng.uniform(0, 0.9)
            )
            for c in base.channels
        )
        for _ in range(30)
    )
    return replace(base, draws=draws, randomness=Randomness(use_draws=True, sales_sigma=0.01))
