from dataclasses import replace

import numpy as np
from ad_spend_strategies import markets
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Market, plan_optimal
from sb3_ext.envs.ad_spend.market.presets import PRESETS
from sb3_ext.envs.ad_spend.optimum.interval_envelope import relaxed
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook


@given(markets((0.5, 4.0)), st.integers(1, 4), st.floats(0.0, 100.0), st.floats(1.0, 300.0), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_relaxed_objectives_are_concave_above_and_exact_at_the_bounds(
    market: Market, periods: int, least: float, width: float, seed: int
) -> None:
    shape = (len(market.names), periods)
    low, cap = np.full(shape, least), np.full(shape, least + width)
    objective = Objective(market, Outlook.of_campaign(market, periods))
    above = relaxed(objective, low, cap)
    one, other = np.random.default_rng(seed).uniform(least, least + width, (2, *shape))
    scale = 1e-9 * (1.0 + np.abs(market.beta).sum() * market.margin * 10.0)
    for spend in (low, one, other, cap):
        assert above.value(spend) >= objective.value(spend) - scale
    assert above.value(low) <= objective.value(low) + scale
    middle = 0.5 * (one + other)
    assert above.value(middle) >= 0.5 * (above.value(one) + above.value(other)) - scale
    # The gradient is one from above: its plane bounds every other plan.
    assert above.value(other) <= above.value(one) + (above.gradient(one) * (other - one)).sum() + scale


def test_narrow_bounds_leave_a_narrow_gap() -> None:
    steep = PRESETS["adstock"]()
    market = replace(steep, channels=tuple(replace(channel, alpha=3.0) for channel in steep.channels))
    low = np.full(2, 900.0)
    wide = plan_optimal(market, 30_000.0, 14, cap=low * 1.5)
    narrow = plan_optimal(market, 30_000.0, 14, low=low, cap=low * 1.5)
    assert narrow.relative_gap < 0.02 and narrow.value <= wide.upper_bound
