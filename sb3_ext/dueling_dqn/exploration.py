"""Schedules of the exploration rate."""

from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import LinearSchedule

from sb3_ext.common.hyperparameters import is_real

EXPLORATION_DECAYS = ("linear", "exponential")


class ExponentialSchedule:
    """Geometric decay from ``start`` > 0 to ``end`` > 0 over a share of the training in (0, 1], ``end`` afterwards."""

    def __init__(self, start: float, end: float, end_fraction: float) -> None:
        self.start, self.end, self.end_fraction = start, end, end_fraction

    def __call__(self, progress_remaining: float) -> float:
        """Return the value at a remaining progress between 1 (start) and 0 (end)."""
        done = min((1 - progress_remaining) / self.end_fraction, 1.0)
        return float(self.start * (self.end / self.start) ** done)


def make_exploration_schedule(decay: str | Schedule, start: float, end: float, end_fraction: float) -> Schedule:
    """
    Build the probability of a random action as a function of the remaining progress: ``"linear"``, ``"exponential"`` or
    a function of one's own. ValueError if an exponential decay starts or ends at 0, or a given function leaves [0, 1].
    """
    if callable(decay):
        if not all(is_real(decay(progress), 0, 1) for progress in (1.0, 0.5, 0.0)):
            raise ValueError("exploration_decay must return a probability in [0, 1] for a progress in [0, 1].")
        return decay
    if decay == "linear":
        return LinearSchedule(start, end, end_fraction)
    if min(start, end) <= 0:
        raise ValueError(f"An exponential decay of the exploration from {start} to {end} needs both above 0.")
    return ExponentialSchedule(start, end, end_fraction)
