"""What foresight costs: charges on spends that nobody who does not see the future pays on average."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from typing_extensions import Self

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.optimum.news import news_after
from sb3_ext.envs.ad_spend.optimum.replanned import Replanned

_DEGREE = 3
# Features are cut off at so many deviations: far out a polynomial would say anything.
_FARTHEST = 3.0
# Relative to the squares of the regressors.
_RIDGE = 0.03
# Relative to kappa: slopes of roots are infinite at no adstock.
_LEAST_ADSTOCK = 1e-3


@dataclass(frozen=True, eq=False)
class _Fit:
    """Of one period and one of what is worth something then: an adstock, or money spent."""

    center: FloatArray
    scale: FloatArray
    weights: FloatArray
    """By feature and news, shape (P, K)."""

    def predict(self, state: FloatArray, news: FloatArray) -> FloatArray:
        """How much more it is worth than expected, shape (n,), by the state (n, F) before and the news (n, K)."""
        return np.asarray(
            np.einsum("np,pk,nk->n", _polynomials(state, self.center, self.scale), self.weights, news, optimize=True)
        )

    @classmethod
    def of(cls, state: FloatArray, news: FloatArray, worth: FloatArray) -> _Fit:
        """Least squares on products of features and news; what the features alone explain, no news do."""
        center, scale = state.mean(axis=0), state.std(axis=0)
        scale = np.where(scale > 1e-9 * np.abs(center), scale, np.inf)
        features = _polynomials(state, center, scale)
        kept = np.abs(features).max(axis=0) > 0.0
        known = features[:, kept]
        unexpected = worth - known @ np.linalg.lstsq(known, worth, rcond=None)[0]
        products = (features[:, :, None] * news[:, None]).reshape(len(worth), -1)
        size = np.sqrt(np.square(products).mean(axis=0))
        products = products / np.where(size > 0.0, size, np.inf)
        system = products.T @ products
        system[np.diag_indices_from(system)] += _RIDGE * len(worth)
        weights = np.linalg.solve(system, products.T @ unexpected) / np.where(size > 0.0, size, np.inf)
        return cls(center, scale, weights.reshape(features.shape[1], news.shape[1]))


class ForesightPenalty:
    """
    A penalty on foresight, linear in the spends, for markets with geometric carry-over whose parameters are known.

    After the spends of period t are decided their effect is the state ``S_t(x)``: the adstock of every channel, and all
    money spent so far, both linear in the spends. The penalty is ``sum_t D_t S_t(x)`` with
    ``D_t = sum_jk W_tjk f_j(F_t) (h_k - E[h_k | F_t])``, where f are functions of what is known when the spends of
    period t are decided, and h of what becomes known afterwards (:func:`news_after`). Whoever decides by F_t alone has
    ``E[D_t S_t | F_t] = S_t E[D_t | F_t] = 0``: whatever the weights W are, the penalty's mean is 0.

    With ``D_t = dV_{t+1}/dS - E[dV_{t+1}/dS | F_t]`` of the value function V, at the states of the best policy, that
    policy solves the penalised problem of every campaign (Brown & Smith, Information relaxations, duality, and convex
    stochastic dynamic programs, Operations Research 2014). The weights are fitted to that by regression, along
    campaigns of :func:`replan_campaigns`: what a unit of adstock is still worth is the derivative of what is still
    earned, summed up backwards without what later news have already explained; what money is worth, the price that
    re-planning finds. Campaigns that it is fitted on must not be those that are bounded.
    """

    def __init__(self, market: Market, fits: list[list[tuple[_Fit, _Fit]]]) -> None:
        self._market, self._fits = market, fits

    @classmethod
    def fitted(cls, market: Market, scenario: Scenario, paths: Replanned) -> Self:
        """The penalty for a market, by what happened to re-planning in n campaigns of a scenario."""
        penalty = cls(market, [])
        n, n_channels, periods = paths.spend.shape
        slope = penalty._slope(paths.adstock)
        before, after = _drift_before_and_after(scenario, slope.shape)
        worth = np.zeros((n, n_channels))
        fits: list[list[tuple[_Fit, _Fit]]] = []
        for now in reversed(range(periods)):
            if now + 1 < periods:
                worth = market.theta * (before[..., now + 1] * slope[..., now + 1] + worth)
            worth = worth + (after[..., now] - before[..., now]) * slope[..., now]
            spending = -paths.price[:, now + 1] if now + 1 < periods else np.zeros(n)
            fits.append([])
            for i, (state, news) in enumerate(penalty._known(scenario, paths, now)):
                of_adstock, of_budget = _Fit.of(state, news, worth[:, i]), _Fit.of(state, news, spending)
                worth[:, i] -= of_adstock.predict(state, news)
                spending = spending - of_budget.predict(state, news)
                fits[-1].append((of_adstock, of_budget))
        penalty._fits = fits[::-1]
        return penalty

    def charges(self, scenario: Scenario, paths: Replanned) -> FloatArray:
        """What a unit of every spend is charged in n campaigns, shape (n, N, T): the penalty's coefficients."""
        n, n_channels, periods = paths.spend.shape
        surprises = np.zeros((n, n_channels + 1, periods))
        for now, fits in enumerate(self._fits):
            known = self._known(scenario, paths, now)
            for i, ((state, news), (of_adstock, of_budget)) in enumerate(zip(known, fits, strict=True)):
                surprises[:, i, now] = of_adstock.predict(state, news)
                surprises[:, -1, now] += of_budget.predict(state, news)
        media = np.ones_like(paths.spend) if scenario.media is None else np.moveaxis(scenario.media, 0, -1)
        return charges_of(surprises, self._market.theta, media)

    def _known(self, scenario: Scenario, paths: Replanned, now: int) -> Iterator[tuple[FloatArray, FloatArray]]:
        """What is known of every channel when the spends of a period are decided, and the news of it afterwards."""
        news = news_after(self._market.randomness, scenario, now, paths.spend.shape[-1])
        if not news.shape[-1]:
            return
        own = [np.broadcast_to(paths.left[:, now, None], news.shape[:2]), paths.adstock[..., now]]
        if scenario.uncut_shock is not None:
            own.append(scenario.uncut_shock[now])
        if scenario.drift is not None:
            own.append(np.log(scenario.drift[max(now - 1, 0)]))
        states = np.stack(own, axis=-1)
        for i in range(news.shape[1]):
            yield states[:, i], news[:, i]

    def _slope(self, adstock: FloatArray) -> FloatArray:
        """What a unit of adstock earns in its period, in the last one with what it earns in the tail; no drift."""
        market, periods = self._market, adstock.shape[-1]
        curves = market.curves.map(lambda parameter: parameter[:, None])
        level = np.maximum(adstock, _LEAST_ADSTOCK * curves.kappa)
        slope = market.season_factors(periods) * curves.slope(level)
        left = market.theta[:, None] ** np.arange(1, market.tail_periods + 1)
        afterwards = market.spend_afterwards[:, None] * (1.0 - left)
        slope[..., -1] += (left * curves.slope(level[..., -1:] * left + afterwards)).sum(axis=-1)
        return np.asarray(market.margin * slope)


