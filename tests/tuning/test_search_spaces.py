from typing import Any

import gymnasium
import numpy as np
import optuna
import pytest
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise

import sb3_ext
from sb3_ext.tuning.search_spaces import convert_ddpg_params, sample_ddpg_params

ADDITIONAL_ARGS = {"using_her_replay_buffer": False, "her_kwargs": {}}
RAW = {
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
    "critic_loss": "huber",
    "critic_weight_decay": 1e-2,
}


def sampled(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    return sample_ddpg_params(trial, 3, 1, ADDITIONAL_ARGS), trial.params


def test_sampler_by_hand() -> None:
    params = sample_ddpg_params(optuna.trial.FixedTrial(RAW), 2, 1, ADDITIONAL_ARGS)  # type: ignore[arg-type]
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
        "policy_kwargs": {"net_arch": [400, 300], "squash": "sigmoid", "final_init": 3e-3, "initial_action": -0.5},
        "critic_loss": "huber",
        "critic_weight_decay": 1e-2,
    }


@pytest.mark.parametrize("seed", range(20))
def test_converter_rebuilds_what_the_sampler_returned(seed: int) -> None:
    hyperparams, params = sampled(seed)
    converted = convert_ddpg_params(params)
    noise = hyperparams.pop("action_noise")
    noise_class = {"normal": NormalActionNoise, "ornstein-uhlenbeck": OrnsteinUhlenbeckActionNoise}
    assert type(noise) is noise_class[converted.pop("noise_type")]
    np.testing.assert_array_equal(noise._sigma, np.full(3, converted.pop("noise_std")))
    assert converted == hyperparams


def test_converter_does_not_change_its_argument() -> None:
    params = dict(RAW)
    convert_ddpg_params(params)
    assert params == RAW


def test_at_least_one_gradient_step() -> None:
    assert convert_ddpg_params({**RAW, "train_freq": 1, "subsample_steps": 4})["gradient_steps"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_every_sample_constructs(seed: int) -> None:
    hyperparams, _ = sampled(seed)
    env = gymnasium.make("AdSpend-v0")
    model = sb3_ext.DDPG("MlpPolicy", env, buffer_size=10, **hyperparams)
    assert model.gamma == hyperparams["gamma"]
