"""Frames stored once give the samples that SB3's buffers give, bit for bit."""

import itertools
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv, VecFrameStack, VecNormalize, VecTransposeImage

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedFrameReplayBuffer
from sb3_ext.vec_env import GymnasiumVecEnv

Transition = tuple[Any, ...]
ACTIONS = spaces.Discrete(1000)


def image_space(channels: int, size: tuple[int, int] = (2, 3), dtype: Any = np.uint8) -> spaces.Box:
    return spaces.Box(0, 255, (channels, *size), dtype)


def play(
    n_envs: int, lengths: list[int], n_stack: int, channels: int = 1, padding: str = "zeros", colours: int = 256
) -> Iterator[Transition]:
    """Transitions of episodes with the given lengths (negative: truncated), in an order of its own per environment."""
    rng = np.random.default_rng(0)

    def episodes(env: int) -> Iterator[Transition]:
        for episode in range(10**6):
            length = lengths[(episode * (env + 1) + env) % len(lengths)]
            stack = np.zeros((n_stack, channels, 2, 3), np.uint8)
            first = rng.integers(0, colours, (channels, 2, 3))
            stack[slice(None) if padding == "repeat" else -1] = first
            for step in range(abs(length)):
                following = np.roll(stack, -1, axis=0)
                following[-1] = rng.integers(0, colours, (channels, 2, 3))
                done = step == abs(length) - 1
                info = {"TimeLimit.truncated": True} if done and length < 0 else {}
                yield stack.reshape(-1, 2, 3), following.reshape(-1, 2, 3), rng.normal(), done, info
                stack = following

    for number, steps in enumerate(zip(*map(episodes, range(n_envs)), strict=True)):
        obs, next_obs, rewards, dones, infos = zip(*steps, strict=True)
        actions = np.full(n_envs, number % 1000)
        yield np.stack(obs), np.stack(next_obs), actions, np.array(rewards), np.array(dones), list(infos)


def pair(
    buffer_size: int, space: spaces.Box, n_envs: int = 1, n_steps: int = 1, n_stack: int | None = None
) -> tuple[ReplayBuffer, FrameReplayBuffer]:
    ours = FrameReplayBuffer(
        buffer_size, space, ACTIONS, "cpu", n_envs=n_envs, n_steps=n_steps, gamma=0.9, n_stack=n_stack
    )
    if n_steps > 1:
        upstream = NStepReplayBuffer(buffer_size, space, ACTIONS, "cpu", n_envs=n_envs, n_steps=n_steps, gamma=0.9)
        return upstream, ours
    return ReplayBuffer(buffer_size, space, ACTIONS, "cpu", n_envs=n_envs), ours


def assert_same_samples(
    upstream: ReplayBuffer, ours: FrameReplayBuffer, batch_size: int = 200, env: VecNormalize | None = None
) -> None:
    batches = []
    for buffer in (upstream, ours):
        np.random.seed(1)
        batches.append(buffer.sample(batch_size, env))
    for name, expected, value in zip(batches[0]._fields, *batches, strict=True):
        assert (expected is None) == (value is None), name
        if expected is not None:
            assert expected.dtype == value.dtype and th.equal(expected, value), name


@given(
    lengths=st.lists(st.integers(-6, 12).filter(bool), min_size=1, max_size=6),
    buffer_size=st.integers(3, 100),
    steps=st.integers(1, 250),
    n_envs=st.sampled_from([1, 3]),
    n_steps=st.sampled_from([1, 3]),
    n_stack=st.integers(1, 5),
    channels=st.sampled_from([1, 3]),
    padding=st.sampled_from(["zeros", "repeat"]),
    colours=st.sampled_from([1, 2, 256]),
)
@settings(max_examples=100, deadline=None)
def test_samples_equal_upstream_for_any_episodes(
    lengths: list[int],
    buffer_size: int,
    steps: int,
    n_envs: int,
    n_steps: int,
    n_stack: int,
    channels: int,
    padding: str,
    colours: int,
) -> None:
    buffers = pair(max(buffer_size, n_steps * n_envs), image_space(n_stack * channels), n_envs, n_steps, n_stack)
    for _, step in zip(range(steps), play(n_envs, lengths, n_stack, channels, padding, colours), strict=False):
        for buffer in buffers:
            buffer.add(*step)
    assert_same_samples(*buffers)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("lengths", [[30, -17, 45], [700]])
