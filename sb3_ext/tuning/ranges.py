"""What a search space asks a trial for, as ranges a reader can check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

_DRAWS = 30
"""Some hyperparameters are only asked for where another has a certain value."""


def ranges(sample: Callable[[optuna.Trial], Any]) -> dict[str, str]:
    """Range of every hyperparameter that is asked for, by name; a search space that fails raises what it raises."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: dict[str, str] = {}
    for _ in range(_DRAWS):
        trial = study.ask()
        sample(trial)
        found |= {name: _text(distribution) for name, distribution in trial.distributions.items()}
    return found


def _text(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    whole = ", whole" if isinstance(distribution, IntDistribution) else ""
    step = f", in steps of {distribution.step:g}" if distribution.step not in (None, 1) else ""
    return f"{distribution.low:g} to {distribution.high:g}{whole}{step}{', logarithmic' if distribution.log else ''}"
