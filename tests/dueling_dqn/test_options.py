"""Every option runs; models survive saving and loading; seeds reproduce runs."""

import copy
import pathlib
from typing import Any

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
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv, FakeImageEnv, IdentityEnv, SimpleMultiObsEnv
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize
from stable_baselines3.dqn import MlpPolicy as PlainPolicy
from stable_baselines3.her import HerReplayBuffer

from sb3_ext import DuelingDQN
from sb3_ext.dueling_dqn import Convolutions, DuelingPolicy
from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedFrameReplayBuffer, PrioritizedReplayBuffer


def identity_vec_env(n_envs: int = 1) -> VecEnv:
    return seeded(make_vec_env(lambda: IdentityEnv(dim=3, ep_length=10), n_envs=n_envs))


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> DuelingDQN:
    defaults: dict[str, Any] = {
        "learning_starts": 20,
        "batch_size": 8,
        "buffer_size": 200,
        "target_update_interval": 10,
        "policy_kwargs": {"net_arch": [8, 8]},
    }
    return DuelingDQN(policy, env or identity_vec_env(), seed=seed, device="cpu", **{**defaults, **kwargs})


def half(progress_remaining: float) -> float:
    return 0.5


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "plain": {"dueling": False, "double_q": False},
    "only dueling": {"double_q": False},
    "only double": {"dueling": False},
    "n-step": {"n_steps": 3, "gamma": 0.9},
    "n-step, SB3's buffer": {"n_steps": 3, "replay_buffer_class": NStepReplayBuffer},
    "prioritized": {"prioritized_replay": True},
    "everything": {"prioritized_replay": True, "n_steps": 3, "loss": "mse", "max_grad_norm": None, "tau": 0.1},
    "prioritized, arguments": {
        "prioritized_replay": True,
        "replay_buffer_kwargs": {"alpha": 0.3, "beta": half, "epsilon": 0.01},
    },
    "steps": {"train_freq": (4, "step"), "gradient_steps": 2},
    "as many gradient steps": {"train_freq": 5, "gradient_steps": -1},
    "no gradient steps": {"gradient_steps": 0},
    "soft target": {"tau": 0.01, "target_update_interval": 1},
    "exponential exploration": {"exploration_decay": "exponential", "exploration_fraction": 0.8},
    "own exploration": {"exploration_decay": half},
    "schedule": {"learning_rate": "lin_0.01"},
    "memory": {"optimize_memory_usage": True, "replay_buffer_kwargs": {"handle_timeout_termination": False}},
    "SB3's policy": {"policy": PlainPolicy, "dueling": False},
    "policy": {
        "policy_kwargs": {"net_arch": [], "optimizer_class": th.optim.RMSprop, "optimizer_kwargs": {"eps": 1e-4}}
    },
    "other": {"gamma": 0.0, "stats_window_size": 7, "learning_starts": 0, "seed": None},
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
    assert hyperparameters(model) == given
    assert_survives_save_and_load(model, tmp_path)


def test_set_up_twice_changes_no_hyperparameter() -> None:
    for kwargs in OPTIONS.values():
        model = make(**kwargs)
        before = hyperparameters(model)
        model._setup_model()
        assert hyperparameters(model) == before


def test_training_by_episodes(tmp_path: pathlib.Path) -> None:
    model = make(train_freq=(2, "episode"), gradient_steps=-1).learn(60)
    assert model._n_updates == 40  # 3 rollouts of 2 episodes of 10 steps; the first ends with the warm-up
    assert_survives_save_and_load(model, tmp_path)


IMAGES: dict[str, dict[str, Any]] = {
    "default": {},
    "small": {"features_extractor_kwargs": {"layers": [[8, 5, 5], [8, 3, 2]]}, "net_arch": [16]},
    "floats": {"normalize_images": False},
}


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("kwargs", IMAGES.values(), ids=IMAGES.keys())
def test_images(n_envs: int, kwargs: dict[str, Any], tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: FakeImageEnv(2, 36, 40), n_envs=n_envs)
    given = copy.deepcopy(kwargs)
    model = make(env, "CnnPolicy", policy_kwargs=kwargs, learning_starts=8, batch_size=4).learn(16)
    assert kwargs == given and model._n_updates > 0
    assert isinstance(model.q_net.features_extractor, Convolutions)
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("prioritized", [False, True])
def test_frames_are_stored_once(n_envs: int, prioritized: bool, tmp_path: pathlib.Path) -> None:
    env = VecFrameStack(make_vec_env(lambda: FakeImageEnv(2, 36, 36, n_channels=1), n_envs=n_envs), 4)
    options: dict[str, Any] = {
        "prioritized_replay": prioritized,
        "n_steps": 2,
        "replay_buffer_class": FrameReplayBuffer,
    }
    model = make(env, "CnnPolicy", policy_kwargs={}, learning_starts=8, batch_size=4, **options).learn(40)
    assert isinstance(model.replay_buffer, PrioritizedFrameReplayBuffer if prioritized else FrameReplayBuffer)
    assert model._n_updates > 0
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("options", [{}, {"prioritized_replay": True, "n_steps": 3}], ids=["uniform", "prioritized"])
def test_dict_observations(n_envs: int, options: dict[str, Any], tmp_path: pathlib.Path) -> None:
    env = make_vec_env(SimpleMultiObsEnv, n_envs=n_envs)
    model = make(env, "MultiInputPolicy", **options).learn(40)
    assert_survives_save_and_load(model, tmp_path)