def test_samples_equal_upstream_after_wrapping_several_times(n_envs: int, lengths: list[int]) -> None:
    upstream, ours = pair(1500 * n_envs, image_space(4), n_envs, n_steps=3, n_stack=4)
    assert ours.capacity < 1.13 * 1500
    for number, step in zip(range(3600), play(n_envs, lengths, 4), strict=False):
        upstream.add(*step)
        ours.add(*step)
        if number % 600 == 599:
            assert_same_samples(upstream, ours)


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("padding", ["zeros", "repeat"])
def test_short_episodes_cost_the_oldest_transitions_and_spoil_none(padding: str, n_steps: int) -> None:
    _, ours = pair(900, image_space(4), n_steps=n_steps, n_stack=4)
    played = []
    for _, step in zip(range(2500), play(1, [1, -2], 4, padding=padding), strict=False):
        ours.add(*step)
        played.append(step)
    assert ours.size() == 900
    steps = {int(step[2][0]): number for number, step in list(enumerate(played))[-900:]}
    batch = ours.sample(3000)
    drawn = [steps[int(action)] for action in batch.actions]
    for obs, number in zip(batch.observations.numpy(), drawn, strict=True):
        assert np.array_equal(obs, played[number][0][0])
    for next_obs, number in zip(batch.next_observations.numpy(), drawn, strict=True):
        last = number
        while last < number + n_steps - 1 and last < 2499 and not played[last][4][0]:
            last += 1
        assert np.array_equal(next_obs, played[last][1][0])
    # Episodes of 1 and 2 steps: 3 transitions need 5 frames and for zeros one more in each of the two episodes.
    frames_per_transition = {"zeros": 7 / 3, "repeat": 5 / 3}[padding]
    assert min(drawn) == pytest.approx(2500 - ours.capacity / frames_per_transition, abs=20)
    assert max(drawn) > 2480


@pytest.mark.parametrize(("size", "lengths"), [(60, [9, -4]), (900, [1, -2])])
def test_frames_may_be_drawn_by_priority(size: int, lengths: list[int]) -> None:
    ours = PrioritizedFrameReplayBuffer(size, image_space(4), ACTIONS, "cpu", n_stack=4)
    played = list(itertools.islice(play(1, lengths, 4), 999))
    for step in played:
        ours.add(*step)
    for _ in range(3):
        batch = ours.sample(300)
        for obs, next_obs, action in zip(batch.observations, batch.next_observations, batch.actions, strict=True):
            assert np.array_equal(obs, played[action][0][0]) and np.array_equal(next_obs, played[action][1][0])
        ours.update_priorities(batch.indices, batch.actions)


def test_episodes_of_sixteen_steps_keep_every_transition() -> None:
    upstream, ours = pair(3000, image_space(4), n_stack=4)
    for _, step in zip(range(6000), play(1, [16], 4), strict=False):
        upstream.add(*step)
        ours.add(*step)
    assert_same_samples(upstream, ours, 3000)


@pytest.mark.parametrize("n_envs", [1, 8])
def test_memory_is_at_most_1_15_single_frames_per_transition(n_envs: int) -> None:
    size = 100_000
    ours = FrameReplayBuffer(size, image_space(4, (84, 84)), spaces.Discrete(9), "cpu", n_envs=n_envs)
    total = sum(value.nbytes for value in vars(ours).values() if isinstance(value, np.ndarray))
    assert total <= 1.15 * size * 84 * 84


def test_interrupted_episodes_start_new_stacks() -> None:
    upstream, ours = pair(60, image_space(4), n_envs=2, n_steps=3, n_stack=4)
    for _ in range(4):
        for _, step in zip(range(17), play(2, [40, 50], 4), strict=False):
            upstream.add(*step)
            ours.add(*step)
        assert_same_samples(upstream, ours)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_pickled_buffer_samples_the_same_and_continues(n_steps: int) -> None:
    upstream, ours = pair(40, image_space(4), n_envs=2, n_steps=n_steps, n_stack=4)
    stream = play(2, [5, -9], 4)
    for _ in range(3):
        for _, step in zip(range(25), stream, strict=False):
            upstream.add(*step)
            ours.add(*step)
        ours = pickle.loads(pickle.dumps(ours))
        assert_same_samples(upstream, ours)


def test_reset_forgets_all_transitions() -> None:
    upstream, ours = pair(40, image_space(4), n_stack=4)
    stream = play(1, [5, -9], 4)
    for steps in (60, 7):
        for _, step in zip(range(steps), stream, strict=False):
            upstream.add(*step)
            ours.add(*step)
        assert_same_samples(upstream, ours)
        upstream.reset()
        ours.reset()
        assert ours.size() == 0


