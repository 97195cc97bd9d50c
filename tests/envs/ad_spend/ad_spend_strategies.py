"""Hypothesis strategies for markets, and small helpers that the AdSpend tests share."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario

NAMES = ("tv", "radio", "search", "social")


@st.composite
def markets(
    draw: st.DrawFn,
    alpha: tuple[float, float] = (0.3, 3.0),
    max_channels: int = 4,
    caps: bool = True,
    max_spend_cost: float = 2.0,
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
    return Market(
        channels,
        season=tuple(draw(st.lists(st.floats(0.2, 3.0), min_size=1, max_size=4))),
        margin=draw(st.floats(0.2, 3.0)),
        spend_cost=draw(st.sampled_from([0.0]) | st.floats(0.0, max_spend_cost)),
        tail_periods=draw(st.integers(0, 6)),
    )


def real_market(market: Market, scenario: Scenario) -> Market:
    """The market as it is in a single campaign, with the campaign's own parameters."""
    curves = market.curves if scenario.curves is None else scenario.curves
    theta = market.theta if scenario.theta is None else scenario.theta
    channels = tuple(
        replace(channel, beta=float(beta), kappa=float(kappa), alpha=float(alpha), theta=float(carried))
        for channel, beta, kappa, alpha, carried in zip(
            market.channels, curves.beta, curves.kappa, curves.alpha, theta, strict=True
        )
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


def columns(*values: Sequence[float]) -> np.ndarray:
    """A plan from one sequence of spends per channel."""
    return np.column_stack([np.asarray(value, dtype=np.float64) for value in values])
