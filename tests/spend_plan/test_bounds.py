"""Spends in cents, at any size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY
from sb3_ext.spend_plan.cents import ceil_cents, floor_cents, round_plan


def wide(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers of all sizes between two, and the two."""
    sizes = st.floats(np.log10(low), np.log10(high)).map(lambda power: float(np.clip(10.0**power, low, high)))
    return sizes | st.sampled_from([low, high])


@given(st.lists(wide(1e-9, MOST_MONEY), min_size=2, max_size=2), wide(0.01, MOST_MONEY), st.integers(0, 99))
def test_cents_keep_to_budget_and_limits_at_any_size(limits: list[float], budget: float, seed: int) -> None:
    low, cap = np.sort(np.array(limits))[:1], np.sort(np.array(limits))[1:]
    spend = np.random.default_rng(seed).uniform(low, cap, (5, 1))
    spend *= min(1.0, budget / spend.sum())
    cents = round_plan(spend, budget, np.zeros(1), cap)
    assert 0 <= cents.sum() <= floor_cents(budget) and np.all(cents <= floor_cents(float(cap[0])))
    assert ceil_cents(budget) - floor_cents(budget) <= 1
