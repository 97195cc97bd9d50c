"""
What re-planning earns: campaigns of a model's posterior, planned once, by hand or anew every week.

Half of the draws are what planners believe, the others are the truth of the campaigns. Platforms deliver more or less
than ordered, and sales are seen with noise over a base that nobody knows. Planners take the curve that is nearest to
the mean over what they believe, where `sb3-ext replan` plans for all draws at once: so a thousand campaigns are planned
together.

Example: python scripts/measure.py replanning --market mmm.nc --output docs/results/replanning.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sb3_ext.app.console import console
from sb3_ext.app.records import write_records
from sb3_ext.common.arrays import FloatArray, IntArray
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.campaign.learning import likelihoods
from sb3_ext.envs.ad_spend.campaign.scenario import MOST_DELIVERED, Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.curves import make_curves
from sb3_ext.envs.ad_spend.market.mean_curve import mean_curve
from sb3_ext.envs.ad_spend.optimum.outlook import Outlook
from sb3_ext.envs.ad_spend.optimum.replanning import Replanner
from sb3_ext.spend_plan.comparison import paired_gain

_LEAST_WEEKS = 4
_KEPT = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--market", required=True, help="a model with draws")
    parser.add_argument("--campaigns", type=int, default=1000)
    parser.add_argument("--periods", type=int, default=13)
    parser.add_argument("--delivery", type=float, default=0.2, help="log standard deviation of delivered over ordered")
    parser.add_argument(
        "--noise", type=float, default=0.1, help="noise of a period's sales, relative to the past's mean"
    )
    parser.add_argument("--caps", type=float, default=2.0, help="largest spends, relative to the past's largest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Play all campaigns under every policy."""
    study = Study(Market.load(args.market), args)
    values: dict[str, FloatArray] = {}
    records: list[dict[str, Any]] = []
    for name, policy in study.policies().items():
        values[name], spent = study.play(policy)
        records += [
            {
                "policy": name,
                "campaign": row,
                "draw": int(study.truth[row]),
                "value": round(float(value), 2),
                "spent": round(float(money), 2),
            }
            for row, (value, money) in enumerate(zip(values[name], spent, strict=True))
        ]
        gain = paired_gain(name, values[name], values["plan once"])
        share = 100.0 / values["plan once"].mean()
        console().print(
            f"{name}: {values[name].mean():,.0f}, against planning once {gain.mean:+,.0f} ({gain.low:+,.0f} to "
            f"{gain.high:+,.0f}; {share * gain.mean:+.2f} %, {share * gain.low:+.2f} to {share * gain.high:+.2f} %)"
        )
    write_records(records, args.output)


Policy = Callable[["Study", CampaignSimulator, list[FloatArray], list[FloatArray]], FloatArray]
"""Orders of the next period, from the campaigns, what was delivered and what was sold."""


