"""Algorithms learn the same from frames stored once, on images of games too."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from ale_py.vector_env import AtariVectorEnv
from frame_samples import ACTIONS, assert_same_samples, image_space
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.vec_env import GymnasiumVecEnv


class Dots(gym.Env):
    """Random dots move over an image of its own per step; episodes end in both ways."""

    def __init__(self, channels_last: bool = True, dtype: Any = np.uint8) -> None:
        shape = (36, 36, 1) if channels_last else (1, 36, 36)
        self.observation_space = spaces.Box(0, 255, shape, dtype)
        self.action_space = spaces.Discrete(3)

    def _observe(self) -> np.ndarray:
        image = self.np_random.integers(0, 256, self.observation_space.shape)
        return image.astype(self.observation_space.dtype)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        chance = self.np_random.random()
        return self._observe(), self.np_random.normal() + action, chance < 0.06, chance > 0.96, {}


class Flat(gym.ObservationWrapper):
    """Images without a channel axis, as Gymnasium stacks them."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.observation_space = spaces.Box(0, 255, (36, 36), np.uint8)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return observation[..., 0]


def stacked(name: str, n_envs: int) -> VecEnv:
    if name == "gymnasium":
        return make_vec_env(lambda: FrameStackObservation(Flat(Dots()), 4), n_envs=n_envs, seed=0)
    return VecFrameStack(make_vec_env(Dots, n_envs=n_envs, seed=0), 4)


@pytest.mark.parametrize(
    ("algorithm", "name", "n_envs", "n_steps"),
    [(DQN, "sb3", 2, 1), (DQN, "gymnasium", 1, 3), (QRDQN, "gymnasium", 1, 1), (QRDQN, "sb3", 2, 3)],
)
def test_upstream_learns_the_same_with_it(algorithm: Any, name: str, n_envs: int, n_steps: int) -> None:
    kwargs = {"n_steps": 3, "gamma": 0.9} if n_steps > 1 else {}
    trained = []
    for buffer_class in (NStepReplayBuffer if n_steps > 1 else ReplayBuffer, FrameReplayBuffer):
        model = algorithm(
            "CnnPolicy",
            stacked(name, n_envs),
            replay_buffer_class=buffer_class,
            replay_buffer_kwargs=kwargs,
            policy_kwargs={"features_extractor_kwargs": {"features_dim": 8}},
            buffer_size=90,
            learning_starts=40,
            train_freq=10,
            target_update_interval=30,
            batch_size=8,
            seed=3,
            device="cpu",
        )
        model.learn(100)
        model.learn(100)
        trained.append(th.nn.utils.parameters_to_vector(model.policy.parameters()))
    assert th.equal(*trained)
    assert (model.replay_buffer.timeouts == 1).any()


def test_saved_with_a_model_and_loaded(tmp_path: Path) -> None:
    model = DQN("CnnPolicy", stacked("sb3", 2), replay_buffer_class=FrameReplayBuffer, buffer_size=50, device="cpu")
    model.learn(60)
    model.save_replay_buffer(tmp_path / "buffer")
    before = model.replay_buffer
    model.load_replay_buffer(tmp_path / "buffer")
    assert model.replay_buffer is not before
    assert_same_samples(before, model.replay_buffer)
    model.learn(60)
    assert model.replay_buffer.full


class Both(ReplayBuffer):
    """Hands everything to a frame buffer too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames = FrameReplayBuffer(*args, **kwargs)

    def add(self, *args: Any) -> None:
        super().add(*args)
        self.frames.add(*args)


def collect(env: VecEnv, steps: int) -> DQN:
    model = DQN(
        "CnnPolicy", env, replay_buffer_class=Both, buffer_size=300, learning_starts=10**6, seed=0, device="cpu"
    )
    return model.learn(steps)


@pytest.mark.parametrize("name", ["stacked by SB3", "stacked by ALE"])
def test_samples_equal_upstream_on_ms_pacman(name: str) -> None:
    if name == "stacked by ALE":
        env: VecEnv = GymnasiumVecEnv(AtariVectorEnv("ms_pacman", 2, num_threads=1, max_num_frames_per_episode=400))
    else:
        env = VecFrameStack(make_vec_env("MsPacmanPreprocessed-v0", n_envs=2, seed=0), 4)
    both = collect(env, 600).replay_buffer
    assert both.full and both.dones.any() and both.observations.std() > 10
    assert_same_samples(both, both.frames, 600)
    env.close()


def test_rewards_may_be_normalised() -> None:
    env = VecNormalize(VecTransposeImage(stacked("sb3", 2)), norm_obs=False)
    both = collect(env, 200).replay_buffer
    assert_same_samples(both, both.frames, env=env)


def test_float_images_may_be_normalised_by_the_sample() -> None:
    env = VecNormalize(make_vec_env(lambda: Dots(False, np.float32), n_envs=2, seed=0))
    upstream, ours = (
        cls(50, image_space(1, (36, 36), np.float32), ACTIONS, "cpu", n_envs=2)
        for cls in (ReplayBuffer, FrameReplayBuffer)
    )
    env.reset()
    previous = env.get_original_obs()
    for _ in range(40):
        _, _, dones, infos = env.step(np.zeros(2, int))
        following = env.get_original_obs()
        for buffer in (upstream, ours):
            buffer.add(previous, following, np.zeros(2), env.get_original_reward(), dones, infos)
        previous = following
    assert_same_samples(upstream, ours, env=env)
    assert ours.sample(20, env).observations.abs().max() < 10