def test_hindsight_replay_buffer(tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: BitFlippingEnv(n_bits=3))
    model = make(env, "MultiInputPolicy", replay_buffer_class=HerReplayBuffer).learn(40)
    assert isinstance(model.replay_buffer, HerReplayBuffer) and model._n_updates > 0
    assert_survives_save_and_load(model, tmp_path, env)


@pytest.mark.parametrize("prioritized", [False, True])
def test_vec_normalize_feeds_normalised_batches(prioritized: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    env = VecNormalize(make_vec_env("MountainCar-v0", n_envs=2))
    model = make(env, prioritized_replay=prioritized).learn(60)
    seen: list[Any] = []
    update = model._run_update
    monkeypatch.setattr(model, "_run_update", lambda batch: seen.append(batch) or update(batch))
    model.train(1, 256)
    assert model.replay_buffer is not None and model.replay_buffer.observations[:30, :, 1].std() < 0.01
    assert 0.3 < seen[0].observations[:, 1].std() < 3
    assert -10 <= seen[0].rewards.mean() != -1


@pytest.mark.parametrize("kwargs", [{}, {"n_steps": 3, "prioritized_replay": True}], ids=["uniform", "prioritized"])
@pytest.mark.parametrize("n_envs", [1, 2])
def test_seeded_runs_equal(n_envs: int, kwargs: dict[str, Any]) -> None:
    assert_seeded_runs_equal(
        lambda seed: make(make_vec_env("CartPole-v1", n_envs=n_envs), seed=seed, **kwargs), total_timesteps=120
    )


@pytest.mark.parametrize("options", [{}, {"prioritized_replay": True, "n_steps": 3}], ids=["uniform", "prioritized"])
def test_training_continues_after_load_as_if_never_saved(options: dict[str, Any], tmp_path: pathlib.Path) -> None:
    model = make(learning_rate="lin_0.1", **options).learn(60)
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = save_and_load(model, tmp_path, identity_vec_env())
    loaded.load_replay_buffer(tmp_path / "buffer")
    loaded.set_logger(configure(None, []))
    assert_equal_state(train_seeded(model, 5, 4, 8), train_seeded(loaded, 5, 4, 8))
    assert loaded.learn(20, reset_num_timesteps=False).num_timesteps == 80


def test_a_policy_of_the_user_acts_in_training() -> None:
    class Last(DuelingPolicy):
        def _predict(self, observation: Any, deterministic: bool = True) -> th.Tensor:
            return th.full((len(observation),), 2)

    model = make(identity_vec_env(2), Last, exploration_initial_eps=0.0, exploration_final_eps=0.0, learning_starts=0)
    model.learn(20)
    assert (model.replay_buffer.actions[:10] == 2).all()


@pytest.mark.parametrize("n_steps", [1, 3])
def test_without_switches_it_is_the_dqn_of_sb3(n_steps: int) -> None:
    settings: dict[str, Any] = {
        "learning_rate": 1e-3,
        "learning_starts": 50,
        "target_update_interval": 40,
        "exploration_fraction": 0.5,
        "n_steps": n_steps,
        "seed": 3,
        "device": "cpu",
    }
    theirs = DQN("MlpPolicy", "CartPole-v1", **settings).learn(400)
    unfused = {"optimizer_kwargs": {"fused": False}}
    ours = DuelingDQN(
        "MlpPolicy", "CartPole-v1", dueling=False, double_q=False, policy_kwargs=unfused, **settings
    ).learn(400)
    assert_equal_state(theirs.policy.state_dict(), ours.policy.state_dict())


def test_the_policy_serves_the_dqn_of_sb3(tmp_path: pathlib.Path) -> None:
    model = DQN(DuelingPolicy, "CartPole-v1", learning_starts=10, seed=0, device="cpu").learn(100)
    assert "advantage" in str(model.q_net)
    assert_survives_save_and_load(model, tmp_path)
    model.policy.save(str(tmp_path / "policy"))
    observation = np.zeros(4, dtype=np.float32)
    loaded = DuelingPolicy.load(str(tmp_path / "policy"))
    assert loaded.predict(observation)[0] == model.predict(observation, deterministic=True)[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, PrioritizedReplayBuffer),
        (ReplayBuffer, PrioritizedReplayBuffer),
        (FrameReplayBuffer, PrioritizedFrameReplayBuffer),
        (PrioritizedReplayBuffer, PrioritizedReplayBuffer),
    ],
)
def test_prioritized_replay_chooses_the_buffer(given: Any, expected: Any) -> None:
    env = VecFrameStack(make_vec_env(lambda: FakeImageEnv(2, 36, 36, n_channels=1)), 4)
    model = make(env, "CnnPolicy", policy_kwargs={}, replay_buffer_class=given, prioritized_replay=True)
    assert type(model.replay_buffer) is expected and model.replay_buffer_class is given


