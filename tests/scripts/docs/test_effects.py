"""Main effects of the switches of an ablation."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from docs.effects import main_effect
from docs.results import read_comparison
from sb3_ext.evaluation.scores import Comparison

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def ablation(seeds: int) -> Comparison:
    """Double is worth 5, prioritized -2 and 8 more beside double; every seed has a level of its own."""
    template = read_comparison(RESULTS / "MountainCar-v0_ablation").runs[0]
    level = np.random.default_rng(0).normal(scale=100.0, size=seeds)
    runs = []
    for seed, double, prioritized in itertools.product(range(seeds), (False, True), (False, True)):
        setting = "+".join(["double"] * double + ["prioritized"] * prioritized) or "none"
        mean_return = level[seed] + 5.0 * double - 2.0 * prioritized + 8.0 * (double and prioritized)
        runs.append(dataclasses.replace(template, setting=setting, training_seed=seed, mean_return=mean_return))
    return Comparison(runs, {})


def test_effects_are_means_over_the_other_switches() -> None:
    comparison = ablation(6)
    assert main_effect(comparison, "double").mean == pytest.approx(9.0)
    assert main_effect(comparison, "prioritized").mean == pytest.approx(2.0)


def test_levels_of_the_seeds_do_not_widen_the_interval() -> None:
    effect = main_effect(ablation(6), "double")
    assert effect.interval == (pytest.approx(9.0), pytest.approx(9.0))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="dueling"):
        main_effect(ablation(6), "dueling")
    runs = [run for run in ablation(6).runs if run.setting != "double"]
    with pytest.raises(KeyError, match="double"):
        main_effect(Comparison(runs, {}), "prioritized")
