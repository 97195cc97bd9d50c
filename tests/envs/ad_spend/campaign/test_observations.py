import numpy as np
import pytest
from ad_spend_strategies import markets, one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.observations import ObservationMap
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator


@given(markets(), st.sampled_from(["full", "partial", "spend"]), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_batches_are_observed_as_single_campaigns_are(market: Market, mode, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cap = rng.uniform(50.0, 100.0, len(market.names))
    batch, single = (CampaignSimulator(market, 300.0, 3, num_envs) for num_envs in (4, None))
    many, one = (ObservationMap(mode, campaign, cap) for campaign in (batch, single))
    spends = rng.uniform(0.0, 50.0, (3, 4, len(market.names)))
    last, alone = None, None
    for t in range(4):
        observations, observation = many.observe(batch, last), one.observe(single, alone)
        assert observations.shape == (4, len(many.names)) and observations.dtype == np.float32
        assert all(many.space.contains(row) for row in observations)
        np.testing.assert_allclose(observations[2], observation, rtol=1e-6)
        if t < 3:
            last, alone = batch.step(spends[t]), single.step(spends[t, 2])


def test_amounts_are_what_the_campaigns_have() -> None:
    market = Market((Channel("a", beta=9.0, kappa=2.0, theta=0.5), Channel("b", beta=3.0, kappa=7.0)))
    campaigns = CampaignSimulator(market, 30.0, 3, num_envs=2)
    observer = ObservationMap("full", campaigns, np.array([5.0, 8.0]), lags=1)
    last = None
    for spend in ([[1.0, 2.0], [3.0, 0.0]], [[4.0, 1.0], [0.0, 2.0]]):
        observer.observe(campaigns, last)
        last = campaigns.step(np.array(spend))
    observation = observer.observe(campaigns, last)
    assert [block.name for block in observer.blocks] == [
        *("spend", "sales", "budget_left", "adstock", "pace", "time_left", "spend_lag1", "sales_lag1")
    ]
    amounts = {block.name: observer.amounts(block.name, observation) for block in observer.blocks}
    np.testing.assert_allclose(amounts["spend"], [[4, 1], [0, 2]], rtol=1e-6)
    np.testing.assert_allclose(amounts["spend_lag1"], [[1, 2], [3, 0]], rtol=1e-6)
    np.testing.assert_allclose(amounts["sales"], last.total_sales, rtol=1e-6)
    np.testing.assert_allclose(amounts["budget_left"], [22, 25], rtol=1e-6)
    np.testing.assert_allclose(amounts["adstock"], campaigns.adstock, rtol=1e-6)
    np.testing.assert_allclose(amounts["time_left"], 1 / 3, rtol=1e-6)
    np.testing.assert_array_equal(observer.amounts("adstock_b", observation), amounts["adstock"][:, 1])


def test_observations_are_new_arrays() -> None:
    campaign = CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), 10.0, 3)
    observer = ObservationMap("full", campaign, np.array([5.0]))
    first = observer.observe(campaign, None)
    kept = first.copy()
    observer.observe(campaign, campaign.step(np.array([5.0])))
    np.testing.assert_array_equal(first, kept)


def test_adstock_of_a_lavish_past_is_within_the_bounds() -> None:
    market = Market((Channel("a", beta=1.0, kappa=2.0, theta=0.9, historical_mean=50.0),))
    campaign = CampaignSimulator(market, 10.0, 3)
    observer = ObservationMap("full", campaign, np.array([5.0]))
    observation = observer.observe(campaign, None)
    assert observation[observer.names.index("adstock_a")] == 25.0
    assert observer.space.contains(observation)


@pytest.mark.parametrize(
    ("random", "highest"),
    [
        (Randomness(), {"spend_a": 1.0, "adstock_a": 2.5}),
        (Randomness(price_sigma=0.2), {"spend_a": 1.0, "adstock_a": 2.5 * np.e, "price_shock_a": 5.0}),
        (Randomness(delivery_sigma=0.2), {"spend_a": 2.0, "adstock_a": 5.0}),
        (Randomness(price_sigma=0.2, delivery_sigma=0.2), {"spend_a": 2.0, "adstock_a": 5.0 * np.e}),
    ],
)
def test_bounds_leave_room_for_what_is_random(random: Randomness, highest: dict[str, float]) -> None:
    """Media of cap 5 and kappa 2: up to 5 deviations of 0.2 cheaper, up to twice the order."""
    market = Market((Channel("a", beta=1.0, kappa=2.0, theta=0.5),), randomness=random)
    observer = ObservationMap("full", CampaignSimulator(market, 10.0, 3), np.array([5.0]))
    bounds = dict(zip(observer.names, observer.space.high.tolist(), strict=True))
    assert {name: bounds[name] for name in highest} == pytest.approx(highest)
    assert ("price_shock_a" in bounds) is (random.price_sigma > 0)


def test_bounds_of_noisy_sales_are_five_deviations_wide() -> None:
    market = Market((Channel("a", beta=40.0, kappa=2.0),), season=(1.0, 2.0), randomness=Randomness(sales_sigma=0.1))
    observer = ObservationMap("partial", CampaignSimulator(market, 30.0, 3), np.array([15.0]))
    at = observer.names.index("sales")
    assert (observer.space.low[at], observer.space.high[at]) == pytest.approx((-20 / 10, (80 + 20) / 10))


@given(st.integers(1, 40), st.sampled_from(["full", "partial"]))
@settings(max_examples=30, deadline=None)
def test_urgency_is_one_over_the_periods_left(periods: int, mode) -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0),))
    campaign = CampaignSimulator(market, 10.0, periods)
    observer = ObservationMap(mode, campaign, np.array([5.0]), urgency=True)
    at, last = observer.names.index("urgency"), None
    assert observer.names.index("time_left") == at - 1
    assert (observer.space.low[at], observer.space.high[at]) == (0.0, 1.0)
    for left in range(periods, -1, -1):
        # At the end no period is left, and it stays at 1.
        assert observer.observe(campaign, last)[at] == np.float32(1.0 / max(left, 1))
        if left:
            last = campaign.step(np.zeros(1))


def test_urgency_and_belief_are_shown_only_where_asked_for() -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0),), randomness=Randomness(beta_sigma=0.5))
    campaign = CampaignSimulator(market, 10.0, 3)
    names = {
        extra: set(ObservationMap("full", campaign, np.ones(1), **{extra: True}).names)
        for extra in ("urgency", "belief")
    }
    plain = set(ObservationMap("full", campaign, np.ones(1)).names)
    assert names["urgency"] - plain == {"urgency"} and plain < names["belief"]
    assert {name.split("_")[0] for name in names["belief"] - plain} == {"belief", "doubt", "marginal"}


@pytest.mark.parametrize("extra", ["urgency", "belief"])
def test_spends_alone_show_neither_urgency_nor_belief(extra: str) -> None:
    market = Market((Channel("a", beta=1.0, kappa=1.0),), randomness=Randomness(beta_sigma=0.5))
    with pytest.raises(ValueError) as error:
        ObservationMap("spend", CampaignSimulator(market, 10.0, 3), np.ones(1), **{extra: True})
    one_line(error, extra, "obs_mode")


@pytest.mark.parametrize("mode", ["", "Full", None, 1])
def test_unknown_modes(mode) -> None:
    campaign = CampaignSimulator(Market((Channel("a", beta=1.0, kappa=1.0),)), 10.0, 3)
    with pytest.raises(ValueError) as error:
        ObservationMap(mode, campaign, np.ones(1), 1.0)
    one_line(error, "obs_mode", "full", repr(mode))
