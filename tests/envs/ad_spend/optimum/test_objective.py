"""What a plan earns, and its relaxation for S-shaped curves."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from ad_spend_strategies import markets
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from plan_problems import money_scale

from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook


@given(markets((0.3, 4.0), max_channels=3), st.integers(1, 5), st.booleans(), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_gradient_and_curvature_against_finite_differences(
    market: Market, periods: int, envelope: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n_channels = len(market.names)
    highest = np.maximum(150.0, market.initial_adstock)
    objective = Objective(market, Outlook.of_campaign(market, periods), highest if envelope else None)
    spend = rng.uniform(20.0, 100.0, (n_channels, periods))
    if envelope:
        kinks = objective.curves.touching
        for adstock in objective.adstock(spend):
            assume(np.all(np.abs(adstock / np.where(kinks > 0.0, kinks, np.inf) - 1.0) > 1e-3))

    def differences(function, width: float) -> np.ndarray:
        columns = []
        for index in np.ndindex(n_channels, periods):
            shift = np.zeros_like(spend)
            shift[index] = width
            columns.append((np.asarray(function(spend + shift)) - np.asarray(function(spend - shift))) / (2 * width))
        return np.array(columns)

    gradient = objective.gradient(spend)
    scale = np.abs(gradient).max() + money_scale({"market": market, "periods": periods, "budget": 0.0}) / 100 + 1e-300
    np.testing.assert_allclose(gradient.ravel(), differences(objective.value, 1e-3), atol=1e-6 * scale)

    hessian = differences(objective.gradient, 1e-3).reshape(n_channels, periods, n_channels, periods)
    curvature = objective.curvature(spend)
    for i, j in product(range(n_channels), repeat=2):
        block = hessian[i, :, j]
        if i != j:
            np.testing.assert_allclose(block, 0.0, atol=1e-6 * scale)
        elif market.alpha[i] <= 1.0 or envelope:
            np.testing.assert_allclose(-block, curvature[i], atol=1e-6 * scale)
        assert np.linalg.eigvalsh(curvature[i]).min() >= -1e-9 * scale


@given(markets((0.3, 4.0)), st.floats(1.0, 400.0), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_envelope_is_concave_and_above_the_curve(market: Market, cap: float, seed: int) -> None:
    """Of one period without carry-over: the objective is the sum of the envelopes of the curves."""
    nothing = {"theta": 0.0, "weights": None, "history": (), "historical_mean": 0.0}
    channels = tuple(replace(channel, **nothing) for channel in market.channels)
    market = replace(market, tail_periods=0, afterwards="nothing", channels=channels, saturation_first=False)
    caps = np.full(len(market.names), cap)
    outlook = Outlook.of_campaign(market, 1)
    envelope, curve = Objective(market, outlook, caps), Objective(market, outlook)
    rng = np.random.default_rng(seed)
    one, other = rng.uniform(0.0, caps, (2, 1, len(caps))).swapaxes(1, 2)
    scale = money_scale({"market": market, "periods": 1, "budget": cap})
    for spend in (one, other):
        assert envelope.value(spend) >= curve.value(spend) - 1e-12 * scale
    between = 0.5 * (envelope.value(one) + envelope.value(other))
    assert envelope.value(0.5 * (one + other)) >= between - 1e-12 * scale
    assert envelope.value(np.zeros_like(one)) == pytest.approx(0.0, abs=1e-12 * scale)
    np.testing.assert_allclose(envelope.value(caps[:, None]), curve.value(caps[:, None]), atol=1e-12 * scale)