def charges_of(surprises: FloatArray, theta: FloatArray, media: FloatArray) -> FloatArray:
    """
    What a unit of spend is charged, shape (n, N, T), where a unit of every channel's adstock is, and then a unit of all
    money spent so far, in every period, shape (n, N + 1, T).
    """
    charges = np.empty_like(media)
    on_adstock, on_money = np.zeros(media.shape[:2]), np.zeros(len(media))
    for now in reversed(range(media.shape[-1])):
        on_adstock = theta * on_adstock + surprises[:, :-1, now]
        on_money = on_money + surprises[:, -1, now]
        charges[..., now] = (1.0 - theta) * media[..., now] * on_adstock + on_money[:, None]
    return charges


def _drift_before_and_after(scenario: Scenario, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Factors on demand as known when a period's spends are decided, and as they are, (n, N, T)."""
    if scenario.drift is None:
        return np.ones(shape), np.ones(shape)
    after = np.moveaxis(scenario.drift, 0, -1)
    return np.concatenate([after[..., :1], after[..., :-1]], axis=-1), after


def _polynomials(state: FloatArray, center: FloatArray, scale: FloatArray) -> FloatArray:
    """All products of up to ``_DEGREE`` standardised entries of states (n, F), shape (n, P)."""
    entries = np.clip((state - center) / scale, -_FARTHEST, _FARTHEST).T
    chosen = (c for degree in range(_DEGREE + 1) for c in combinations_with_replacement(range(len(entries)), degree))
    return np.stack([np.prod(entries[list(c)], axis=0) for c in chosen], axis=1)
