"""All policies in the same random campaigns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.policy_bound import bound_policies, can_bound
from sb3_ext.envs.ad_spend.optimum.references import campaign_references, steady_spend
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.comparison import CLAIRVOYANT, EVEN, OPTIMIZED, Gain, paired_gain
from sb3_ext.spend_plan.outcome import Outcome, Rollout, roll_out, simulate

FIRST_SEED = 10_000
_PATHS, _FEW_PATHS = 300, 20
_LONG_CAMPAIGN = 60
_FEWEST_FITTED, _MOST_FITTED = 200, 2000


@dataclass(frozen=True)
class RandomCampaigns:
    """What happened to every policy in the same n random campaigns."""

    rollouts: dict[str, Rollout]
    """By policy, the clairvoyant among them."""
    plan: Outcome
    """What the plan leads to in every campaign, the campaigns on the first axis."""
    reference: Outcome
    """What the policy leads to that the plan is measured against."""
    upper_bound: float
    """What no policy earns more than on average over these campaigns, money."""
    reaction: Gain
    """The policy that reacts and earns most, against the plan."""
    unreached: Gain | None
    """How much more than the best policy any without foresight can earn; None where no such bound is known."""

    @property
    def values(self) -> dict[str, FloatArray]:
        """Money earned, shapes (n,), by policy."""
        return {name: rollout.value for name, rollout in self.rollouts.items()}


def default_paths(campaign: Campaign) -> int:
    """How many random campaigns are to be had within a minute or so, re-planning every period included."""
    return _PATHS if campaign.market.is_concave and campaign.periods <= _LONG_CAMPAIGN else _FEW_PATHS


def play(
    campaign: Campaign,
    plan: FloatArray,
    agents: Mapping[str, Rollout],
    n_paths: int,
    report: Callable[[str], object] = lambda policy: None,
) -> RandomCampaigns:
    """Let a plan, shape (T, N), money, and every policy go through the random campaigns with seeds from 10000 on."""
    envs, baselines = campaign.envs(n_paths), campaign.baselines()
    rollouts = {}
    for name, policy in baselines.items():
        report(name)
        rollouts[name] = roll_out(policy, envs, FIRST_SEED)
    envs.reset(seed=FIRST_SEED)
    scenario = envs.scenario

    def carry_out(spend: FloatArray) -> Outcome:
        spends = np.broadcast_to(spend, (n_paths, *spend.shape))
        return simulate(campaign.market, campaign.budget, spends, scenario)

    weights = np.ones(plan.shape[1]) if campaign.reference == EVEN else campaign.market.historical_mean
    steady = steady_spend(campaign.budget / campaign.periods, weights, campaign.low, campaign.cap)
    planned, reference = carry_out(plan), carry_out(np.tile(steady, (campaign.periods, 1)))
    rollouts |= {OPTIMIZED: Rollout(planned.spend, planned.value), **agents}
    report(CLAIRVOYANT)
    problem = (campaign.market, campaign.budget, campaign.periods, campaign.cap)
    best = [campaign_references(*problem, scenario.of(path)).plan for path in range(n_paths)]
    rollouts[CLAIRVOYANT] = Rollout(np.stack([p.spend for p in best]), np.array([p.value for p in best]))
    bound = float(np.mean([p.upper_bound for p in best]))
    reacting = [name for name, policy in baselines.items() if policy.observes] + list(agents)
    favourite = max(reacting, key=lambda name: float(rollouts[name].value.mean()))
    gain = paired_gain(favourite, rollouts[favourite].value, planned.value)
    unreached = None
    if can_bound(campaign.market) and campaign.periods <= _LONG_CAMPAIGN:
        report("no foresight")
        n_fitted = min(max(_FEWEST_FITTED, 2 * n_paths), _MOST_FITTED)
        limit = bound_policies(*problem, scenario, n_fitted=n_fitted)
        first = max((name for name in rollouts if name != CLAIRVOYANT), key=lambda name: rollouts[name].value.mean())
        unreached = paired_gain(first, limit.paths, rollouts[first].value)
    return RandomCampaigns(rollouts, planned, reference, bound, gain, unreached)
