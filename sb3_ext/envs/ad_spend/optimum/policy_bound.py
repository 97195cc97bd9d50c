"""What no policy without foresight earns more than on average, in a random market."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario, ScenarioSampler
from sb3_ext.envs.ad_spend.market.checks import check_count
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.foresight import ForesightPenalty
from sb3_ext.envs.ad_spend.optimum.objective import Objective, frank_wolfe_gap
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.plan import plan_optimal
from sb3_ext.envs.ad_spend.optimum.replanned import replan_campaigns
from sb3_ext.envs.ad_spend.optimum.replanning import Replanner

# Numbers held at once in an (n, N, T, T) array.
_PART = 2**22
# Keeps campaigns that the penalty is fitted on apart from those of any seed.
_STREAM = 0x466F7265


@dataclass(frozen=True, eq=False)
class PolicyBound:
    """
    A bound on the mean of what a policy earns, by campaign. A single number bounds nothing: of the campaign it belongs
    to a lucky policy may earn more.
    """

    paths: FloatArray
    """Numbers whose expected value no policy's exceeds, one of each of n campaigns, shape (n,), money."""
    replanned: FloatArray
    """What re-planning earned in them, likewise; where demand drifts, with the drift until yesterday known."""

    @property
    def value(self) -> float:
        """The bound as these campaigns estimate it, money."""
        return float(self.paths.mean())

    def gap(self, earned: FloatArray) -> tuple[float, float]:
        """
        How much less than the bound a policy earns on average, and half the width of its 95 % interval, money.

        :param earned: What the policy earned in the same campaigns, shape (n,), money.
        :return: The mean gap, which a policy cannot bring below 0, and the half width; NaN of a single campaign.
        """
        missing = self.paths - earned
        if len(missing) < 2:
            return float(missing.mean()), float("nan")
        error = float(missing.std(ddof=1)) / len(missing) ** 0.5
        return float(missing.mean()), float(stdtrit(len(missing) - 1, 0.975)) * error


def can_bound(market: Market) -> bool:
    """Whether :func:`bound_policies` knows a bound: prices or demand are random, and parameters are not."""
    random = market.randomness
    return (
        bool(random.price_sigma or random.drift_sigma)
        and not random.draws_parameters
        and market.is_concave
        and market.weights is None
    )


def bound_policies(
    market: Market,
    budget: float,
    periods: int,
    cap: FloatArray,
    scenario: Scenario,
    *,
    n_fitted: int = 2000,
    seed: int = 0,
    tolerance: float = 1e-4,
) -> PolicyBound:
    """
    Bound what any policy without foresight can earn on average, by information relaxation (Brown, Smith & Sun,
    Information relaxations and duality in stochastic dynamic programs, Operations Research 2010).

    In every campaign the best plan is found by someone who sees the whole future, but pays a
    :class:`~sb3_ext.envs.ad_spend.optimum.foresight.ForesightPenalty`, whose mean is 0 for every policy that does not.
    So ``E[earned] = E[earned - penalty] <= E[max_x (earned(x) - penalty(x))]`` for each of these. The penalty is
    linear in the spends, so the inner problem is as concave as the clairvoyant's, and its duality gap is added to it:
    the bound holds however far the solver came, and whatever the penalty was fitted to; a bad fit makes it loose. All
    delivery, and how demand has drifted until yesterday, count as known: policies that see less earn no more.

    To each campaign's number the penalty of re-planning is added, whose mean is 0: they then rise and fall with what
    policies earn, and the interval of a policy's gap is small.

    :param market: A market for which :func:`can_bound`.
    :param budget: Budget of a campaign, money, > 0.
    :param periods: Length of a campaign, >= 1.
    :param cap: Largest spend per channel and period, shape (N,), money. The smallest is 0.
    :param scenario: What fate holds for n campaigns, of a :class:`ScenarioSampler`, e.g. a vector environment's
        ``scenario``.
    :param n_fitted: Number of other campaigns that the penalty is fitted on: more make the bound tighter.
    :param seed: Their seed; they are none of any environment's.
    :param tolerance: Relative gap of every inner problem.
    :return: The bound.
    :raises ValueError: If no bound is known for the market, or an argument is out of range.
    """
    if not can_bound(market):
        raise ValueError(
            "policies are bounded in markets where prices or demand are random and parameters are not, with concave "
            "curves and geometric carry-over: elsewhere ask plan_clairvoyant"
        )
    check_count(n_fitted, "n_fitted", 2)
    path = scenario.uncut_shock if market.randomness.price_sigma else scenario.drift
    if path is None or path.ndim != 3 or (path.shape[0], path.shape[2]) != (periods, len(market.names)):
        raise ValueError(
            f"the scenario must be one of this market, of n campaigns of {periods} periods: take it from a "
            "ScenarioSampler or an AdSpendVectorEnv"
        )
    sampler = ScenarioSampler(market, periods)
    sampler.seed([np.random.default_rng([_STREAM, seed, number]) for number in range(n_fitted)])
    drawn = sampler.draw()
    fitted = replan_campaigns(market, budget, periods, cap, drawn)
    penalty = ForesightPenalty.fitted(market, drawn, fitted)
    paths = replan_campaigns(market, budget, periods, cap, scenario)
    charges = penalty.charges(scenario, paths)
    relaxed = penalised_optima(market, budget, cap, scenario, charges, tolerance)
    noise = 0.0 if scenario.sales_noise is None else market.margin * scenario.sales_noise.sum(axis=0)
    return PolicyBound(relaxed + (charges * paths.spend).sum(axis=(1, 2)) + noise, paths.value)


def penalised_optima(
    market: Market, budget: float, cap: FloatArray, scenario: Scenario, charges: FloatArray, tolerance: float = 1e-4
) -> FloatArray:
    """No plan of a campaign earns more, less what its spends are charged, (n, N, T), than this: shape (n,), money."""
    n, n_channels, periods = charges.shape
    media = np.ones_like(charges) if scenario.media is None else np.moveaxis(scenario.media, 0, -1)
    demand = Outlook.expected_demand(market, periods)
    if scenario.drift is not None:
        drift = np.moveaxis(scenario.drift, 0, -1)
        demand = demand * np.concatenate([drift, np.repeat(drift[..., -1:], market.tail_periods, axis=-1)], axis=-1)
    whole = Outlook(market.curves, market.theta, np.tile(market.initial_adstock, (n, 1)), media, demand, charge=charges)
    if scenario.delivery is not None:
        caps = cap[:, None] * np.moveaxis(scenario.delivery, 0, -1)
        problems = ((whole.of(i), caps[i].T) for i in range(n))
        return np.array(
            [
                plan_optimal(market, budget, periods, cap=most, tolerance=tolerance, outlook=outlook).upper_bound
                for outlook, most in problems
            ]
        )
    low = np.zeros(n_channels)
    replanner, found = Replanner(market, budget, low, cap, tolerance), np.empty(n)
    width, size = np.broadcast_to(cap[:, None], charges.shape[1:]), max(1, _PART // (n_channels * periods**2))
    for rows in np.split(np.arange(n), range(size, n, size)):
        part, money = whole.of(rows), np.full(len(rows), budget)
        spend, objective = replanner.plan(part, money), Objective(market, part)
        slack = frank_wolfe_gap(spend, width, money, objective.gradient(spend))
        found[rows] = objective.gain(spend) + slack
    return found
