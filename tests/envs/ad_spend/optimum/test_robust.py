from dataclasses import replace

import numpy as np
import pytest

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, total
from sb3_ext.envs.ad_spend.optimum.infeasible import Infeasible
from sb3_ext.envs.ad_spend.optimum.robust import plan_robust

ONE = Market((Channel("tv", 900.0, 300.0, theta=0.5), Channel("radio", 200.0, 150.0)), tail_periods=3)
OTHER = Market((Channel("radio", 90.0, 60.0, theta=0.2), Channel("tv", 20.0, 200.0)), tail_periods=3)
BOUNDS = {"low": np.zeros(2), "cap": np.full(2, 150.0)}


def test_the_smallest_share_is_the_largest_there_is() -> None:
    found = plan_robust([ONE, OTHER], 600.0, 6, **BOUNDS)
    shares = found.values / [plan.value for plan in found.own]
    assert found.share == pytest.approx(shares[-1].min(), rel=1e-6)
    assert found.share <= found.upper_bound <= found.share * (1.0 + 1e-4)
    # Channels and draws are brought into one order; the models' own plans each fail the other model.
    assert shares[0, 0] == pytest.approx(1.0) and shares[1, 1] == pytest.approx(1.0)
    assert max(shares[0].min(), shares[1].min()) < found.share
    swapped = replace(OTHER, channels=OTHER.channels[::-1])
    assert found.own[1].value == pytest.approx(plan_optimal(swapped, 600.0, 6, cap=150.0).value, rel=1e-5)
    # Blends of the two plans are plans too.
    for blend in np.linspace(0.0, 1.0, 11):
        spend = blend * found.own[0].spend + (1.0 - blend) * found.own[1].spend
        fixed = {"low": spend, "cap": np.maximum(spend, 1e-9)}
        pairs = zip((ONE, swapped), found.own, strict=True)
        least = min(plan_optimal(market, 600.0, 6, **fixed).value / own.value for market, own in pairs)
        assert least <= found.upper_bound + 1e-9


def test_draws_and_s_shaped_models_are_bounded() -> None:
    draws = tuple(tuple(replace(c, beta=c.beta * factor) for c in ONE.channels) for factor in (0.5, 1.0, 1.6))
    steep = replace(OTHER, channels=tuple(replace(channel, alpha=2.5) for channel in OTHER.channels))
    found = plan_robust([replace(ONE, draws=draws), steep], 600.0, 6, **BOUNDS)
    assert 0.0 < found.share <= found.upper_bound
    assert found.spend.sum() <= 600.0 * (1.0 + 1e-9)


def test_one_model_twice_is_its_own_plan() -> None:
    found = plan_robust([ONE, ONE], 600.0, 6, **BOUNDS)
    assert found.share == pytest.approx(1.0, abs=1e-4)


def test_models_must_match() -> None:
    with pytest.raises(ValueError, match="need the same channels and periods"):
        plan_robust([ONE, Market((Channel("tv", 1.0, 1.0),))], 600.0, 6, **BOUNDS)


def test_conditions_hold_and_cost_what_they_must() -> None:
    """Against a linear mix: no plan of a grid over two totals within the conditions has a larger smallest share."""
    small = np.zeros((2, 2), dtype=bool)
    small[:, 0] = True
    constraints = Constraints((total("tv: 60 in total", small, 60.0, 60.0),))
    found = plan_robust([ONE, OTHER], 200.0, 2, **BOUNDS, constraints=constraints)
    np.testing.assert_allclose([plan.spend[:, 0].sum() for plan in found.own], 60.0, rtol=1e-6)
    assert found.spend[:, 0].sum() == pytest.approx(60.0, rel=1e-6) and found.spend.sum() <= 200.0 * (1.0 + 1e-9)
    assert found.share <= found.upper_bound <= found.share * (1.0 + 1e-4)
    swapped = replace(OTHER, channels=OTHER.channels[::-1])
    campaigns = [CampaignSimulator(market, 200.0, 2) for market in (ONE, swapped)]
    for tv in np.linspace(0.0, 60.0, 5):
        for radio in np.linspace(0.0, 140.0, 8):
            spend = np.array([[tv, radio], [60.0 - tv, 140.0 - radio]])
            shares = [one.plan_value(spend) / own.value for one, own in zip(campaigns, found.own, strict=True)]
            assert min(shares) <= found.upper_bound + 1e-9
    buys = plan_robust([ONE, OTHER], 200.0, 2, **BOUNDS, constraints=Constraints(smallest_buy=np.array([80.0, 0.0])))
    assert np.all((buys.spend[:, 0] < 1e-6) | (buys.spend[:, 0] >= 80.0 * (1.0 - 1e-9)))
    with pytest.raises(Infeasible, match="tv: 60 in total"):
        plan_robust([ONE, OTHER], 50.0, 2, **BOUNDS, constraints=constraints)
