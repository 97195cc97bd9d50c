"""Measuring policies on the same episodes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.type_aliases import PolicyPredictor
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnv

from sb3_ext.common.arrays import AnyArray, FloatArray


@dataclass
class Measurement:
    """What a policy achieved."""

    returns: list[float] = field(default_factory=list)
    """Undiscounted, unnormalized return of every episode."""
    utilizations: list[float] = field(default_factory=list)
    """Spent share of the budget at the end of every campaign; empty outside AdSpend."""
    spend: list[FloatArray] = field(default_factory=list)
    """Spend per channel in every period of the first campaign, money."""
    sales: list[FloatArray] = field(default_factory=list)
    """Sales in every period of the first campaign, money."""

    @property
    def mean_return(self) -> float:
        """Mean over the episodes."""
        return float(np.mean(self.returns))

    @property
    def utilization(self) -> float:
        """Mean spent share of the budget; NaN outside AdSpend."""
        return float(np.mean(self.utilizations)) if self.utilizations else float("nan")


def measure(
    policy: PolicyPredictor,
    env: VecEnv,
    seeds: range,
    deterministic: bool = True,
    watch: Callable[[int, dict[str, Any]], None] = lambda episode, info: None,
    long: int = 50_000,
) -> Measurement:
    """
    Play an episode per seed, the same for all policies; ``watch`` gets its number, from 0, and every step's info.

    Warns once of an episode of more than ``long`` steps, which may go on for ever.
    """
    result = Measurement()
    episodes: dict[int, dict[str, Any]] = {}
    ages, warned = [0] * env.num_envs, False

    def record(step: dict[str, Any], _: dict[str, Any]) -> None:
        nonlocal warned
        info, episode = step["info"], len(result.returns) + step["i"]
        if episode < len(seeds):
            watch(episode, info)
        if episode == 0 and "spend" in info and "sales" in info:
            result.spend.append(np.array(info["spend"], dtype=np.float64))
            result.sales.append(np.array(info["sales"], dtype=np.float64))
        ages[step["i"]] = 0 if step["done"] else ages[step["i"]] + 1
        if ages[step["i"]] == long and not warned:
            warned = True
            print(
                f"warning: an episode has not ended after {long} steps; if its environment has no time limit, stop "
                "this and set one: --env-kwargs max_episode_steps:NUMBER",
                file=sys.stderr,
            )
        if step["done"] and "episode" in info:
            episodes[step["i"]] = info

    set_random_seed(seeds[0])
    for batch in (seeds[start : start + env.num_envs] for start in range(0, len(seeds), env.num_envs)):
        # Environment i starts with the seed batch[0] + i; what exceeds the batch is played and dropped.
        env.seed(batch[0])
        evaluate_policy(policy, env, env.num_envs, deterministic=deterministic, callback=record, warn=False)
        for _, (_, info) in zip(batch, sorted(episodes.items()), strict=False):
            result.returns.append(float(info["episode"]["r"]))
            if "campaign_value" in info:
                # Monitor rounds to 6 decimals, too coarse to tell a plan from the optimum.
                result.returns[-1] = float(info["campaign_value"]) / float(env.get_attr("reward_scale", 0)[0])
                result.utilizations.append(float(info["utilization"]))
        episodes.clear()
    return result


@dataclass(frozen=True)
class Rule:
    """A rule from observations, shape (n, ...), to n actions, with SB3's ``predict``."""

    choose: Callable[[AnyArray], ArrayLike]

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[AnyArray, None]:
        """Choose actions; there is no state."""
        return np.asarray(self.choose(np.asarray(observation))), None


def random_actions(space: spaces.Space[Any], seed: int) -> Rule:
    """Act at random, whatever is observed; the generator of ``space`` is seeded."""
    space.seed(seed)
    return Rule(lambda observations: [space.sample() for _ in observations])
