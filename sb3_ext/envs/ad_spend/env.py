"""The ad-budget environment."""

from __future__ import annotations

import math
import os
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from typing_extensions import Unpack

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.campaign.problem import CampaignOptions, CampaignProblem, shows_options
from sb3_ext.envs.ad_spend.campaign.simulator import Period
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.presets import PERIODS
from sb3_ext.envs.ad_spend.optimum.references import campaign_references


class AdSpendEnv(CampaignProblem, gym.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
    """
    ## Description

    A budget ``B`` is to be spent within ``T`` periods (days) on ``N`` advertising channels. Every period the agent
    decides the spend per channel; sales follow with saturation (Hill curves) and carry-over (geometric adstock).
    Formulas and presets: ``docs/adspend.md``.

    ## Action Space

    ``action_mode="normalized"``: ``Box(-1, 1, (N,), float32)``, mapped linearly to ``[low_i, cap_i]`` money. With the
    default caps (four times the even split of the budget) the action -0.5 is even pacing.
    ``action_mode="currency"``: ``Box(low, cap, (N,), float32)``, money.

    Requests beyond the bounds are limited to them; if their sum exceeds what is left of the budget, all channels are
    scaled down alike; ``info["clipped"]`` says so. A spent budget does not end the episode: carry-over still sells.

    ## Observation Space

    A bounded float32 ``Box``; ``env.unwrapped.observation_names`` names every entry.

    | entries | meaning | min | max |
    |---|---|---|---|
    | ``spend_<channel>`` | last spend / cap | 0 | 1 |
    | ``sales`` | last sales / average budget of a period | 0 | full saturation |
    | ``budget_left`` | budget left / budget | 0 | 1 |
    | ``adstock_<channel>`` | adstock / kappa (``"full"`` only, not for a ``sales_function``) | 0 | largest reachable |
    | ``media_<channel>_lag<k>`` | media bought k periods before the last / kappa (windows) | 0 | largest reachable |
    | ``pace`` | share of the caps that the budget left allows in every period left | 0 | 1 |
    | ``time_left`` | periods left / periods | 0 | 1 |
    | ``urgency`` | 1 / periods left (``urgency``) | 0 | 1 |
    | ``demand_index`` | demand factor of the coming period (where demand varies) | 0 | largest of the season |
    | ``season_sin``, ``season_cos`` | phase of the week (daily periods) or year (where demand varies) | -1 | 1 |
    | ``price_shock_<channel>`` | log price shock of the coming period / its deviation (where prices vary) | -5 | 5 |
    | ``belief_beta_<channel>``, ``belief_kappa_<channel>`` | estimated log parameter, standardised | -5 | 5 |
    | ``doubt_beta_<channel>``, ``doubt_kappa_<channel>`` | its standard deviation (``belief``) | 0 | 2 |
    | ``marginal_<channel>`` | expected sales of one more unit of adstock (``belief``) | 0 | 10 |
    | ``spend_<channel>_lag<k>``, ``sales_lag<k>`` | as above, k periods before the last (``lags``) | | |

    Where something is random, bounds leave room for it: delivered spend can be twice the cap, noisy sales negative.

    ``pace`` follows from the budget and the time left; a network learns the division badly where it matters most, in
    the last periods. ``"full"`` is Markov unless parameters are drawn or drift. ``"partial"`` leaves out the adstock,
    which a fitted model estimates but nobody measures. ``"spend"`` holds the last spends alone, as the tutorial had it:
    it is not Markov (budget and time are hidden).

    ## Rewards

    ``(margin * (sales - sales of a zero-spend campaign) - spend_cost * spend) / reward_scale``. Zero spend earns 0. The
    last reward includes what the adstock left will sell within ``market.tail_periods``. With the default
    ``reward_scale = B`` the return is what a unit of budget earns.

    ## Starting State

    Full budget; adstock at the steady state of the historical mean spend; nothing spent or sold yet. What is random in
    the market (:class:`Randomness`) is drawn for the whole campaign at its start, from streams of its own derived from
    the environment's seed: policies evaluated with the same seeds face the same prices, parameters and noise.

    ## Episode End

    ``terminated`` after ``T`` periods: the horizon is part of the problem and the time left is observed. Never
    ``truncated`` by itself.

    ## Info

    Every period: ``requested_spend`` and ``spend`` (N,), ``clipped``, ``sales`` (N,), ``adstock`` (N,), ``roas`` (sales
    per money spent, by channel; NaN where nothing was spent), ``marginal_roas`` (what one more unit of adstock would
    sell), ``budget_left``, ``value`` (money, this period), ``extrapolated`` (spend beyond ``historical_max``).
    At the end also ``utilization`` (spent share of the budget), ``campaign_value``, ``even_value`` (even pacing),
    ``optimal_value`` and ``optimal_upper_bound`` (:func:`plan_optimal`), ``regret`` (optimal - campaign value) and
    ``normalized_score`` = (campaign - even) / (optimal - even); all in money. In a random market the optimal plan is
    the clairvoyant's, who knows the campaign's prices, parameters, drift and delivery in advance; finding it takes some
    10 ms, so it is only there with ``references=True``. A ``sales_function`` has no known optimum, so these references
    are missing there.

    ## Arguments

    :param market: A :class:`Market`, the name of a preset (see :data:`sb3_ext.envs.ad_spend.market.presets.PRESETS`)
        or the path of a market file (:meth:`Market.load`). Not used with ``sales_function``.
    :param budget: Budget of a campaign, money, > 0. Default: what the historical mean spends amount to; with
        ``sales_function`` and ``act_range``: what mid-range spends amount to.
    :param periods: Length of a campaign, >= 1.
    :param action_mode: ``"normalized"`` or ``"currency"``.
    :param obs_mode: ``"full"``, ``"partial"`` or ``"spend"``. Default: ``"full"``, but ``"spend"`` if ``obs_range`` is
        given.
    :param lags: How many periods before the last one the observation shows too, >= 0: what an agent needs to infer
        parameters that nobody tells it.
    :param urgency: Whether the observation shows 1 / periods left too: with carry-over the last periods are unlike all
        others, which a network hardly learns from the time left alone.
    :param belief: Whether the observation shows what the sales so far tell about drawn parameters, as
        :class:`Belief` estimates it: with it the problem is close to Markov again.
    :param sales_function: The user's own function from spends, shape (N,), to sales (a number, or one per channel), in
        place of a market.
    :param obs_range: Bounds (low, high) of the ``"spend"`` observation in money; without it spends are relative to the
        caps.
    :param act_range: Bounds (low, high) of the spend per channel and period, money; numbers or shape (N,).
    :param channel_names: Channels of a ``sales_function``.
    :param reward_scale: Money that makes a reward of 1, > 0. Default: the budget.
    :param references: Whether the last ``info`` of a campaign compares it with the references. Default: where the
        market is not random.
    :param render_mode: ``None`` or ``"rgb_array"`` (needs matplotlib).
    :raises ValueError: If an argument is out of its range, an action holds NaN, or ``sales_function`` misbehaves.

    ## Version History

    * v0: first version
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  (Gymnasium's own form)

    @shows_options
    def __init__(
        self,
        market: Market | str | os.PathLike[str] = "static",
        budget: float | None = None,
        periods: int = PERIODS,
        *,
        references: bool | None = None,
        render_mode: str | None = None,
        **options: Unpack[CampaignOptions],
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(
                f"render_mode must be one of {[None, *self.metadata['render_modes']]}, got {render_mode!r}"
            )
        super().__init__(None, market, budget, periods, **options)
        self.render_mode = render_mode
        self.action_space = self.action_map.space
        self.observation_space = self.observation_map.space
        self._compares = self._sampler is None if references is None else references
        self._seeded: np.random.Generator | None = None
        self._start_campaign()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """
        Start a new campaign.

        :param seed: Seed of the environment's random numbers.
        :param options: Not used.
        :return: Observation, and an info that holds ``budget_left`` and ``adstock``.
        """
        super().reset(seed=seed)
        if self._sampler is not None and self._seeded is not self.np_random:
            self._seeded = self.np_random
            self._sampler.seed([self.np_random])
        observation = self._begin()
        self._start_campaign()
        return observation, {"budget_left": self.budget, "adstock": self._campaign.adstock.copy()}

    def _start_campaign(self) -> None:
        self._value = 0.0
        self.history: list[Period] = []

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """
        Spend for one period.

        :param action: Shape (N,), finite.
        :return: Observation, reward, terminated, truncated (always False), info (see the class).
        :raises ValueError: If the action has another shape or is not finite.
        :raises RuntimeError: If the campaign is over.
        """
        if self._sampler is not None and self._seeded is None:
            raise RuntimeError("call reset() before step()")
        observation, requested, clipped, period = self._play(action)
        self.history.append(period)
        value = float(period.value + period.tail)
        self._value += value
        campaign = self._campaign
        terminated = campaign.done
        spend, sales = period.spend, period.sales
        info: dict[str, Any] = {
            "requested_spend": requested,
            "spend": spend.copy(),
            "clipped": bool(clipped),
            "sales": sales.copy(),
            "adstock": campaign.adstock.copy(),
            "budget_left": float(campaign.budget_left),
            "value": value,
            **self._returns_on_spend(spend, sales),
        }
        if terminated:
            info.update(self._summary())
        return observation, value / self.reward_scale, terminated, False, info

    def _returns_on_spend(self, spend: FloatArray, sales: FloatArray) -> dict[str, Any]:
        if sales.shape != spend.shape:
            spend = spend.sum(keepdims=True)
        # Faster than np.divide(..., where=...) for the few channels of a campaign.
        roas = [
            sold / spent if spent > 0.0 else math.nan
            for sold, spent in zip(sales.tolist(), spend.tolist(), strict=True)
        ]
        ratios: dict[str, Any] = {"roas": np.array(roas)}
        market = self.market
        if isinstance(market, Market):
            curves = self._campaign.scenario.curves or market.curves
            saturating = self._campaign.adstock
            if market.saturation_first and self._campaign.window is not None:
                saturating = self._campaign.window[0]
            ratios["marginal_roas"] = self._campaign.demand * curves.slope(saturating)
            ratios["extrapolated"] = spend > market.historical_max
        return ratios

    def _summary(self) -> dict[str, float]:
        summary = {
            "utilization": 1.0 - float(self._campaign.budget_left) / self.budget,
            "campaign_value": self._value,
        }
        if self._compares and isinstance(self.market, Market):
            even, plan = campaign_references(
                self.market, self.budget, self.periods, self.action_map.cap, self._campaign.scenario
            )
            gain = plan.value - even
            summary |= {
                "even_value": even,
                "optimal_value": plan.value,
                "optimal_upper_bound": plan.upper_bound,
                "regret": plan.value - self._value,
                "normalized_score": (self._value - even) / gain if gain > 1e-9 * abs(plan.value) else np.nan,
            }
        return summary

    def render(self) -> npt.NDArray[np.uint8] | None:
        """
        Draw the campaign so far: spend per channel, adstock, sales and the budget left.

        :return: An RGB picture, shape (height, width, 3); ``None`` without a render mode.
        :raises ImportError: If matplotlib is missing.
        """
        if self.render_mode is None:
            gym.logger.warn('render() needs render_mode="rgb_array" at construction')
            return None
        if not hasattr(self, "_picture"):
            from sb3_ext.envs.ad_spend.rendering import CampaignPicture

            self._picture = CampaignPicture(self.market, self.budget, self.periods)
        return self._picture.draw(self.history)
