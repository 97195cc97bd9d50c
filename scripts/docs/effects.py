"""What each switch of an ablation does, over all combinations of the others."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from docs.formats import Span
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.evaluation.statistics import bootstrap_interval


class Effect(NamedTuple):
    """Difference of the mean return that a switch makes, with its 95 % interval over the training seeds."""

    mean: float
    interval: Span


def main_effect(comparison: Comparison, switch: str) -> Effect:
    """
    Average what a switch changes, with the others on and off (the main effect of a factorial experiment).

    Settings are named after what is on: ``double+dueling``, and ``none``. The difference is taken between trainings
    with the same seed; the bootstrap draws seeds, each with all its settings.

    :param comparison: of one environment, with every setting that has the switch, the one without it, and equal seeds
    :param switch: its name
    :return: mean return with less mean return without
    :raises KeyError: if no setting has the switch, a setting has no partner, or a partner lacks a seed
    """
    (environment,) = comparison.environments
    returns = {
        frozenset(setting.split("+")) - {"none"}: {
            run.training_seed: run.mean_return for run in comparison.of(setting, environment)
        }
        for setting in comparison.settings
    }
    on = [names for names in returns if switch in names]
    if not on:
        raise KeyError(switch)
    seeds = returns[on[0]]
    differences = [np.mean([returns[names][seed] - returns[names - {switch}][seed] for names in on]) for seed in seeds]
    low, high = bootstrap_interval(differences, functools.partial(np.mean, axis=-1))
    return Effect(float(np.mean(differences)), Span(float(low), float(high)))
