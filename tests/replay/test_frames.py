"""Frames stored once give the samples that SB3's buffers give, bit for bit."""

import itertools
import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest
from frame_samples import ACTIONS, assert_same_samples, image_space, pair, play
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedFrameReplayBuffer


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
