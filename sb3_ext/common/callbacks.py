"""Callbacks for any algorithm."""

from __future__ import annotations

from collections import deque

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, is_vecenv_wrapped

from sb3_ext.common.hyperparameters import check_hyperparameters, integer, number


class StopTrainingOnMovingAverage(BaseCallback):
    """
    Stop training as soon as the mean return of the last training episodes reaches a threshold.

    Returns are those of SB3's ``Monitor``, without reward shaping by wrappers above it or ``VecNormalize``. Nothing
    stops before ``window`` episodes have ended. In a YAML file of the zoo::

        callback:
          - sb3_ext.common.callbacks.StopTrainingOnMovingAverage:
              threshold: 475
              window: 100

    Logs ``rollout/ep_rew_moving_average`` once the window is full. ``learn(..., reset_num_timesteps=False)`` goes on
    with the episodes seen before.

    :param threshold: mean return at which training stops
    :param window: number of last episodes in the mean, at least 1
    :param verbose: 1 to print why training stopped
    :raises ValueError: if an argument is out of range, or, when training starts, if the environment has no ``Monitor``
    """

    def __init__(self, threshold: float, window: int = 100, verbose: int = 1) -> None:
        super().__init__(verbose)
        check_hyperparameters(
            "StopTrainingOnMovingAverage",
            {"threshold": threshold, "window": window},
            {"threshold": number(), "window": integer(1)},
        )
        self.threshold = threshold
        self.window = window
        self.returns: deque[float] = deque(maxlen=window)

    def _on_training_start(self) -> None:
        env = self.training_env
        if not is_vecenv_wrapped(env, VecMonitor) and not all(env.env_is_wrapped(Monitor)):
            raise ValueError(
                "StopTrainingOnMovingAverage: the training environment reports no episode returns; wrap it in SB3's "
                "Monitor or VecMonitor."
            )
        if self.model.num_timesteps == 0:
            self.returns.clear()

    def _on_step(self) -> bool:
        ended = [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        if not ended:
            return True
        self.returns.extend(float(value) for value in ended)
        if len(self.returns) < self.window:
            return True
        average = float(np.mean(self.returns))
        self.logger.record("rollout/ep_rew_moving_average", average)
        if average < self.threshold:
            return True
        if self.verbose >= 1:
            print(
                f"Stopping training at {self.num_timesteps:,} steps: the mean return of the last {self.window} "
                f"episodes is {average:.2f}, the threshold {self.threshold:g}."
            )
        return False
