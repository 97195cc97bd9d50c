"""Thousands of ad-budget campaigns, stepped at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from typing_extensions import Unpack

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.envs.ad_spend.campaign.problem import CampaignOptions, CampaignProblem, shows_options
from sb3_ext.envs.ad_spend.campaign.simulator import Period
from sb3_ext.envs.ad_spend.market.checks import check_count
from sb3_ext.envs.ad_spend.market.market import Market
from sb3_ext.envs.ad_spend.market.presets import PERIODS

FloatObservation = npt.NDArray[np.float32]


class AdSpendVectorEnv(CampaignProblem, VectorEnv[FloatObservation, FloatObservation, npt.NDArray[Any]]):
    """
    ``num_envs`` campaigns of :class:`AdSpendEnv` on one batched simulator.

    Spaces, rewards and episodes are those of :class:`AdSpendEnv`; campaign i, seeded with ``seed + i``, goes exactly as
    a single environment with that seed. As all campaigns are equally long they start and end together.

    ``info`` holds arrays over the campaigns: every period ``spend`` and ``sales`` (n, N), ``budget_left`` and ``value``
    (n,), money, and ``clipped`` (n,); after the last period also ``campaign_value`` and ``utilization`` (n,). There are
    no references to compare with: ask a single environment, or :func:`plan_clairvoyant` with ``scenario.of(i)``.

    :param num_envs: Number of campaigns, >= 1.
    :param market: This and all others: see :class:`AdSpendEnv`.
    :param render_mode: Only ``None``.
    :param autoreset_mode: ``SAME_STEP``: the last step of the campaigns already returns the first observations of the
        next ones, and ``info`` the last ones as ``final_obs`` and ``final_info``. ``NEXT_STEP`` (Gymnasium's default):
        the step after the last one resets, whatever its action. ``DISABLED``: ``reset()`` must be called.
    :raises ValueError: If an argument is out of its range, or an action holds NaN.
    """

    @shows_options
    def __init__(
        self,
        num_envs: int = 1,
        market: Market | str | os.PathLike[str] = "static",
        budget: float | None = None,
        periods: int = PERIODS,
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **options: Unpack[CampaignOptions],
    ) -> None:
        self.num_envs = check_count(num_envs, "num_envs")
        if render_mode is not None:
            raise ValueError(f"AdSpendVectorEnv draws no pictures: render one AdSpendEnv, got {render_mode!r}")
        try:
            self._mode = AutoresetMode(autoreset_mode)
        except ValueError:
            allowed = [mode.value for mode in AutoresetMode]
            raise ValueError(f"autoreset_mode must be one of {allowed}, got {autoreset_mode!r}") from None
        self.metadata = {"render_modes": [], "autoreset_mode": self._mode}
        super().__init__(self.num_envs, market, budget, periods, **options)
        self.single_action_space = self.action_map.space
        self.single_observation_space = self.observation_map.space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._all = np.ones(self.num_envs, dtype=np.bool_)
        self._none = np.zeros(self.num_envs, dtype=np.bool_)
        self._seeded = False
        self._started = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatObservation, dict[str, Any]]:
        """
        Start new campaigns.

        :param seed: Campaign i gets ``seed + i``, or ``seed[i]``; with ``None`` its random numbers go on.
        :param options: ``reset_mask`` may only be all True: campaigns start together. Others are not used.
        :return: Observations, shape (n, D), and an info that holds ``budget_left`` (n,) and ``adstock`` (n, N).
        :raises ValueError: If there is another number of seeds, or the mask leaves campaigns out.
        """
        mask = None if options is None else options.get("reset_mask")
        if mask is not None and (np.shape(mask) != (self.num_envs,) or not np.all(mask)):
            raise ValueError("campaigns of an AdSpendVectorEnv start together: reset_mask must be all True")
        if seed is not None or not self._seeded:
            self._seed(seed)
        return self._start()

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        seeds: Sequence[int | None]
        if seed is None:
            seeds = [None] * self.num_envs
        elif isinstance(seed, (int, np.integer)):
            seeds = range(int(seed), int(seed) + self.num_envs)
        else:
            seeds = seed
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must be one number or {self.num_envs} numbers, got {len(seeds)}")
        if self._sampler is not None:
            goes_on = self._seeded
            self._sampler.seed(
                [None if number is None and goes_on else seeding.np_random(number)[0] for number in seeds]
            )
        self._seeded = True

    def _start(self) -> tuple[FloatObservation, dict[str, Any]]:
        self._value = np.zeros(self.num_envs)
        self._over, self._started = False, True
        observation = self._begin()
        budget_left = np.full(self.num_envs, self.budget)
        return observation, self._masked({"budget_left": budget_left, "adstock": self._campaign.adstock.copy()})

    def step(
        self, actions: FloatObservation
    ) -> tuple[FloatObservation, FloatArray, BoolArray, BoolArray, dict[str, Any]]:
        """
        Spend for one period.

        :param actions: Shape (n, N), finite.
        :return: Observations (n, D), rewards (n,), terminated (n,), truncated (n,, always False), info (see the class).
        :raises ValueError: If the actions have another shape or are not finite.
        :raises RuntimeError: If the campaigns are over or have not started.
        """
        if not self._started:
            raise RuntimeError("call reset() before step()")
        if self._over and self._mode is AutoresetMode.NEXT_STEP:
            observation, info = self._start()
            return observation, np.zeros(self.num_envs), self._none.copy(), self._none.copy(), info
        observation, _, clipped, period = self._play(actions)
        value = np.asarray(period.value + period.tail)
        self._value += value
        self._over = self._campaign.done
        info = self._info(period, clipped, value)
        if self._over and self._mode is AutoresetMode.SAME_STEP:
            final = {"final_obs": observation, "final_info": info}
            observation, info = self._start()
            return (
                observation,
                value / self.reward_scale,
                self._all.copy(),
                self._none.copy(),
                info | self._masked(final),
            )
        terminated = self._all if self._over else self._none
        return observation, value / self.reward_scale, terminated.copy(), self._none.copy(), info

    def _info(self, period: Period, clipped: BoolArray | np.bool_, value: FloatArray) -> dict[str, Any]:
        info = {
            "spend": period.spend,
            "sales": period.sales,
            "budget_left": self._campaign.budget_left.copy(),
            "value": value,
            "clipped": clipped,
        }
        if self._over:
            info["campaign_value"] = self._value
            info["utilization"] = 1.0 - self._campaign.budget_left / self.budget
        return self._masked(info)

    def _masked(self, info: dict[str, Any]) -> dict[str, Any]:
        """Say, as Gymnasium does, for which environments there is an entry: for all."""
        mask = self._all.copy()
        return info | {f"_{name}": mask for name in info}
