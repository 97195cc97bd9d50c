"""
Rewards shaped for learning. Evaluation still counts the environment's own reward.

SB3 counts an episode's return where its ``Monitor`` sits. ``make_vec_env`` and the zoo put it below the wrappers, so
training logs, ``evaluate_policy`` and ``EvalCallback`` report the raw return although the zoo's evaluation environment
has the same wrappers. Where there is no ``Monitor`` below, these wrappers add one; SB3 then adds no second one above.
Only an explicit ``Monitor(wrapper(env))`` reports shaped returns: write ``wrapper(Monitor(env))``, and
``make_vec_env(env_id, wrapper_class=...)`` instead of a function that already wraps.
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor

from sb3_ext.common.hyperparameters import check_hyperparameters, is_real, positive

ANGLE = 2
MAX_ANGLE_PENALTY = 0.7


def with_monitor(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Count returns below the wrapper that changes rewards, see above."""
    return env if is_wrapped(env, Monitor) else Monitor(env)


class CartPoleAngleReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Subtract the pole's angle from the reward of CartPole: ``reward - min(|angle|, 0.7)``, the angle in radians.

    CartPole-v1 ends at 0.21 rad, so a step earns between 0.79 and 1. Returns of evaluations stay raw, see
    :mod:`sb3_ext.wrappers.shaping`.

    Example::

        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import CartPoleAngleReward
        >>> env = CartPoleAngleReward(gym.make("CartPole-v1"))
        >>> observation, _ = env.reset(seed=0)
        >>> observation, reward, *_ = env.step(0)
        >>> bool(reward == 1 - abs(observation[2]))
        True

    :param env: CartPole, or an environment with the same four observations
    :raises ValueError: if the observation is not a ``Box`` of four numbers
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        space = env.observation_space
        if not isinstance(space, spaces.Box) or space.shape != (4,):
            raise ValueError(
                f"CartPoleAngleReward: observation_space={space} is not valid; wrap CartPole itself, before any "
                "wrapper that changes its observations."
            )
        gym.utils.RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, with_monitor(env))

    def step(self, action: Any) -> tuple[npt.NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, with the shaped reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        penalty = min(abs(float(observation[ANGLE])), MAX_ANGLE_PENALTY)
        return observation, float(reward) - penalty, terminated, truncated, info


class ScaledReward(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Multiply every reward by a number, for values that a network learns in few updates.

    An optimal policy stays optimal; a learned value is best near 1, so about ``1 - gamma`` where every step earns 1.
    Returns of evaluations stay raw, see :mod:`sb3_ext.wrappers.shaping`.

    Example::

        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import ScaledReward
        >>> env = ScaledReward(gym.make("CartPole-v1"), scale=0.03)
        >>> _ = env.reset(seed=0)
        >>> env.step(0)[1]
        0.03

    :param env: environment
    :param scale: factor of the rewards, above 0
    :raises ValueError: if ``scale`` is not a finite number above 0
    """

    def __init__(self, env: gym.Env[Any, Any], scale: float) -> None:
        check_hyperparameters("ScaledReward", {"scale": scale}, {"scale": positive()})
        gym.utils.RecordConstructorArgs.__init__(self, scale=scale)
        gym.Wrapper.__init__(self, with_monitor(env))
        self.scale = float(scale)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, with the scaled reward."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, self.scale * float(reward), terminated, truncated, info


class TerminalPenalty(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """
    Replace the reward of a step that fails by a penalty.

    A step fails if it terminates the episode before its time limit; a truncated episode did not fail. For environments
    in which every terminal state is a failure, such as CartPole. Returns of evaluations stay raw, see
    :mod:`sb3_ext.wrappers.shaping`.

    Example::

        >>> import gymnasium as gym
        >>> from sb3_ext.wrappers import TerminalPenalty
        >>> env = TerminalPenalty(gym.make("CartPole-v1"), penalty=-10)
        >>> _ = env.reset(seed=0)
        >>> rewards, terminated = [], False
        >>> while not terminated:
        ...     _, reward, terminated, _, _ = env.step(0)
        ...     rewards.append(reward)
        >>> rewards[0], rewards[-1]
        (1.0, -10.0)

    :param env: environment whose terminal states are failures
    :param penalty: reward of the step that fails, at most 0
    :raises ValueError: if ``penalty`` is positive or not a finite number
    """

    def __init__(self, env: gym.Env[Any, Any], penalty: float = -100.0) -> None:
        check_hyperparameters(
            "TerminalPenalty",
            {"penalty": penalty},
            {"penalty": (is_real(penalty, high=0.0), "a finite number <= 0 such as -100")},
        )
        gym.utils.RecordConstructorArgs.__init__(self, penalty=penalty)
        gym.Wrapper.__init__(self, with_monitor(env))
        self.penalty = float(penalty)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, with the penalty for a failure."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        failed = terminated and not truncated
        return observation, self.penalty if failed else reward, terminated, truncated, info
