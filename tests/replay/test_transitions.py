"""The base of our replay buffers gives the samples of SB3's, bit for bit."""

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from replay_samples import ACTIONS, BOX, DICT, SPACES, assert_same, fill
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.replay import transitions
from sb3_ext.replay.prioritized import PrioritizedReplayBuffer
from sb3_ext.replay.transitions import TransitionReplayBuffer


def assert_same_draws(buffer: ReplayBuffer, expected: ReplayBuffer, env: VecNormalize | None = None) -> None:
    samples = []
    for one in (buffer, expected):
        np.random.seed(1)
        samples.append(one.sample(100, env=env))
        samples[-1] = (samples[-1], np.random.random())
    assert_same(samples[0][0], samples[1][0])
    assert samples[0][1] == samples[1][1]


def upstream(space: spaces.Space[Any], actions: spaces.Space[Any], n_envs: int, n_steps: int) -> ReplayBuffer:
    if isinstance(space, spaces.Dict):
        return DictReplayBuffer(60, space, actions, "cpu", n_envs)
    if n_steps > 1:
        return NStepReplayBuffer(60, space, actions, "cpu", n_envs, n_steps=n_steps, gamma=0.9)
    return ReplayBuffer(60, space, actions, "cpu", n_envs)


@pytest.mark.parametrize("steps", [5, 20, 37, 80])
@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("space", [name for name in SPACES if name != "dict"])
def test_samples_are_those_of_sb3(space: str, n_envs: int, n_steps: int, steps: int) -> None:
    expected = upstream(SPACES[space], ACTIONS["discrete"], n_envs, n_steps)
    buffer = TransitionReplayBuffer(60, SPACES[space], ACTIONS["discrete"], "cpu", n_envs, n_steps=n_steps, gamma=0.9)
    fill([expected, buffer], steps)
    assert (buffer.size(), buffer.pos, buffer.full) == (expected.size(), expected.pos, expected.full)
    assert_same_draws(buffer, expected)


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("space", ["box", "dict"])
def test_samples_of_any_action_are_those_of_sb3(space: str, n_envs: int, actions: str) -> None:
    expected = upstream(SPACES[space], ACTIONS[actions], n_envs, 1)
    buffer = TransitionReplayBuffer(60, SPACES[space], ACTIONS[actions], "cpu", n_envs)
    for _ in range(2):
        fill([expected, buffer], 35)
        assert_same_draws(buffer, expected)


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("space", SPACES)
def test_several_batches_are_those_of_as_many_calls(
    space: str, n_envs: int, n_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = TransitionReplayBuffer(60, SPACES[space], ACTIONS["box"], "cpu", n_envs, n_steps=n_steps)
    fill([buffer], 37)
    for at_once in (1, 2, 7):  # seven batches are cut into parts, the last one shorter
        monkeypatch.setattr(transitions, "GATHERED_NUMBERS", at_once * 10 * spaces.flatdim(SPACES[space]))
        np.random.seed(1)
        several = list(buffer.sample_several(7, 10))
        np.random.seed(1)
        assert len(several) == 7
        for batch in several:
            assert_same(batch, buffer.sample(10))


def test_several_prioritized_batches_follow_priorities_learned_in_between() -> None:
    buffers = [PrioritizedReplayBuffer(60, BOX, ACTIONS["box"], "cpu") for _ in range(2)]
    fill(buffers, 37)  # type: ignore[arg-type]
    first, second = buffers
    np.random.seed(1)
    batches = first.sample_several(3, 10)
    expected_indices = []
    for batch in batches:
        first.update_priorities(batch.indices, np.zeros(10))  # type: ignore[union-attr]
        expected_indices.append(batch.indices)  # type: ignore[union-attr]
    np.random.seed(1)
    for indices in expected_indices:
        batch = second.sample(10)
        assert np.array_equal(batch.indices, indices)
        second.update_priorities(batch.indices, np.zeros(10))


def test_dictionaries_have_the_returns_of_their_parts() -> None:
    flat = NStepReplayBuffer(60, BOX, ACTIONS["discrete"], "cpu", 2, n_steps=3, gamma=0.9)
    space = spaces.Dict({"v": BOX})
    buffer = TransitionReplayBuffer(60, space, ACTIONS["discrete"], "cpu", 2, n_steps=3, gamma=0.9)
    fill([flat], 80)
    buffer.observations, buffer.next_observations = {"v": flat.observations}, {"v": flat.next_observations}
    for name in ("actions", "rewards", "dones", "timeouts", "pos", "full"):
        setattr(buffer, name, getattr(flat, name))
    np.random.seed(3)
    expected = flat.sample(50)
    np.random.seed(3)
    samples = buffer.sample(50)
    assert_same(
        samples._replace(observations=samples.observations["v"], next_observations=None),
        expected._replace(next_observations=None),
    )
    assert th.equal(samples.next_observations["v"], expected.next_observations)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_samples_are_normalised_as_those_of_sb3(n_steps: int) -> None:
    env = VecNormalize(make_vec_env("CartPole-v1", n_envs=2))
    env.reset()
    for _ in range(20):
        env.step(np.array([0, 1]))
    space, actions = env.observation_space, env.action_space
    expected = upstream(space, actions, 2, n_steps)
    buffer = TransitionReplayBuffer(60, space, actions, "cpu", 2, n_steps=n_steps, gamma=0.9)
    fill([expected, buffer], 50)
    assert_same_draws(buffer, expected, env)


def test_samples_are_copies() -> None:
    buffer = TransitionReplayBuffer(10, BOX, ACTIONS["discrete"], "cpu")
    fill([buffer], 10)
    stored = buffer.observations.copy(), buffer.rewards.copy()
    samples = buffer.sample(32)
    for tensor in (samples.observations, samples.next_observations, samples.actions, samples.rewards, samples.dones):
        tensor.zero_()
    np.testing.assert_array_equal(buffer.observations, stored[0])
    np.testing.assert_array_equal(buffer.rewards, stored[1])


def test_timeouts_count_as_ends_unless_handled() -> None:
    buffer, expected = (
        cls(60, BOX, ACTIONS["discrete"], "cpu", handle_timeout_termination=False)
        for cls in (TransitionReplayBuffer, ReplayBuffer)
    )
    fill([buffer, expected], 40, ends=0.5)
    assert_same_draws(buffer, expected)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_saved_buffers_go_on_as_if_never_saved(n_steps: int) -> None:
    buffer = TransitionReplayBuffer(30, DICT, ACTIONS["box"], "cpu", 2, n_steps=n_steps)
    fill([buffer], 10)
    copy = pickle.loads(pickle.dumps(buffer))
    for _ in range(2):
        assert_same_draws(copy, buffer)
        fill([buffer, copy], 8, seed=1)


def test_observations_of_another_shape() -> None:
    """As many numbers in another order would be other pixels."""
    buffer = TransitionReplayBuffer(10, spaces.Box(0, 255, (3, 8, 10), np.uint8), ACTIONS["discrete"])
    frames = np.zeros((1, 8, 10, 3), np.uint8)
    with pytest.raises(ValueError, match=r"shape \(1, 8, 10, 3\), not \(1, 3, 8, 10\); .* VecTransposeImage before"):
        buffer.add(frames, frames, np.zeros((1, 1)), np.zeros(1), np.zeros(1), [{}])
    assert buffer.size() == 0


def test_reset_forgets_everything() -> None:
    buffer = TransitionReplayBuffer(30, BOX, ACTIONS["discrete"], "cpu")
    fill([buffer], 40)
    buffer.reset()
    assert buffer.size() == 0
    with pytest.raises(ValueError):
        buffer.sample(1)


def test_dqn_learns_the_same_with_it() -> None:
    def trained(replay_buffer_class: type[ReplayBuffer], **options: Any) -> dict[str, th.Tensor]:
        env = gym.make("CartPole-v1")
        model = DQN(
            "MlpPolicy",
            env,
            replay_buffer_class=replay_buffer_class,
            learning_starts=50,
            seed=0,
            device="cpu",
            buffer_size=200,
            policy_kwargs={"net_arch": [8]},
            **options,
        )
        return dict(model.learn(400).policy.state_dict())

    ours, theirs = trained(TransitionReplayBuffer), trained(ReplayBuffer)
    assert all(th.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "n_steps=0"),
        ({"n_steps": 2.0}, "n_steps=2.0"),
        ({"n_steps": None}, "n_steps=None"),
        ({"gamma": 1.1}, "gamma=1.1"),
        ({"gamma": float("nan")}, "gamma=nan"),
        ({"optimize_memory_usage": True}, "FrameReplayBuffer"),
        ({"buffer_size": 0}, "buffer_size=0"),
        ({"buffer_size": 5, "n_envs": 3, "n_steps": 2}, "n_steps \\* n_envs = 6"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    arguments = {"buffer_size": 10, "observation_space": BOX, "action_space": ACTIONS["discrete"], **options}
    with pytest.raises(ValueError, match=message):
        TransitionReplayBuffer(**arguments)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("buffer_class", [TransitionReplayBuffer, PrioritizedReplayBuffer])
def test_extend_takes_the_columns_of_a_buffer(buffer_class: type[TransitionReplayBuffer], n_envs: int) -> None:
    buffers = [made(50, BOX, ACTIONS["discrete"], "cpu", n_envs) for made in (ReplayBuffer, buffer_class, buffer_class)]
    first, ours, listed = buffers
    fill([first], 15)
    columns = [
        getattr(first, name)[:15] for name in ("observations", "next_observations", "actions", "rewards", "dones")
    ]
    kept = first.timeouts[:15]
    infos = [[{"TimeLimit.truncated": row} for row in rows] for rows in (kept[:, :, None] if n_envs == 1 else kept)]
    ours.extend(*columns, infos)
    listed.extend(columns[0].tolist(), columns[1].tolist(), *columns[2:], infos)
    for buffer in (ours, listed):
        assert buffer.size() == 15
        for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
            np.testing.assert_array_equal(getattr(buffer, name)[:15], getattr(first, name)[:15])
