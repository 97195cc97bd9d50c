"""What the sales of a campaign tell about the parameters of its market."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.scenario import Scenario
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.mean_curve import mean_curve

_SAMPLED, _KEPT = 4000, 200
_LEAST_DEGREES = 3


@dataclass(frozen=True)
class Learned:
    """A market whose draws are those that fit the sales."""

    market: Market
    """Before the campaign; its central curves are nearest to the draws' mean."""
    effective: float
    """How many draws of equal weight would be as much: few say that the draws and the sales contradict."""
    candidates: int
    """Number of draws that were weighted."""


def learn_from_sales(
    market: Market,
    spend: FloatArray,
    sales: FloatArray,
    *,
    noise: float | None = None,
    base: float | None = None,
    seed: int = 0,
) -> Learned:
    """
    Weight the draws of a market by the likelihood of observed sales, and draw from them anew.

    A market without draws whose ``randomness`` draws beta and kappa is sampled 4 000 times. Noise is normal and
    independent from period to period. Where its size is not given, it is integrated out under the prior ``1 / noise``,
    and a base of unknown size under a flat one, so what is left of the likelihood is the residuals' sum of squares
    about their mean, to the power of minus half the degrees of freedom.

    :param market: The market before the campaign.
    :param spend: What was spent in the first k periods, shape (k, N), money.
    :param sales: What was sold in them, shape (k,); NaN where not known.
    :param noise: Standard deviation of a period's sales. ``None``: unknown.
    :param base: Sales per period without advertising, which do not change. ``None``: unknown.
    :param seed: Of the draws that are kept.
    :return: The market with as many draws (200 where they were sampled), and what they are worth.
    :raises ValueError: If the market has no draws and draws nothing, or too few sales are known.
    """
    known = np.isfinite(sales)
    degrees = int(known.sum()) - (base is None)
    if degrees < (least := _LEAST_DEGREES if noise is None else 1):
        raise ValueError(
            f"the sales of {int(known.sum())} periods tell nothing yet: {least + (base is None)} are needed"
            + (" while base and noise are not given" if noise is None and base is None else "")
        )
    rng = np.random.default_rng(seed)
    uncertain = market if market.draws else _sampled(market, rng)
    count = len(uncertain.draws)
    expected = expected_sales(uncertain, spend).sum(axis=2)[:, known]
    weights = likelihoods(expected, sales[known], noise=noise, base=base)
    kept = count if market.draws else _KEPT
    # Systematic resampling: a draw of weight w is kept floor(n w) or ceil(n w) times, whatever the draws' order.
    order = rng.permutation(count)
    places = (rng.random() + np.arange(kept)) / kept
    chosen = order[np.minimum(np.searchsorted(np.cumsum(weights[order]), places), count - 1)]
    draws = tuple(uncertain.draws[index] for index in chosen)
    random = market.randomness
    learned = replace(
        market,
        channels=tuple(
            _mean(channels, float(spent.max()))
            for channels, spent in zip(zip(*draws, strict=True), spend.T, strict=True)
        ),
        draws=draws,
        randomness=replace(random, beta_sigma=0.0, kappa_sigma=0.0, use_draws=random.draws_parameters),
    )
    return Learned(learned, float(1.0 / np.square(weights).sum()), count)


def likelihoods(
    expected: FloatArray, sales: FloatArray, *, noise: float | None = None, base: float | None = None
) -> FloatArray:
    """
    Weights of draws that expect sales of shape (..., D, k), by the sales (..., k) of k periods; they sum to 1.

    ``noise`` and ``base`` as in :func:`learn_from_sales`.
    """
    residuals = sales[..., None, :] - expected - (base or 0.0)
    degrees = sales.shape[-1] - (base is None)
    if base is None:
        residuals = residuals - residuals.mean(axis=-1, keepdims=True)
    squares = np.square(residuals).sum(axis=-1)
    if noise is None:
        scale = np.maximum(np.square(sales).sum(axis=-1), 1e-300)[..., None]
        log_weights = -degrees / 2.0 * np.log(np.maximum(squares / scale, 1e-12))
    else:
        log_weights = -squares / (2.0 * noise**2)
    weights = np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def expected_sales(market: Market, spend: FloatArray) -> FloatArray:
    """Sales in the first k periods by the parameters of every draw, shape (D, k, N), money."""
    count = len(market.draws)
    campaigns = CampaignSimulator(market, 2.0 * float(spend.sum()) + 1.0, len(spend), num_envs=count)
    campaigns.reset(Scenario(curves=market.draw_curves, theta=market.draw_theta, weights=market.draw_weights))
    return np.stack([campaigns.step(np.tile(spent, (count, 1))).sales for spent in spend], axis=1)


def _sampled(market: Market, rng: np.random.Generator) -> Market:
    """The market with draws from the distribution that its randomness draws parameters from."""
    random = market.randomness
    if not random.draws_parameters:
        raise ValueError("the market has no draws: what it believes of its channels cannot be updated by sales")
    sigmas = np.array([random.beta_sigma, random.kappa_sigma])
    factors = np.exp(sigmas * rng.standard_normal((_SAMPLED, len(market.names), 2)) - sigmas**2 / 2.0)
    draws = tuple(
        tuple(
            replace(channel, beta=channel.beta * float(beta), kappa=max(channel.kappa * float(kappa), 1e-6))
            for channel, (beta, kappa) in zip(market.channels, row, strict=True)
        )
        for row in factors
    )
    return replace(market, draws=draws)


def _mean(channels: tuple[Channel, ...], spent: float) -> Channel:
    """The channel whose curve is nearest to the mean over draws, and whose carry-over is their mean."""
    beta, kappa, alpha = (np.array([getattr(each, name) for each in channels]) for name in ("beta", "kappa", "alpha"))
    seen = max(spent, channels[0].historical_mean, channels[0].historical_max or 0.0) or float(np.median(kappa))
    curve = mean_curve(channels[0].saturation, beta, kappa, alpha, seen)
    means: dict[str, Any] = dict(zip(("beta", "kappa", "alpha"), curve, strict=True))
    means["theta"] = float(np.mean([channel.theta for channel in channels]))
    if channels[0].weights is not None:
        longest = max(len(channel.weights or ()) for channel in channels)
        padded = [[*(channel.weights or ()), *[0.0] * (longest - len(channel.weights or ()))] for channel in channels]
        means["weights"] = tuple(np.mean(padded, axis=0).tolist())
    return replace(channels[0], **means)
