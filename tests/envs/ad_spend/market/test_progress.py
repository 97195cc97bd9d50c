import numpy as np
from ad_spend_strategies import markets
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.progress import after


@settings(max_examples=25, deadline=None)
@given(markets(), st.integers(0, 7), st.integers(0, 1000))
def test_the_rest_of_a_campaign_sells_what_the_whole_one_would(market: Market, over: int, seed: int) -> None:
    spend = np.random.default_rng(seed).uniform(0.0, 100.0, (9, len(market.names)))
    whole, rest = CampaignSimulator(market, 1e6, 9), CampaignSimulator(after(market, spend[:over]), 1e6, 9 - over)
    sold = [whole.step(spent).sales for spent in spend][over:]
    np.testing.assert_allclose([rest.step(spent).sales for spent in spend[over:]], sold, rtol=1e-9, atol=1e-9)