class Study:
    """Campaigns whose truth are draws that nobody believes in."""

    def __init__(self, market: Market, args: argparse.Namespace) -> None:
        rng = np.random.default_rng(args.seed)
        order = rng.permutation(len(market.draws))
        half = len(order) // 2
        self.n, self.periods = args.campaigns, args.periods
        self.believed, self.truth = order[:half], order[half:][np.arange(self.n) % (len(order) - half)]
        self.market = replace(market, draws=tuple(market.draws[index] for index in self.believed))
        self.all = market
        self.budget = float(market.historical_mean.sum()) * self.periods
        self.cap = args.caps * market.historical_max
        shape = (self.periods, self.n, len(market.names))
        sigma = args.delivery
        delivery = np.minimum(np.exp(sigma * rng.standard_normal(shape) - sigma**2 / 2.0), MOST_DELIVERED)
        usual = float(market.response(market.historical_mean).sum())
        noise = args.noise * usual * rng.standard_normal(shape[:2])
        self.scenario = Scenario(delivery=delivery, sales_noise=noise, **self._parameters(market, self.truth))
        self.replanner = Replanner(self.market, self.budget, np.zeros(len(market.names)), self.cap)
        weights = np.full((1, half), 1.0 / half)
        self.first = self._means(weights, rng)
        self._rng = rng

    @staticmethod
    def _parameters(market: Market, rows: IntArray) -> dict[str, Any]:
        weights = market.draw_weights
        return {
            "curves": market.draw_curves.map(lambda parameter: parameter[rows]),
            "theta": market.draw_theta[rows],
            "weights": None if weights is None else weights[rows],
        }

    def policies(self) -> dict[str, Policy]:
        """By name."""
        once = np.swapaxes(self._plan(self.first, 0, None, np.full(1, self.budget))[0], 0, 1)

        def plan_once(study: Study, campaigns: CampaignSimulator, *_: object) -> FloatArray:
            return np.tile(once[campaigns.period], (study.n, 1))

        def by_hand(study: Study, campaigns: CampaignSimulator, *_: object) -> FloatArray:
            left = campaigns.budget_left / once[campaigns.period :].sum()
            orders: FloatArray = np.minimum(np.asarray(left)[:, None] * once[campaigns.period], study.cap)
            return orders

        def spends(study: Study, campaigns: CampaignSimulator, *_: object) -> FloatArray:
            return study._next({key: np.repeat(value, study.n, 0) for key, value in study.first.items()}, campaigns)

        def spends_and_sales(
            study: Study, campaigns: CampaignSimulator, delivered: list[FloatArray], sold: list[FloatArray]
        ) -> FloatArray:
            if campaigns.period < _LEAST_WEEKS:
                return spends(study, campaigns)
            return study._next(study._means(study._weights(delivered, sold), study._rng), campaigns)

        def clairvoyant(study: Study, campaigns: CampaignSimulator, *_: object) -> FloatArray:
            scenario = study.scenario
            assert scenario.curves is not None and scenario.theta is not None
            known = {name: getattr(scenario.curves, name) for name in ("beta", "kappa", "alpha")}
            known |= {"theta": scenario.theta} | ({} if scenario.weights is None else {"weights": scenario.weights})
            return study._next(known, campaigns)

        return {
            "plan once": plan_once,
            "the rest in proportion to the plan": by_hand,
            "replan, spends alone": spends,
            "replan, spends and sales": spends_and_sales,
            "replan, knows the parameters": clairvoyant,
        }

    def play(self, policy: Policy) -> tuple[FloatArray, FloatArray]:
        """What every campaign earns and spends."""
        campaigns = CampaignSimulator(self.market, self.budget, self.periods, num_envs=self.n)
        campaigns.reset(self.scenario)
        delivered: list[FloatArray] = []
        sold: list[FloatArray] = []
        value = np.zeros(self.n)
        for _ in range(self.periods):
            step = campaigns.step(policy(self, campaigns, delivered, sold))
            delivered.append(step.spend)
            sold.append(np.asarray(step.total_sales))
            value += step.value + step.tail
        return value, np.sum(delivered, axis=(0, 2))

    def _weights(self, delivered: list[FloatArray], sold: list[FloatArray]) -> FloatArray:
        """Of every believed draw in every campaign, shape (n, D), with base and noise unknown."""
        count, chunks = len(self.believed), []
        for rows in np.array_split(np.arange(self.n), max(self.n // 100, 1)):
            believed = np.tile(np.arange(count), len(rows))
            campaigns = CampaignSimulator(self.market, 1e12, len(sold), num_envs=len(believed))
            campaigns.reset(Scenario(**self._parameters(self.market, believed)))
            steps = [campaigns.step(np.repeat(spent[rows], count, axis=0)) for spent in delivered]
            expected = np.stack([np.asarray(step.total_sales) for step in steps], axis=-1)
            chunks.append(likelihoods(expected.reshape(len(rows), count, -1), np.stack(sold, axis=-1)[rows]))
        return np.concatenate(chunks)

    def _means(self, weights: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        """The curve that is nearest to the mean over the draws, and their mean carry-over, in every campaign."""
        market, n_channels = self.market, len(self.market.names)
        means = {"theta": weights @ market.draw_theta}
        if market.draw_weights is not None:
            means["weights"] = np.einsum("nd,dcl->ncl", weights, market.draw_weights)
        curves = np.empty((3, len(weights), n_channels))
        for row, own in enumerate(weights):
            kept = rng.choice(len(own), _KEPT, p=own) if len(weights) > 1 else np.arange(len(own))
            for channel in range(n_channels):
                drawn = market.draw_curves
                beta, kappa, alpha = (array[kept, channel] for array in (drawn.beta, drawn.kappa, drawn.alpha))
                family, seen = market.channels[channel].saturation, float(market.historical_max[channel])
                curves[:, row, channel] = mean_curve(family, beta, kappa, alpha, seen)
        return means | dict(zip(("beta", "kappa", "alpha"), curves, strict=True))

    def _next(self, means: dict[str, FloatArray], campaigns: CampaignSimulator) -> FloatArray:
        planned = self._plan(means, campaigns.period, campaigns, np.asarray(campaigns.budget_left))
        return np.asarray(planned[:, :, 0])

    def _plan(
        self, means: dict[str, FloatArray], period: int, campaigns: CampaignSimulator | None, left: FloatArray
    ) -> FloatArray:
        """Spends of the periods to come, shape (n, N, T')."""
        whole = Outlook.of_campaign(self.market, self.periods)
        n, rest = len(left), self.periods - period
        window = whole.window if campaigns is None or campaigns.window is None else np.moveaxis(campaigns.window, 0, -1)
        outlook = Outlook(
            make_curves(
                [each.saturation for each in self.market.channels], *(means[p] for p in ("beta", "kappa", "alpha"))
            ),
            means["theta"],
            np.tile(whole.adstock, (n, 1)) if campaigns is None else campaigns.adstock,
            np.ones((n, len(self.market.names), rest)),
            whole.demand[:, period:],
            means.get("weights"),
            np.tile(window, (n, 1, 1)) if window is not None and window.ndim == 2 else window,
        )
        return self.replanner.plan(outlook, left)
