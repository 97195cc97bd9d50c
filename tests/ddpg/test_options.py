"""Every option runs; models survive saving and loading; seeds reproduce runs."""

import copy
import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import (
    assert_equal_state,
    assert_seeded_runs_equal,
    assert_survives_save_and_load,
    hyperparameters,
    save_and_load,
    seeded,
    train_seeded,
)
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv, FakeImageEnv, IdentityEnvBox, SimpleMultiObsEnv
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise, VectorizedActionNoise
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.her import HerReplayBuffer
from torch import nn

from sb3_ext.ddpg import DDPG, DDPGPolicy
from sb3_ext.replay.transitions import TransitionReplayBuffer

ZERO, SIGMA = np.zeros(1), np.full(1, 0.3)
NORMAL = NormalActionNoise(ZERO, SIGMA)
OU = OrnsteinUhlenbeckActionNoise(ZERO, SIGMA, dt=1.0)


class Scaled(gym.ActionWrapper[Any, Any, Any]):
    """Actions in [0, 10] and [-4, 2], neither symmetric nor of unit range."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.action_space = spaces.Box(np.array([0, -4], np.float32), np.array([10, 2], np.float32))

    def action(self, action: np.ndarray) -> np.ndarray:
        assert self.action_space.contains(action)
        return action[:1] / 5 - 1


def identity_vec_env(n_envs: int = 1) -> VecEnv:
    return seeded(make_vec_env(lambda: IdentityEnvBox(ep_length=10), n_envs=n_envs))


def pendulum_vec_env(n_envs: int) -> VecEnv:
    """For seeded runs: IdentityEnvBox draws its states from spaces that ``reset(seed=...)`` doesn't reach."""
    return make_vec_env("Pendulum-v1", n_envs=n_envs, env_kwargs={"max_episode_steps": 10})


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int = 0, **kwargs: Any) -> DDPG:
    defaults: dict[str, Any] = {
        "learning_starts": 20,
        "batch_size": 8,
        "buffer_size": 200,
        "policy_kwargs": {"net_arch": [8, 8]},
    }
    return DDPG(policy, env or identity_vec_env(), seed=seed, device="cpu", **{**defaults, **kwargs})


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "steps": {"train_freq": (4, "step"), "gradient_steps": 2},
    "as many gradient steps": {"train_freq": 5, "gradient_steps": -1},
    "no gradient steps": {"gradient_steps": 0},
    "n-step": {"n_steps": 3, "gamma": 0.9},
    "n-step, own class": {"n_steps": 3, "replay_buffer_class": NStepReplayBuffer},
    "huber, clipping": {"critic_loss": "huber", "max_grad_norm": 0.5},
    "normal noise": {"action_noise": NORMAL},
    "OU noise": {"action_noise": OU},
    "one critic rate": {"critic_learning_rate": None},
    "schedules": {"learning_rate": lambda p: 1e-3 * p, "critic_learning_rate": "lin_2e-3"},
    "linear actor rate": {"learning_rate": "lin_0.01", "critic_learning_rate": lambda p: 1e-4 + p},
    "memory": {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
    "the paper": {
        "policy_kwargs": {"net_arch": [8, 6], "action_layer": 1, "final_init": 3e-3, "initial_action": -0.5},
        "critic_weight_decay": 1e-2,
        "tau": 0.001,
    },
    "policy": {
        "policy_kwargs": {
            "net_arch": {"pi": [4], "qf": [8, 6, 4]},
            "squash": "sigmoid",
            "action_layer": 2,
            "activation_fn": nn.Tanh,
            "optimizer_class": th.optim.RMSprop,
            "optimizer_kwargs": {"eps": 1e-4},
        }
    },
    "other": {"tau": 1.0, "gamma": 0.0, "stats_window_size": 7, "learning_starts": 0, "seed": None},
}


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("kwargs", OPTIONS.values(), ids=OPTIONS.keys())
def test_option_runs_and_survives_save_and_load(kwargs: dict[str, Any], n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(identity_vec_env(n_envs), **kwargs)
    given = {**hyperparameters(model)}
    before = copy.deepcopy(model.policy.state_dict())
    model.learn(60)
    changed = any(not th.equal(value, before[name]) for name, value in model.policy.state_dict().items())
    assert changed == (kwargs.get("gradient_steps") != 0)
    if n_envs == 1:
        assert hyperparameters(model) == given
    assert_survives_save_and_load(model, tmp_path)


def test_training_by_episodes(tmp_path: pathlib.Path) -> None:
    model = make(train_freq=(2, "episode"), gradient_steps=-1).learn(60)
    assert model._n_updates == 40  # 3 rollouts of 2 episodes of 10 steps; the first ends with the warm-up
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("normalised_images", [False, True])
def test_images(n_envs: int, normalised_images: bool, tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: FakeImageEnv(2, 36, 36, discrete=False), n_envs=n_envs)
    kwargs: dict[str, Any] = {"net_arch": [8]}
    if normalised_images:
        kwargs |= {"normalize_images": False, "features_extractor_kwargs": {"features_dim": 16}}
    given = copy.deepcopy(kwargs)
    model = make(env, "CnnPolicy", policy_kwargs=kwargs, learning_starts=8, batch_size=4).learn(12)
    assert kwargs == given
    assert_survives_save_and_load(model, tmp_path)
    save_and_load(model, tmp_path, policy_kwargs=given)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("n_steps", [1, 3])
def test_dict_observations(n_steps: int, n_envs: int, tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: SimpleMultiObsEnv(discrete_actions=False), n_envs=n_envs)
    model = make(env, "MultiInputPolicy", n_steps=n_steps).learn(40)
    assert_survives_save_and_load(model, tmp_path)


def test_hindsight_replay_buffer(tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: BitFlippingEnv(n_bits=3, continuous=True))
    model = make(env, "MultiInputPolicy", replay_buffer_class=HerReplayBuffer).learn(40)
    assert isinstance(model.replay_buffer, HerReplayBuffer) and model._n_updates == 20
    assert_survives_save_and_load(model, tmp_path, env)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_vec_normalize_feeds_normalised_batches(n_envs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    env = VecNormalize(make_vec_env(lambda: IdentityEnvBox(5, 9, ep_length=10), n_envs=n_envs))
    model = make(env).learn(60)
    seen: list[th.Tensor] = []
    update = model._run_update
    monkeypatch.setattr(model, "_run_update", lambda batch: seen.append(batch.observations) or update(batch))
    model.train(1, 256)
    assert model.replay_buffer is not None and model.replay_buffer.observations[:20].min() >= 5
    assert abs(seen[0].mean()) < 0.5


def test_actions_cover_the_bounds_of_the_space() -> None:
    model = make(Scaled(IdentityEnvBox(ep_length=10)), action_noise=NormalActionNoise(np.zeros(2), np.ones(2)))
    model.learn(40)
    for value, expected in ((100.0, [10, 2]), (-100.0, [0, -4]), (0.0, [5, -1])):
        for parameter in model.actor.parameters():
            nn.init.zeros_(parameter)
        nn.init.constant_(model.actor.mu[-2].bias, value)
        np.testing.assert_allclose(model.predict(np.zeros(1))[0], expected, atol=1e-5)


@pytest.mark.parametrize("kwargs", [{"n_steps": 3}, {"action_noise": OU}], ids=["n-step", "OU noise"])
@pytest.mark.parametrize("n_envs", [1, 2])
def test_seeded_runs_equal(n_envs: int, kwargs: dict[str, Any]) -> None:
    assert_seeded_runs_equal(
        lambda seed: make(pendulum_vec_env(n_envs), seed=seed, **copy.deepcopy(kwargs)), total_timesteps=60
    )


def test_training_continues_after_load_as_if_never_saved(tmp_path: pathlib.Path) -> None:
    model = make(critic_weight_decay=0.1, critic_learning_rate="lin_0.1").learn(60)
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = save_and_load(model, tmp_path, identity_vec_env())
    loaded.load_replay_buffer(tmp_path / "buffer")
    loaded.set_logger(configure(None, []))
    assert_equal_state(train_seeded(model, 5, 4, 8), train_seeded(loaded, 5, 4, 8))
    assert loaded.learn(20, reset_num_timesteps=False).num_timesteps == 80


def test_set_up_twice_changes_no_hyperparameter(tmp_path: pathlib.Path) -> None:
    for kwargs in OPTIONS.values():
        model = make(**kwargs)
        before = hyperparameters(model)
        model._setup_model()
        assert hyperparameters(model) == before


def test_the_callers_dictionaries_stay_as_they_were() -> None:
    policy_kwargs = {"net_arch": [8], "optimizer_kwargs": {"eps": 1e-5}}
    buffer_kwargs = {"handle_timeout_termination": True}
    given = copy.deepcopy((policy_kwargs, buffer_kwargs))
    model = make(policy_kwargs=policy_kwargs, replay_buffer_kwargs=buffer_kwargs, n_steps=2).learn(30)
    assert (policy_kwargs, buffer_kwargs) == given
    assert model.policy_kwargs is not policy_kwargs and model.replay_buffer_kwargs is not buffer_kwargs
    assert model.policy_kwargs == given[0] and model.replay_buffer_kwargs == given[1]


def test_replay_buffer_follows_n_steps_and_gamma_at_load(tmp_path: pathlib.Path) -> None:
    model = make(n_steps=3, gamma=0.9).learn(30)
    assert model.replay_buffer_class is None
    for changes, expected in (({"gamma": 0.5}, (3, 0.5)), ({"n_steps": 5}, (5, 0.9)), ({"n_steps": 1}, (1, 0.9))):
        buffer = save_and_load(model, tmp_path, **changes).replay_buffer
        assert isinstance(buffer, TransitionReplayBuffer) and (buffer.n_steps, buffer.gamma) == expected


def test_own_n_step_class_receives_n_steps_and_gamma() -> None:
    class Mine(NStepReplayBuffer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    buffer = make(n_steps=4, gamma=0.7, replay_buffer_class=Mine).replay_buffer
    assert isinstance(buffer, Mine) and (buffer.n_steps, buffer.gamma) == (4, 0.7)
    one_step = make(replay_buffer_class=Mine).replay_buffer
    assert isinstance(one_step, Mine) and one_step.n_steps == 1


def test_loaded_replay_buffer_follows_the_model(tmp_path: pathlib.Path) -> None:
    make(n_steps=3, gamma=0.9).learn(30).save_replay_buffer(tmp_path / "three")
    make(replay_buffer_class=ReplayBuffer).learn(30).save_replay_buffer(tmp_path / "one")

    model = make(n_steps=2, gamma=0.5)
    model.load_replay_buffer(tmp_path / "three")
    loaded = model.replay_buffer
    assert isinstance(loaded, TransitionReplayBuffer) and (loaded.n_steps, loaded.gamma, loaded.pos) == (2, 0.5, 30)
    with pytest.raises(ValueError, match="n_steps=2 but the ReplayBuffer read has no n-step"):
        model.load_replay_buffer(tmp_path / "one")
    assert model.replay_buffer is loaded
    with pytest.raises(ValueError, match="1 environments but the model has 2"):
        make(identity_vec_env(2)).load_replay_buffer(tmp_path / "one")
    with pytest.raises(ValueError, match=r"The replay buffer has the observation_space Box.*the model Box"):
        make(pendulum_vec_env(1)).load_replay_buffer(tmp_path / "one")


@pytest.mark.parametrize("n_envs", [1, 2])
def test_noise_follows_the_number_of_environments_at_load(n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(identity_vec_env(4), action_noise=NORMAL).learn(60)
    loaded = save_and_load(model, tmp_path, identity_vec_env(n_envs)).learn(60)
    noise = loaded.action_noise
    if n_envs == 1:
        assert isinstance(noise, NormalActionNoise)
    else:
        assert isinstance(noise, VectorizedActionNoise) and noise.n_envs == n_envs


def test_rates_and_weight_decay_can_change_at_load(tmp_path: pathlib.Path) -> None:
    model = make(critic_weight_decay=0.1).learn(30)
    changes = {"learning_rate": 5e-4, "critic_learning_rate": "lin_1e-2", "critic_weight_decay": 0.0}
    loaded = save_and_load(model, tmp_path, identity_vec_env(), **changes)
    loaded.learn(30)
    assert loaded.actor.optimizer.param_groups[0]["lr"] == 5e-4
    critic = loaded.critic.optimizer.param_groups[0]
    assert critic["lr"] == pytest.approx(1e-2 * loaded._current_progress_remaining)
    assert critic["weight_decay"] == 0.0


def test_policy_alone_survives_save_and_load(tmp_path: pathlib.Path) -> None:
    policy = make(policy_kwargs={"net_arch": [8, 4], "squash": "sigmoid", "action_layer": 1}).policy
    policy.save(str(tmp_path / "policy"))
    loaded = DDPGPolicy.load(str(tmp_path / "policy"), device="cpu")
    assert_equal_state(policy.state_dict(), loaded.state_dict())
    assert loaded.predict(np.zeros(1))[0] == policy.predict(np.zeros(1))[0]


def test_tensorboard_keys(tmp_path: pathlib.Path) -> None:
    model = make(learning_rate=1e-3, critic_learning_rate=lambda p: 1e-2 * p)
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard"]))
    model.learn(60, log_interval=1)
    header, *_, last = (tmp_path / "progress.csv").read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    expected = {"train/learning_rate", "train/critic_learning_rate", "train/actor_loss", "train/critic_loss"}
    expected |= {"train/n_updates", "rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps", "time/total_timesteps"}
    assert expected <= row.keys()
    assert float(row["train/learning_rate"]) == 1e-3
    # The last row is written at step 60, before its update: rates and counts are those of step 59
    assert float(row["train/critic_learning_rate"]) == pytest.approx(1e-2 / 60)
    assert float(row["train/n_updates"]) == 39
    assert list(tmp_path.glob("events.out.tfevents*"))
