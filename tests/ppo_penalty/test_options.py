"""Every option runs; models survive saving and loading; seeds reproduce runs."""

import copy
import pathlib
from typing import Any

import pytest
import torch as th
from algorithm_battery import (
    assert_equal_state,
    assert_seeded_runs_equal,
    assert_survives_save_and_load,
    hyperparameters,
    save_and_load,
    seeded,
)
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import (
    FakeImageEnv,
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
    SimpleMultiObsEnv,
)
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ext.ppo_penalty import PPOPenalty


def identity_vec_env(n_envs: int = 1, box: bool = False) -> VecEnv:
    make_env = (lambda: IdentityEnvBox(ep_length=5)) if box else (lambda: IdentityEnv(3, ep_length=5))
    return seeded(make_vec_env(make_env, n_envs=n_envs))


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> PPOPenalty:
    defaults: dict[str, Any] = {"n_steps": 8, "batch_size": 4, "n_epochs": 2, "policy_kwargs": {"net_arch": [8]}}
    return PPOPenalty(policy, env or identity_vec_env(), seed=seed, device="cpu", **{**defaults, **kwargs})


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "penalty": {"target_kl": 0.1, "initial_beta": 3.0},
    "weights": {"ent_coef": 0.1, "vf_coef": 0.1, "max_grad_norm": 0.1, "normalize_advantage": False},
    "batches": {"n_steps": 7, "batch_size": 3, "n_epochs": 1, "gamma": 0.0, "gae_lambda": 1.0},
    "schedule": {"learning_rate": lambda p: 1e-3 * p},
    "other": {"stats_window_size": 7, "seed": None, "rollout_buffer_class": RolloutBuffer},
}
BOX_OPTIONS: dict[str, dict[str, Any]] = {
    "Gaussian": {},
    "gSDE": {"use_sde": True},
    "gSDE, squashed": {"use_sde": True, "sde_sample_freq": 2, "policy_kwargs": {"squash_output": True}},
}
CASES = [(False, kwargs) for kwargs in OPTIONS.values()] + [(True, kwargs) for kwargs in BOX_OPTIONS.values()]


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize(("box", "kwargs"), CASES, ids=[*OPTIONS, *BOX_OPTIONS])
def test_option_runs_and_survives_save_and_load(
    box: bool, kwargs: dict[str, Any], n_envs: int, tmp_path: pathlib.Path
) -> None:
    model = make(identity_vec_env(n_envs, box), **kwargs)
    given = hyperparameters(model)
    before = copy.deepcopy(model.policy.state_dict())
    model.learn(40)
    assert any(not th.equal(value, before[name]) for name, value in model.policy.state_dict().items())
    assert hyperparameters(model) == given
    assert model.beta != model.initial_beta
    assert_survives_save_and_load(model, tmp_path)
    assert save_and_load(model, tmp_path).beta == model.beta


@pytest.mark.parametrize(
    ("make_env", "policy"),
    [
        (lambda: IdentityEnvMultiDiscrete(3, 5), "MlpPolicy"),
        (lambda: IdentityEnvMultiBinary(3, 5), "MlpPolicy"),
        (lambda: FakeImageEnv(2, 36, 36), "CnnPolicy"),
        (SimpleMultiObsEnv, "MultiInputPolicy"),
    ],
    ids=["MultiDiscrete", "MultiBinary", "images", "dictionary"],
)
def test_spaces(make_env: Any, policy: str, tmp_path: pathlib.Path) -> None:
    model = make(make_vec_env(make_env, n_envs=2), policy).learn(20)
    assert_survives_save_and_load(model, tmp_path)


def test_vec_normalize() -> None:
    model = make(VecNormalize(identity_vec_env(2, box=True))).learn(40)
    assert abs(model.rollout_buffer.observations).max() < 10


@pytest.mark.parametrize("n_envs", [1, 3])
def test_seeded_runs_equal(n_envs: int) -> None:
    assert_seeded_runs_equal(lambda seed: make(make_vec_env("CartPole-v1", n_envs=n_envs), seed=seed), 60)


def test_training_continues_after_load_as_if_never_saved(tmp_path: pathlib.Path) -> None:
    def more(model: PPOPenalty) -> dict[str, Any]:
        model.set_env(make_vec_env("CartPole-v1", seed=1))
        model.set_random_seed(1)
        return model.learn(40, reset_num_timesteps=False).get_parameters()

    model = make(make_vec_env("CartPole-v1")).learn(40)
    loaded = save_and_load(model, tmp_path, make_vec_env("CartPole-v1"))
    assert (loaded._n_updates, loaded.num_timesteps) == (model._n_updates, model.num_timesteps)
    assert_equal_state(more(model), more(loaded))
    assert loaded.beta == model.beta


def test_hyperparameters_can_change_at_load(tmp_path: pathlib.Path) -> None:
    loaded = save_and_load(make(), tmp_path, identity_vec_env(), target_kl=0.5, beta=7.0)
    loaded.learn(8)
    assert (loaded.target_kl, loaded.beta) == (0.5, 3.5)


def test_old_policy_is_not_saved(tmp_path: pathlib.Path) -> None:
    model = make().learn(8)
    model.save(tmp_path / "model")
    assert save_and_load(model, tmp_path)._old_policy is not model._old_policy
    assert set(model.get_parameters()) == {"policy", "policy.optimizer"}
    assert "_old_policy" in model._excluded_save_params()


def test_the_callers_dictionary_stays_as_it_was() -> None:
    policy_kwargs = {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}}
    given = copy.deepcopy(policy_kwargs)
    model = make(policy_kwargs=policy_kwargs).learn(8)
    assert policy_kwargs == given == model.policy_kwargs and model.policy_kwargs is not policy_kwargs


def test_logged_keys(tmp_path: pathlib.Path) -> None:
    model = make(identity_vec_env(2, box=True))
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(48)
    header, *_, last = (tmp_path / "progress.csv").read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    names = "kl beta policy_loss value_loss entropy_loss explained_variance learning_rate n_updates std".split()
    assert {f"train/{name}" for name in names} <= row.keys()
    # The last row is written at step 48, before its update: it tells of the second of two adaptations so far
    assert float(row["train/beta"]) in (0.5, 1.0, 2.0)
    assert float(row["train/n_updates"]) == 4