@pytest.mark.parametrize("replay_buffer_class", [None, FrameReplayBuffer])
def test_prioritized_replay_is_turned_off_alone(replay_buffer_class: Any) -> None:
    """A search turns it off under the arguments that a hyperparameter file gives."""
    env = VecFrameStack(make_vec_env(lambda: FakeImageEnv(2, 36, 36, n_channels=1)), 4)
    options = {"replay_buffer_class": replay_buffer_class, "replay_buffer_kwargs": {"alpha": 0.5, "beta": 0.4}}
    model = make(env, "CnnPolicy", policy_kwargs={}, prioritized_replay=False, **options)
    assert not isinstance(model.replay_buffer, PrioritizedReplayBuffer | PrioritizedFrameReplayBuffer)
    with pytest.raises(TypeError, match="alfa"):
        make(replay_buffer_kwargs={"alfa": 0.5})


def test_replay_buffer_follows_n_steps_and_gamma_at_load(tmp_path: pathlib.Path) -> None:
    model = make(n_steps=3, gamma=0.9, prioritized_replay=True).learn(30)
    for changes, expected in (({"gamma": 0.5}, (3, 0.5)), ({"n_steps": 5}, (5, 0.9)), ({"n_steps": 1}, (1, 0.9))):
        buffer = save_and_load(model, tmp_path, **changes).replay_buffer
        assert isinstance(buffer, PrioritizedReplayBuffer) and (buffer.n_steps, buffer.gamma) == expected


def test_number_of_environments_may_change_at_load(tmp_path: pathlib.Path) -> None:
    model = make(identity_vec_env(4), prioritized_replay=True).learn(60)
    assert save_and_load(model, tmp_path, identity_vec_env(1)).learn(60).num_timesteps == 60


class Counter(IdentityEnv[int]):
    """Rewards count the steps since the last reset."""

    def reset(self, **kwargs: Any) -> Any:
        self.steps = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        observation, _, *rest = super().step(action)
        self.steps += 1
        return observation, float(self.steps), *rest


@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("replay_buffer_class", [None, NStepReplayBuffer, PrioritizedReplayBuffer])
def test_no_return_runs_on_where_learn_resets(replay_buffer_class: Any, handled: bool, tmp_path: pathlib.Path) -> None:
    """Episodes have four steps, each run six of them: the second episode is cut after two."""
    env = make_vec_env(lambda: Counter(dim=2, ep_length=4), n_envs=2)
    kwargs: dict[str, Any] = {
        "n_steps": 3,
        "gamma": 1.0,
        "learning_starts": 100,
        "replay_buffer_class": replay_buffer_class,
        "replay_buffer_kwargs": {"handle_timeout_termination": handled},
    }
    model = make(env, train_freq=1, **kwargs).learn(12)
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = save_and_load(model, tmp_path, env)
    loaded.load_replay_buffer(tmp_path / "buffer")
    for again, reset in ((model, True), (loaded, False)):
        again.learn(8, reset_num_timesteps=reset)
        assert again.replay_buffer is not None and again.replay_buffer.pos == 10
        sample = again.replay_buffer._get_samples(np.arange(10))
        assert sample.rewards[:, 0].tolist() == [6, 9, 7, 4, 3, 2, 6, 9, 7, 4]
        # the episodes themselves end at a time limit
        assert sample.dones[:, 0].tolist() == ([0] * 10 if handled else [0, 1, 1, 1, 0, 0, 0, 1, 1, 1])


def test_returns_run_on_where_learn_does_not_reset() -> None:
    env = make_vec_env(lambda: Counter(dim=2, ep_length=4))
    model = make(env, train_freq=1, n_steps=3, gamma=1.0, learning_starts=100).learn(6)
    model.learn(2, reset_num_timesteps=False)
    assert model.replay_buffer is not None
    assert model.replay_buffer._get_samples(np.arange(8)).rewards[:, 0].tolist() == [6, 9, 7, 4, 6, 9, 7, 4]
