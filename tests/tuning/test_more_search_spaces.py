"""The search spaces of the genetic search and of PPO with a penalty."""

from typing import Any

import optuna
import pytest
from rl_zoo3.hyperparams_opt import convert_onpolicy_params
from torch import nn

from sb3_ext import GeneticSearch, PPOPenalty
from sb3_ext.tuning.search_spaces import convert_genetic_params, sample_genetic_params, sample_ppo_penalty_params

GENETIC = {
    "population_size": 40,
    "survivor_fraction": 0.26,
    "mutation_std": 0.05,
    "mutation_decays": True,
    "n_eval_episodes": 3,
    "net_arch": "tiny",
    "activation_fn": "elu",
}


def ask(seed: int) -> optuna.Trial:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()


def test_genetic_sampler_by_hand() -> None:
    params = sample_genetic_params(optuna.trial.FixedTrial(GENETIC), 1, 1, {})  # type: ignore[arg-type]
    assert params == {
        "population_size": 40,
        "n_survivors": 10,
        "mutation_std": "lin_0.05",
        "n_eval_episodes": 3,
        "policy_kwargs": {"net_arch": [5], "activation_fn": nn.ELU},
    }
    assert convert_genetic_params({**GENETIC, "mutation_decays": False})["mutation_std"] == 0.05
    assert convert_genetic_params({**GENETIC, "population_size": 2, "survivor_fraction": 0.05})["n_survivors"] == 1


def test_genetic_converter_does_not_change_its_argument() -> None:
    params: dict[str, Any] = dict(GENETIC)
    convert_genetic_params(params)
    assert params == GENETIC


@pytest.mark.parametrize("seed", range(5))
def test_every_genetic_sample_is_a_model(seed: int) -> None:
    trial = ask(seed)
    params = sample_genetic_params(trial, 1, 4, {})
    assert convert_genetic_params(trial.params) == params
    assert trial.user_attrs["n_survivors"] == params["n_survivors"]
    model = GeneticSearch("MlpPolicy", "CartPole-v1", **params)
    assert model.policy.net_arch == params["policy_kwargs"]["net_arch"]


@pytest.mark.filterwarnings("error:You have specified a mini-batch size")
@pytest.mark.parametrize("n_envs", [1, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_every_ppo_penalty_sample_is_a_model(seed: int, n_envs: int) -> None:
    trial = ask(seed)
    params = sample_ppo_penalty_params(trial, 1, n_envs, {})
    assert convert_onpolicy_params(trial.params) == params
    assert trial.user_attrs["gamma"] == params["gamma"] == 1 - trial.params["one_minus_gamma"]
    assert params["batch_size"] <= params["n_steps"] * n_envs
    model = PPOPenalty("MlpPolicy", "Pendulum-v1", device="cpu", **{**params, "n_steps": params["n_steps"] * n_envs})
    assert model.target_kl == params["target_kl"]
