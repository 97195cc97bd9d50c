"""The ad-budget environment."""

from __future__ import annotations

import math
import os
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sb3_ext.envs.ad_spend.checks import check_number, check_periods
from sb3_ext.envs.ad_spend.interface import ActionMap, ActionMode, ObservationMap, ObsMode
from sb3_ext.envs.ad_spend.market import CampaignSimulator, Period, SalesFunction, SalesFunctionMarket
from sb3_ext.envs.ad_spend.params import FloatArray, Market, default_spend_cap
from sb3_ext.envs.ad_spend.presets import PERIODS, PRESETS

Range = tuple[npt.ArrayLike, npt.ArrayLike]


def resolve_market(market: Market | str | os.PathLike[str]) -> Market:
    """
    Find a market by what a user passes for it.

    :param market: A market, the name of a preset, or the path of a market file (ours or a Robyn export).
    :return: The market.
    :raises ValueError: If there is neither such a preset nor such a file, or the file is malformed.
    """
    if isinstance(market, Market):
        return market
    if not isinstance(market, (str, os.PathLike)):
        raise ValueError(f"market must be a Market, a preset's name or a file's path, got {type(market).__name__}")
    name = os.fspath(market)
    if name in PRESETS:
        return PRESETS[name]()
    if not os.path.isfile(name):
        raise ValueError(f"market {name!r} is neither a preset ({', '.join(PRESETS)}) nor a file")
    return Market.load(name)


