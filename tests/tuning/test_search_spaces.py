"""Search spaces build models, and a finished trial can be rebuilt from its raw values."""

from typing import Any

import numpy as np
import optuna
import pytest
from rl_zoo3.utils import ALGOS
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from torch import nn

from sb3_ext.tuning.search_spaces import (
    SEARCH_SPACES,
    convert_ddpg_params,
    convert_genetic_params,
    convert_policy_search_params,
    sample_ddpg_params,
    sample_genetic_params,
)
from sb3_ext.zoo import ALGORITHMS, register

NOISES = {"normal": NormalActionNoise, "ornstein-uhlenbeck": OrnsteinUhlenbeckActionNoise}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "ddpg_ext": ("MlpPolicy", "Pendulum-v1", {"buffer_size": 1000}),
    "dueling_dqn": ("MlpPolicy", "CartPole-v1", {"buffer_size": 1000}),
    "reinforce": ("MlpPolicy", "Pendulum-v1", {}),
    "q_learning": ("TablePolicy", "ThreeStateMDP-v0", {}),
    "genetic": ("MlpPolicy", "CartPole-v1", {}),
    "policy_search": ("MlpPolicy", "CartPole-v1", {}),
    "ppo_penalty": ("MlpPolicy", "Pendulum-v1", {}),
    "ppo_fast": ("MlpPolicy", "Pendulum-v1", {}),
    "a3c": ("MlpPolicy", "Pendulum-v1", {}),
    "crossq": ("MlpPolicy", "Pendulum-v1", {"buffer_size": 1000}),
}
DDPG = {
    "one_minus_gamma": 0.02,
    "learning_rate": 1e-4,
    "critic_lr_ratio": 10.0,
    "batch_size_pow": 6,
    "train_freq": 8,
    "subsample_steps": 3,
    "tau": 0.01,
    "learning_starts": 500,
    "noise_type": "normal",
    "noise_std": 0.25,
    "net_arch": "big",
    "squash": "sigmoid",
    "final_init": 3e-3,
    "initial_action": -0.5,
    "invert_gradients": True,
    "critic_loss": "huber",
    "critic_weight_decay": 1e-2,
}
GENETIC = {
    "population_size": 40,
    "survivor_fraction": 0.26,
    "mutation_std": 0.05,
    "mutation_decays": True,
    "n_eval_episodes": 3,
    "net_arch": "tiny",
    "activation_fn": "elu",
}


def test_every_algorithm_has_a_space() -> None:
    assert set(ALGORITHMS) | {"crossq"} == set(SEARCH_SPACES) == set(MODELS)


@pytest.mark.filterwarnings("error:You have specified a mini-batch size")
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_envs", [1, 8])
@pytest.mark.parametrize("key", SEARCH_SPACES)
def test_every_sample_is_a_model_and_is_rebuilt(key: str, n_envs: int, seed: int) -> None:
    register()
    sample, convert = SEARCH_SPACES[key]
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    arguments = sample(trial, 1, n_envs, {})
    raw = dict(trial.params)
    rebuilt = convert(raw)
    assert raw == trial.params, "a converter leaves its argument as it is"
    if "action_noise" in arguments:
        noise, kind, std = arguments["action_noise"], rebuilt.pop("noise_type"), rebuilt.pop("noise_std")
        assert type(noise) is NOISES[kind]
        np.testing.assert_array_equal(noise._sigma, [std])
        rebuilt["action_noise"] = noise
    assert rebuilt == arguments
    noted = {name: value for name, value in arguments.items() if name not in raw and isinstance(value, int | float)}
    assert trial.user_attrs == noted

    if key in ("ppo_penalty", "ppo_fast"):
        # The model below has one environment
        arguments["n_steps"] *= n_envs
        assert arguments["batch_size"] <= arguments["n_steps"]
    policy, env_id, more = MODELS[key]
    model = ALGOS[key](policy, env_id, device="cpu", **more, **arguments)
    for name in {"gamma", "n_survivors", "target_kl", "batch_size"} & set(arguments):
        assert getattr(model, name) == arguments[name]
    assert arguments.get("n_episodes", 0) % n_envs == 0, "the fewest steps are wasted"


def test_ddpg_by_hand() -> None:
    params = sample_ddpg_params(optuna.trial.FixedTrial(DDPG), 2, 1, {})  # type: ignore[arg-type]
    noise = params.pop("action_noise")
    assert isinstance(noise, NormalActionNoise)
    np.testing.assert_array_equal(noise._sigma, [0.25, 0.25])
    assert params == {
        "gamma": 0.98,
        "learning_rate": 1e-4,
        "critic_learning_rate": pytest.approx(1e-3),
        "batch_size": 64,
        "train_freq": 8,
        "gradient_steps": 2,
        "tau": 0.01,
        "learning_starts": 500,
        "policy_kwargs": {
            "net_arch": [400, 300],
            "squash": "sigmoid",
            "final_init": 3e-3,
            "initial_action": -0.5,
            "invert_gradients": True,
        },
        "critic_loss": "huber",
        "critic_weight_decay": 1e-2,
    }
    assert convert_ddpg_params({**DDPG, "train_freq": 1, "subsample_steps": 4})["gradient_steps"] == 1
    older = {name: value for name, value in DDPG.items() if name != "invert_gradients"}
    assert convert_ddpg_params(older)["policy_kwargs"]["invert_gradients"] is False


def test_genetic_by_hand() -> None:
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


def test_policy_search_by_hand() -> None:
    raw = {"strategy": "one-point crossover", "noise_std": 0.3, "net_arch": "linear", "activation_fn": "tanh"}
    assert convert_policy_search_params(raw) == {
        "strategy": "genetic",
        "strategy_kwargs": {"mutation_std": 0.3, "crossover": "one_point"},
        "policy_kwargs": {"net_arch": [], "activation_fn": nn.Tanh},
    }
    for strategy, name in (("hill_climbing", "noise_std"), ("cross_entropy", "extra_std"), ("genetic", "mutation_std")):
        params = convert_policy_search_params({**raw, "strategy": strategy})
        assert (params["strategy"], params["strategy_kwargs"]) == (strategy, {name: 0.3})
