"""New episodes in single sub-environments of a vector environment, whatever wraps it."""

import functools
import time
from typing import Any

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv, VectorObservationWrapper, VectorWrapper
from gymnasium.wrappers.vector import DictInfoToList, NormalizeObservation, NormalizeReward, RecordEpisodeStatistics

from sb3_ext.common.arrays import BoolArray


@functools.singledispatch
def reset_finished(env: VectorEnv[Any, Any, Any], finished: BoolArray) -> tuple[Any, dict[str, Any]]:
    """
    Begin new episodes in some sub-environments and leave the others alone.

    The default is Gymnasium's ``reset(options={"reset_mask": finished})``. For a class that knows no mask, or a wrapper
    whose ``reset`` forgets the running episodes too, register a function of your own:
    ``@reset_finished.register(MyVectorEnv)``.

    :param env: the vector environment or its outermost wrapper
    :param finished: the sub-environments to reset, shape (num_envs,)
    :return: observations of all sub-environments (unchanged where not reset) and the infos of the reset
    """
    return env.reset(options={"reset_mask": finished})


@reset_finished.register(CartPoleVectorEnv)
def _reset_cart_poles(env: Any, finished: BoolArray) -> tuple[Any, dict[str, Any]]:
    """Do what the next step would, as Gymnasium's CartPole ignores the mask and resets all."""
    env.state[:, finished] = env.np_random.uniform(env.low, env.high, size=(4, np.count_nonzero(finished)))
    env.steps[finished] = 0
    env.prev_done[finished] = False
    return env.state.T.astype(np.float32), {}


@reset_finished.register(VectorWrapper)
def _reset_inside(env: Any, finished: BoolArray) -> tuple[Any, dict[str, Any]]:
    """Leave out wrappers that do nothing of their own at a reset, so that what they wrap is asked by its class."""
    if _has_own_reset(env):
        result: tuple[Any, dict[str, Any]] = env.reset(options={"reset_mask": finished})
        return result
    observations, infos = reset_finished(env.env, finished)
    return env.observations(observations) if isinstance(env, VectorObservationWrapper) else observations, infos


@reset_finished.register(NormalizeReward)
def _reset_rewards(env: Any, finished: BoolArray) -> tuple[Any, dict[str, Any]]:
    """Its own reset forgets the returns of all."""
    env.accumulated_reward[finished] = 0
    env._prev_dones[finished] = 0
    return reset_finished(env.env, finished)


@reset_finished.register(RecordEpisodeStatistics)
def _reset_statistics(env: Any, finished: BoolArray) -> tuple[Any, dict[str, Any]]:
    """Its own reset loses the mask to the environment inside, and forgets the episodes of all."""
    env.episode_start_times[finished] = time.perf_counter()
    env.episode_returns[finished] = 0
    env.episode_lengths[finished] = 0
    env.prev_dones[finished] = False
    return reset_finished(env.env, finished)


def _has_own_reset(env: VectorEnv[Any, Any, Any]) -> bool:
    return type(env).reset not in (VectorWrapper.reset, VectorObservationWrapper.reset)


def find_autoreset_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    """Find when an environment resets; ``ValueError`` if it does not say, or a wrapper does not go with it."""
    # AtariVectorEnv writes its mode into metadata that all its instances share.
    mode = getattr(env.unwrapped, "autoreset_mode", None) or env.metadata.get("autoreset_mode")
    if mode is None:
        raise ValueError(f"{env} does not say when it resets: set its metadata['autoreset_mode']")
    mode = AutoresetMode(mode)
    base = env.unwrapped
    # Gymnasium's workers forget to cancel their own reset without shared memory.
    if isinstance(base, AsyncVectorEnv) and mode is AutoresetMode.NEXT_STEP and not base.shared_memory:
        raise ValueError(
            "AsyncVectorEnv without shared memory ignores a reset_mask: make it with autoreset_mode SAME_STEP"
        )
    _check_wrappers(env, mode)
    return mode


def _check_wrappers(env: Any, mode: AutoresetMode) -> None:
    """Refuse wrappers that the adapter cannot read, or whose reset would spoil the running episodes."""
    own_resets = {reset_finished.dispatch(object), reset_finished.dispatch(VectorWrapper)}
    opaque: str | None = None
    while True:
        name = type(env).__name__
        if isinstance(env, DictInfoToList):
            raise ValueError(f"{name} is not needed, as SB3 gets lists of infos from the adapter: leave it off")
        if mode is not AutoresetMode.SAME_STEP:
            if isinstance(env, NormalizeObservation):
                raise ValueError(f"{name} cannot reset single environments: put SB3's VecNormalize around the adapter")
            if opaque and reset_finished.dispatch(type(env)) not in own_resets:
                raise ValueError(
                    f"{opaque} resets {name} as a whole, with running episodes: put {opaque} inside or leave it off, "
                    "or make the environment with autoreset_mode SAME_STEP"
                )
        if not isinstance(env, VectorWrapper):
            return
        if _has_own_reset(env) and reset_finished.dispatch(type(env)) in own_resets:
            opaque = name
        env = env.env
