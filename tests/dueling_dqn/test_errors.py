"""Bad arguments are refused at the door, in one line that says what was given and what is allowed."""

import pathlib
from typing import Any

import numpy as np
import pytest
import torch as th
from dueling_dqn_case import make
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import FakeImageEnv, IdentityEnv
from stable_baselines3.common.save_util import save_to_pkl
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize, VecTransposeImage
from stable_baselines3.dqn import MlpPolicy as PlainPolicy
from stable_baselines3.her import HerReplayBuffer

from sb3_ext import DuelingDQN
from sb3_ext.dueling_dqn import Convolutions
from sb3_ext.replay.frames import FrameReplayBuffer


def test_exponential_exploration_ends_above_zero() -> None:
    with pytest.raises(ValueError, match=r"from 1.0 to 0.0 needs both above 0"):
        make(exploration_decay="exponential", exploration_final_eps=0.0)


@pytest.mark.parametrize(("name", "value"), [("alpha", -0.1), ("alpha", 1.5), ("beta", 2.0), ("epsilon", 0.0)])
def test_bad_priorities(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value} is not valid"):
        make(prioritized_replay=True, replay_buffer_kwargs={name: value})


def test_contradictions() -> None:
    with pytest.raises(ValueError, match=r"optimize_memory_usage=True is not valid.*FrameReplayBuffer"):
        make(optimize_memory_usage=True, prioritized_replay=True)
    with pytest.raises(ValueError, match=r"buffer_size=7 is not valid.*n_steps \* n_envs = 8"):
        make(make_vec_env(lambda: IdentityEnv(dim=2), n_envs=2), n_steps=4, buffer_size=7)
    with pytest.raises(ValueError, match=r"HerReplayBuffer has no prioritized variant"):
        make(prioritized_replay=True, replay_buffer_class=HerReplayBuffer)
    with pytest.raises(ValueError, match=r"dueling=True is not valid.*DuelingPolicy, not DQNPolicy"):
        make(policy=PlainPolicy)


@pytest.mark.parametrize("net_arch", [[0], [8.0], "64", {"pi": [8]}])
def test_bad_net_arch(net_arch: Any) -> None:
    with pytest.raises(ValueError, match=r"net_arch=.* is not valid"):
        make(policy_kwargs={"net_arch": net_arch})


def test_images_must_be_images() -> None:
    with pytest.raises(ValueError, match="three-dimensional image"):
        make("CartPole-v1", "CnnPolicy", policy_kwargs={})
    for layers in ([], [(8, 5)], [(8, 5, 0)], [(-8, 5, 1)]):
        with pytest.raises(ValueError, match=r"layers=.* is not valid"):
            make(FakeImageEnv(2, 36, 36), "CnnPolicy", policy_kwargs={"features_extractor_kwargs": {"layers": layers}})
    with pytest.raises(ValueError, match="do not fit into an image"):
        make(FakeImageEnv(2, 20, 20), "CnnPolicy", policy_kwargs={})
    with pytest.raises(ValueError, match="normalize_images=False"):
        Convolutions(spaces.Box(-1, 1, (40, 40, 1), np.float32))


def test_a_diverged_network_is_no_bad_trial() -> None:
    model = make("CartPole-v1", learning_starts=10)
    model.learn(12)
    for parameter in model.q_net.parameters():
        parameter.data.fill_(th.nan)
    with pytest.raises(RuntimeError, match="loss nan after"):
        model.train(1, 8)


def test_buffer_of_other_observations(tmp_path: pathlib.Path) -> None:
    make("CartPole-v1", prioritized_replay=True).save_replay_buffer(tmp_path / "buffer")
    model = make("MountainCar-v0", prioritized_replay=True)
    with pytest.raises(ValueError, match=r"has the observation_space Box.*the model Box"):
        model.load_replay_buffer(tmp_path / "buffer")


def stacked(channels: int = 1, n_stack: int = 4) -> VecFrameStack:
    return VecFrameStack(make_vec_env(lambda: FakeImageEnv(2, 36, 36, n_channels=channels)), n_stack)


def make_frames(env: Any, **kwargs: Any) -> DuelingDQN:
    return make(env, "CnnPolicy", policy_kwargs={}, replay_buffer_class=FrameReplayBuffer, **kwargs)


def test_frames_are_those_the_environment_stacks() -> None:
    for channels, kwargs in ((1, {"n_stack": 2}), (3, {})):
        with pytest.raises(ValueError, match=r"the environment stacks 4 frames; pass .*n_stack=4"):
            make_frames(stacked(channels), replay_buffer_kwargs=kwargs)
    make_frames(stacked(3), replay_buffer_kwargs={"n_stack": 4})


def test_frames_of_another_stack_of_the_same_shape(tmp_path: pathlib.Path) -> None:
    make_frames(stacked(1, 4)).save_replay_buffer(tmp_path / "buffer")
    model = make_frames(stacked(2, 2), replay_buffer_kwargs={"n_stack": 2})
    own = model.replay_buffer
    with pytest.raises(ValueError, match="n_stack=4 is not valid, as the environment stacks 2 frames"):
        model.load_replay_buffer(tmp_path / "buffer")
    assert model.replay_buffer is own
    model.set_env(stacked(1, 4))
    with pytest.raises(ValueError, match="n_stack=2 is not valid, as the environment stacks 4 frames"):
        model.learn(10)


def test_frames_are_not_normalised() -> None:
    def normalised(norm_obs: bool) -> VecNormalize:
        return VecNormalize(VecTransposeImage(stacked()), norm_obs=norm_obs)

    with pytest.raises(ValueError, match="pass it norm_obs=False"):
        make(normalised(True), replay_buffer_class=FrameReplayBuffer)
    make(normalised(False), replay_buffer_class=FrameReplayBuffer).learn(20)


def test_policy_with_another_head_than_the_algorithm() -> None:
    with pytest.raises(ValueError, match="none with another dueling than that of the algorithm, True"):
        make(policy_kwargs={"dueling": False})
    assert not make(policy_kwargs={"dueling": False}, dueling=False).policy.dueling


@pytest.mark.parametrize("prioritized", [False, True])
def test_buffer_of_the_other_kind_of_replay(prioritized: bool, tmp_path: pathlib.Path) -> None:
    make(prioritized_replay=prioritized).save_replay_buffer(tmp_path / "buffer")
    model = make(prioritized_replay=not prioritized)
    own = model.replay_buffer
    with pytest.raises(ValueError, match="with the prioritized replay it was saved with"):
        model.load_replay_buffer(tmp_path / "buffer")
    assert model.replay_buffer is own


def test_buffer_without_room_for_a_return(tmp_path: pathlib.Path) -> None:
    make(buffer_size=4).save_replay_buffer(tmp_path / "buffer")
    with pytest.raises(ValueError, match=r"room for 4 transitions .* fewer than n_steps=5"):
        make(n_steps=5).load_replay_buffer(tmp_path / "buffer")
    with pytest.raises(ValueError, match=r"buffer_size=1 is not valid; to learn with n_steps=3"):
        make(buffer_size=1, n_steps=3).learn(10)


def test_file_without_a_buffer(tmp_path: pathlib.Path) -> None:
    save_to_pkl(tmp_path / "no_buffer", {"observations": 1})
    model = make()
    own = model.replay_buffer
    with pytest.raises(AssertionError, match="must inherit from ReplayBuffer"):
        model.load_replay_buffer(tmp_path / "no_buffer")
    assert model.replay_buffer is own
