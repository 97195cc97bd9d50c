"""The search space of QLearning builds models, and a finished trial can be rebuilt from its raw values."""

import optuna
import pytest

from sb3_ext import QLearning
from sb3_ext.tuning.search_spaces import convert_q_learning_params, sample_q_learning_params


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_is_a_model(seed: int) -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    params = sample_q_learning_params(trial, 1, 1, {})
    assert convert_q_learning_params(trial.params) == params
    assert QLearning("TablePolicy", "ThreeStateMDP-v0", **params).gamma == params["gamma"]