class AdSpendEnv(gym.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
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
    | ``pace`` | share of the caps that the budget left allows in every period left | 0 | 1 |
    | ``time_left`` | periods left / periods | 0 | 1 |
    | ``demand_index`` | demand factor of the coming period (where demand varies) | 0 | largest of the season |
    | ``season_sin``, ``season_cos`` | phase of the week (daily periods) or year (where demand varies) | -1 | 1 |

    ``pace`` follows from the budget and the time left; a network learns the division badly where it matters most, in
    the last periods. ``"full"`` is Markov. ``"partial"`` leaves out the adstock, which a fitted model estimates but
    nobody measures. ``"spend"`` holds the last spends alone, as the tutorial had it: it is not Markov (budget and time
    are hidden).

    ## Rewards

    ``(margin * (sales - sales of a zero-spend campaign) - spend_cost * spend) / reward_scale``. Zero spend earns 0. The
    last reward includes what the adstock left will sell within ``market.tail_periods``. With the default
    ``reward_scale = B`` the return is what a unit of budget earns.

    ## Starting State

    Full budget; adstock at the steady state of the historical mean spend; nothing spent or sold yet.

    ## Episode End

    ``terminated`` after ``T`` periods: the horizon is part of the problem and the time left is observed. Never
    ``truncated`` by itself.

    ## Info

    Every period: ``requested_spend`` and ``spend`` (N,), ``clipped``, ``sales`` (N,), ``adstock`` (N,), ``roas`` (sales
    per money spent, by channel; NaN where nothing was spent), ``marginal_roas`` (what one more unit of adstock would
    sell), ``budget_left``, ``value`` (money, this period), ``extrapolated`` (spend beyond ``historical_max``).
    At the end also ``utilization`` (spent share of the budget), ``campaign_value``, ``even_value`` (even pacing),
    ``optimal_value`` and ``optimal_upper_bound`` (:func:`plan_optimal`), ``regret`` (optimal - campaign value) and
    ``normalized_score`` = (campaign - even) / (optimal - even); all in money. A ``sales_function`` has no known
    optimum, so these references are missing there.

    ## Arguments

    :param market: A :class:`Market`, a preset (``"static"``, ``"adstock"``, ``"seasonal"``, ``"profit"``) or the path
        of a market file (``adspend-params/1`` JSON or a Robyn export). Not used with ``sales_function``.
    :param budget: Budget of a campaign, money, > 0. Default: what the historical mean spends amount to; with
        ``sales_function`` and ``act_range``: what mid-range spends amount to.
    :param periods: Length of a campaign, >= 1.
    :param action_mode: ``"normalized"`` or ``"currency"``.
    :param obs_mode: ``"full"``, ``"partial"`` or ``"spend"``. Default: ``"full"``, but ``"spend"`` if ``obs_range`` is
        given.
    :param sales_function: The user's own function from spends, shape (N,), to sales (a number, or one per channel), in
        place of a market.
    :param obs_range: Bounds (low, high) of the ``"spend"`` observation in money; without it spends are relative to the
        caps.
    :param act_range: Bounds (low, high) of the spend per channel and period, money; numbers or shape (N,).
    :param channel_names: Channels of a ``sales_function``.
    :param reward_scale: Money that makes a reward of 1, > 0. Default: the budget.
    :param render_mode: ``None`` or ``"rgb_array"`` (needs matplotlib).
    :raises ValueError: If an argument is out of its range, an action holds NaN, or ``sales_function`` misbehaves.

    ## Version History

    * v0: first version
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  (Gymnasium's own form)

    def __init__(
        self,
        market: Market | str | os.PathLike[str] = "static",
        budget: float | None = None,
        periods: int = PERIODS,
        *,
        action_mode: ActionMode = "normalized",
        obs_mode: ObsMode | None = None,
        sales_function: SalesFunction | None = None,
        obs_range: Range | None = None,
        act_range: Range | None = None,
        channel_names: tuple[str, ...] = ("facebook", "instagram"),
        reward_scale: float | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(
                f"render_mode must be one of {[None, *self.metadata['render_modes']]}, got {render_mode!r}"
            )
        self.render_mode = render_mode
        self.market: Market | SalesFunctionMarket
        if sales_function is None:
            self.market = resolve_market(market)
        elif callable(sales_function):
            self.market = SalesFunctionMarket(sales_function, channel_names)
        else:
            raise ValueError(f"sales_function must be callable, got {type(sales_function).__name__}")
        n_channels = len(self.market.names)
        limits = None if act_range is None else _bounds(act_range, n_channels, "act_range", lowest=0.0)

        if budget is None:
            per_period = self.market.initial_adstock.sum() if limits is None else np.mean(limits, axis=0).sum()
            if per_period <= 0.0:
                raise ValueError(
                    "budget must be given: there is neither a historical mean spend nor an act_range to derive it"
                )
            budget = float(per_period) * check_periods(periods)
        self._campaign = CampaignSimulator(self.market, budget, periods)
        if limits is not None:
            low, cap = limits
        elif isinstance(self.market, Market):
            low, cap = np.zeros(n_channels), self.market.spend_caps(self.budget, self.periods)
        else:
            low, cap = (
                np.zeros(n_channels),
                np.full(n_channels, default_spend_cap(self.budget, self.periods, n_channels)),
            )

        scale = self.budget if reward_scale is None else reward_scale
        self.reward_scale = check_number(scale, "reward_scale", 0.0, low_open=True)
        if obs_range is not None:
            _bounds(obs_range, n_channels, "obs_range")
        if low.sum() * self.periods >= self.budget:
            raise ValueError(
                f"act_range: the smallest spends amount to {low.sum() * self.periods:g}, "
                f"which leaves nothing of the budget {self.budget:g}"
            )
        self.action_map = ActionMap(action_mode, low, cap)
        mode: ObsMode = ("full" if obs_range is None else "spend") if obs_mode is None else obs_mode
        if obs_range is not None and mode != "spend":
            raise ValueError(f'obs_range needs obs_mode="spend", got obs_mode={mode!r}')
        self._observation_map = ObservationMap(mode, self._campaign, self.action_map.cap, obs_range)
        self.action_space = self.action_map.space
        self._action_shape = (n_channels,)
        self.observation_space = self._observation_map.space
        self.obs_mode = mode
        self.observation_names = tuple(self._observation_map.names)
        self._start_campaign()

    @property
    def budget(self) -> float:
        """Budget of a campaign, money."""
        return self._campaign.budget

    @property
    def periods(self) -> int:
        """Length of a campaign."""
        return self._campaign.periods

    @property
    def spend_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest spend per channel and period, two arrays of shape (N,), money."""
        return self.action_map.low, self.action_map.cap

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
        self._campaign.reset()
        self._start_campaign()
        info = {"budget_left": self.budget, "adstock": self._campaign.adstock.copy()}
        return self._observation_map.observe(self._campaign, None), info

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
        asked = np.asarray(action, dtype=np.float64)
        if asked.shape != self._action_shape:
            raise ValueError(f"an action must have the shape {self._action_shape}, got {asked.shape}")
        requested = self.action_map.to_spend(asked)
        wanted = self.action_map.limit(requested)
        limited = wanted.tolist() != requested.tolist()
        if limited and not np.all(np.isfinite(requested)):
            raise ValueError(f"an action must hold finite numbers, got {asked.tolist()}")
        period = self._campaign.step(wanted)
        self.history.append(period)
        value = float(period.value + period.tail)
        self._value += value
        campaign = self._campaign
        terminated = campaign.done
        spend, sales = period.spend, period.sales
        info: dict[str, Any] = {
            "requested_spend": requested,
            "spend": spend,
            "clipped": limited or bool(period.overspent),
            "sales": sales,
            "adstock": campaign.adstock.copy(),
            "budget_left": float(campaign.budget_left),
            "value": value,
            **self._returns_on_spend(spend, sales),
        }
        if terminated:
            info.update(self._summary())
        observation = self._observation_map.observe(campaign, period)
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
        if isinstance(self.market, Market):
            season = self._campaign.season[self._campaign.period - 1]
            ratios["marginal_roas"] = season * self.market.marginal_response(self._campaign.adstock)
            ratios["extrapolated"] = spend > self.market.historical_max
        return ratios

    def _summary(self) -> dict[str, float]:
        from sb3_ext.envs.ad_spend.optimum import reference_plans

        summary = {
            "utilization": 1.0 - float(self._campaign.budget_left) / self.budget,
            "campaign_value": self._value,
        }
        if isinstance(self.market, Market):
            even, plan = reference_plans(self.market, self.budget, self.periods, self.action_map.cap)
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

            self._picture = CampaignPicture(self)
        return self._picture.draw(self.history)


def _bounds(bounds: Range, n_channels: int, what: str, lowest: float = -np.inf) -> tuple[FloatArray, FloatArray]:
    try:
        low, high = (np.broadcast_to(np.asarray(end, dtype=np.float64), n_channels) for end in bounds)
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} must be (low, high), numbers or {n_channels} numbers each, got {' '.join(repr(bounds).split())}"
        ) from None
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high)) and np.all(low < high) and np.all(low >= lowest)):
        raise ValueError(f"{what} must be finite with {lowest:g} <= low < high, got {' '.join(repr(bounds).split())}")
    return low, high
