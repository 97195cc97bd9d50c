"""The search space of REINFORCE builds models, and a finished trial can be rebuilt from its raw values."""

import optuna
import pytest

from sb3_ext.reinforce import REINFORCE
from sb3_ext.tuning.search_spaces import convert_reinforce_params, sample_reinforce_params


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_is_a_model(seed: int) -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    params = sample_reinforce_params(trial, 1, 4, {})
    assert params["n_episodes"] % 4 == 0
    assert convert_reinforce_params(trial.params) == params
    assert trial.user_attrs["gamma"] == params["gamma"]
    model = REINFORCE("MlpPolicy", "Pendulum-v1", device="cpu", **params)
    assert model.policy.net_arch == params["policy_kwargs"]["net_arch"]