def test_given_arrays_may_be_written_again() -> None:
    upstream, ours = pair(40, image_space(4), n_stack=4)
    reused = np.zeros((1, 4, 2, 3), np.uint8)
    for _, (obs, next_obs, *rest) in zip(range(30), play(1, [5, 9], 4), strict=False):
        reused[:] = obs
        for buffer in (upstream, ours):
            buffer.add(reused, next_obs, *rest)
        reused = next_obs
    assert_same_samples(upstream, ours)


def test_an_episode_may_begin_with_black_frames() -> None:
    upstream, ours = pair(40, image_space(4), n_stack=4)
    _, following, *rest = next(play(1, [5], 4))
    following[:, :-1] = 0
    for buffer in (upstream, ours):
        buffer.add(np.zeros_like(following), following, *rest)
    assert_same_samples(upstream, ours)


@pytest.mark.parametrize("buffer_size", [1, 2, 7, 100])
def test_small_buffers_hold_transitions_that_share_no_frames(buffer_size: int) -> None:
    upstream, ours = pair(buffer_size, image_space(4), n_stack=4)
    rng = np.random.default_rng(0)
    for _, (_, _, *rest) in zip(range(230), play(1, [5], 4), strict=False):
        frames = rng.integers(0, 256, (1, 5, 2, 3), np.uint8)
        for buffer in (upstream, ours):
            buffer.add(frames[:, :4], frames[:, 1:], *rest)
    assert_same_samples(upstream, ours, 500)


@pytest.mark.parametrize(
    ("space", "n_stack", "message"),
    [
        (spaces.Box(0, 1, (4,)), None, r"observation space is a Box of shape \(4,\); use another"),
        (spaces.Dict({"image": image_space(4)}), None, "observation space is a Dict"),
        (spaces.Box(0, 255, (84, 84, 4), np.uint8), None, "needs channels first.*VecTransposeImage"),
        (image_space(4, (84, 84)), 3, "n_stack=3 is not valid for 4 channels"),
        (image_space(4, (84, 84)), 0, "n_stack=0 is not valid"),
        (image_space(4, (84, 84)), 4.0, "n_stack=4.0 is not valid"),
    ],
)
def test_other_spaces_are_refused(space: spaces.Space[Any], n_stack: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        FrameReplayBuffer(10, space, ACTIONS, "cpu", n_stack=n_stack)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("true_stack", "n_stack"), [(1, 3), (4, 12), (4, 2)])
def test_a_wrong_n_stack_is_refused_before_anything_is_stored(true_stack: int, n_stack: int) -> None:
    ours = FrameReplayBuffer(10, image_space(true_stack * 3), ACTIONS, "cpu", n_stack=n_stack)
    step = next(play(1, [5], true_stack, channels=3))
    with pytest.raises(ValueError, match=f"environment 0 is not obs moved by one frame, with n_stack={n_stack};"):
        ours.add(*step)
    assert ours.size() == 0 and not ours.frames.any()


def test_a_missing_terminal_observation_is_refused() -> None:
    ours = FrameReplayBuffer(10, image_space(4), ACTIONS, "cpu", n_stack=4)
    (obs, _, *rest), (following, *_) = itertools.islice(play(1, [1], 4), 2)
    with pytest.raises(ValueError, match=r"next_obs of environment 0 .* terminal_observation"):
        ours.add(obs, following + 1, *rest)


@pytest.mark.parametrize("wrong", [(2, 2, 3, 4), (2, 1, 2, 3), (1, 4, 2, 3)])
def test_observations_of_another_shape_are_refused(wrong: tuple[int, ...]) -> None:
    ours = FrameReplayBuffer(10, image_space(4), ACTIONS, "cpu", n_envs=2, n_stack=4)
    obs, _, *rest = next(play(2, [5], 4))
    with pytest.raises(ValueError, match=r"next_obs has shape .*, not \(2, 4, 2, 3\)"):
        ours.add(obs, np.zeros(wrong, np.uint8), *rest)


def test_too_little_memory_gives_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = types.SimpleNamespace(available=1000)
    monkeypatch.setitem(sys.modules, "psutil", types.SimpleNamespace(virtual_memory=lambda: memory))
    with pytest.warns(UserWarning, match="lower buffer_size") as warned:
        FrameReplayBuffer(1000, image_space(4), ACTIONS, "cpu", n_stack=4)
    assert len(warned) == 1


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
