"""Prioritized replay draws, weighs and stores as the paper says, over any storage."""

import io
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_samples import ACTIONS, BOX, DICT, assert_same, fill
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import ConstantSchedule
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her import HerReplayBuffer

from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import (
    PrioritizedFrameReplayBuffer,
    PrioritizedReplayBuffer,
    PrioritizedReplayBufferSamples,
    PrioritizedSampling,
    prioritize,
)
from sb3_ext.replay.transitions import Indices, TransitionReplayBuffer


def make(n: int = 0, size: int = 60, space: Any = BOX, n_envs: int = 1, **options: Any) -> PrioritizedReplayBuffer:
    """A buffer after ``n`` random steps of every environment."""
    buffer = PrioritizedReplayBuffer(size, space, ACTIONS["discrete"], "cpu", n_envs, **options)
    fill([buffer], n)
    return buffer


def add(buffer: PrioritizedSampling, number: float, reward: float = 0.0) -> None:
    """Add a transition of every environment whose observations are all ``number``."""
    obs = np.full((buffer.n_envs, 4), number, np.float32)
    nothing = np.zeros(buffer.n_envs)
    buffer.add(obs, obs + 0.5, nothing.astype(int), nothing + reward, nothing, [{}] * buffer.n_envs)


def counts(buffer: PrioritizedSampling, batches: int = 500, size: int = 40) -> npt.NDArray[np.int64]:
    """How often each transition is drawn."""
    np.random.seed(0)
    drawn = np.concatenate([buffer.sample(size).indices for _ in range(batches)])
    return np.bincount(drawn, minlength=buffer.size() * buffer.n_envs)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_transitions_are_drawn_in_proportion(alpha: float, n_envs: int) -> None:
    buffer = make(20, n_envs=n_envs, alpha=alpha, epsilon=0.01)
    n = 20 * n_envs
    errors = np.random.default_rng(0).normal(size=n) * 3
    buffer.update_priorities(np.arange(n), errors)
    priorities = (np.abs(errors) + 0.01) ** alpha
    expected = 20_000 * priorities / priorities.sum()
    limit = {20: 43.8, 60: 98.3}[n]  # 99.9 % of chi-square with n - 1 degrees of freedom
    assert ((counts(buffer) - expected) ** 2 / expected).sum() < limit


def test_each_part_of_the_total_gives_one() -> None:
    buffer = make(60)
    for _ in range(20):
        np.testing.assert_array_equal(buffer.sample(60).indices, np.arange(60))
        assert set(np.diff(buffer.sample(30).indices)) <= {1, 2, 3}


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_are_those_of_the_paper(beta: float) -> None:
    buffer = make(50, alpha=0.7, beta=beta, epsilon=0.02)
    errors = np.random.default_rng(0).normal(size=50)
    buffer.update_priorities(np.arange(50), errors)
    samples = buffer.sample(32)
    priorities = (np.abs(errors) + 0.02) ** 0.7
    weights = (50 * priorities / priorities.sum())[samples.indices] ** -beta
    assert (samples.weights.shape, samples.weights.dtype) == ((32, 1), th.float32)
    np.testing.assert_allclose(samples.weights[:, 0], weights / weights.max(), rtol=1e-6)


def test_new_transitions_have_the_largest_priority_seen() -> None:
    buffer = make(size=4, alpha=1.0, epsilon=0.5)
    add(buffer, 0)
    assert buffer._priorities[np.arange(4)].tolist() == [1, 0, 0, 0]
    buffer.update_priorities(np.array([0]), np.array([-0.1]))
    add(buffer, 1)
    assert buffer._priorities[np.arange(4)].tolist() == [0.6, 1, 0, 0]
    buffer.update_priorities(np.array([1]), np.array([-3]))
    buffer.update_priorities(np.array([1]), np.array([1.0]))
    for number in (2, 3, 4):
        add(buffer, number)
    assert buffer._priorities[np.arange(4)].tolist() == [3.5, 1.5, 3.5, 3.5]


def test_new_transitions_of_every_environment_can_be_drawn() -> None:
    buffer = make(size=12, n_envs=3)
    for time in range(6):
        add(buffer, time)
        np.testing.assert_array_equal(np.unique(buffer.sample(60).indices), np.arange(3 * min(time + 1, 4)))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 1000))
def test_samples_are_the_newest_transitions(n_envs: int, additions: list[int], seed: int) -> None:
    size, number = 7, 0
    buffer = PrioritizedReplayBuffer(size * n_envs, BOX, ACTIONS["discrete"], "cpu", n_envs)
    rng = np.random.default_rng(seed)
    for count in additions:
        for _ in range(count):
            add(buffer, number, reward=number)
            number += 1
        stored = min(number, size)
        samples = buffer.sample(2 * stored * n_envs)
        numbers = samples.observations[:, 0].numpy()
        assert set(numbers) <= set(range(number - stored, number))
        np.testing.assert_array_equal(numbers.astype(int) % size, samples.indices // n_envs)
        np.testing.assert_array_equal(samples.next_observations[:, 0], numbers + 0.5)
        np.testing.assert_array_equal(samples.rewards[:, 0], numbers)
        buffer.update_priorities(samples.indices, rng.normal(size=len(samples.indices)))


@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("space", ["box", "dict"])
def test_data_are_those_of_the_storage(space: str, n_envs: int, n_steps: int, normalised: bool) -> None:
    space = BOX if space == "box" else DICT
    options = {"n_steps": n_steps, "gamma": 0.9}
    buffer = make(space=space, n_envs=n_envs, **options)
    base = TransitionReplayBuffer(60, space, ACTIONS["discrete"], "cpu", n_envs, **options)
    env = None
    if normalised and space is BOX:
        env = VecNormalize(make_vec_env("CartPole-v1", n_envs=n_envs))
        env.obs_rms.mean += 0.3
        env.ret_rms.var *= 4
    for _ in range(3):
        fill([buffer, base], 27)
        samples = buffer.sample(50, env=env)
        assert samples.indices.shape == (50,)
        assert_same(samples, base._gather(*np.divmod(samples.indices, n_envs), env))
        buffer.update_priorities(samples.indices, th.rand(50, 1))


def test_names_and_shapes() -> None:
    samples = make(10, n_steps=3).sample(8)
    assert isinstance(samples, PrioritizedReplayBufferSamples)
    shapes = {name: tuple(value.shape) for name, value in samples._asdict().items()}
    column = (8, 1)
    assert shapes == {
        "observations": (8, 4), "actions": column, "next_observations": (8, 4), "dones": column, "rewards": column,
        "discounts": column, "indices": (8,), "weights": column,
    }  # fmt: skip
    assert samples.indices.dtype == np.int64
    assert make(10).sample(8).discounts is None


@pytest.mark.parametrize(
    "form",
    [
        lambda values: values,
        lambda values: values[:, None],
        lambda values: th.as_tensor(values),
        lambda values: th.as_tensor(values)[:, None].requires_grad_(values.dtype.kind == "f"),
        lambda values: values.tolist(),
        lambda values: values.astype({"f": np.float32, "i": np.uint64}[values.dtype.kind]),
        lambda values: values.astype({"f": np.float16, "i": np.int32}[values.dtype.kind]),
    ],
)
def test_priorities_take_arrays_and_tensors(form: Callable[[Any], Any]) -> None:
    buffer = make(10, alpha=1.0, epsilon=1.0)
    buffer.update_priorities(form(np.array([3, 9, 3])), form(np.array([1.5, -2.0, -0.5])))
    assert buffer._priorities[np.array([2, 3, 9])].tolist() == [1.0, 1.5, 3.0]


def test_beta_goes_linearly_to_one_or_as_told() -> None:
    linear, constant, own = make(beta=0.4), make(beta=ConstantSchedule(0.6)), make(beta=lambda progress: progress**2)
    assert (linear.beta, constant.beta, own.beta) == (0.4, 0.6, 1.0)
    for progress, expected in ((0.5, 0.7), (0.0, 1.0)):
        for buffer in (linear, constant, own):
            buffer.set_progress(progress)
        assert (linear.beta, constant.beta, own.beta) == (pytest.approx(expected), 0.6, progress**2)


@pytest.mark.parametrize("n_envs", [1, 2])
def test_saved_buffers_go_on_as_if_never_saved(n_envs: int) -> None:
    offset = 0.3
    buffer = make(20, space=DICT, n_envs=n_envs, n_steps=2, beta=lambda progress: 1 - progress * offset)
    buffer.update_priorities(np.arange(20 * n_envs), np.random.default_rng(0).normal(size=20 * n_envs) * 5)
    file = io.BytesIO()
    env = make_vec_env(lambda: gym.make("CartPole-v1"))
    model = DQN("MlpPolicy", env, buffer_size=10)
    model.replay_buffer = buffer
    model.save_replay_buffer(file)
    file.seek(0)
    other = DQN("MlpPolicy", env, buffer_size=10)
    other.load_replay_buffer(file)
    copy = other.replay_buffer
    assert isinstance(copy, PrioritizedReplayBuffer)
    for step in range(4):
        samples = []
        for one in (buffer, copy):
            np.random.seed(step)
            one.set_progress(1 - step / 4)
            samples.append(one.sample(16))
            one.update_priorities(samples[-1].indices, samples[-1].rewards)
        assert_same(samples[0]._replace(indices=None), samples[1]._replace(indices=None))
        np.testing.assert_array_equal(samples[0].indices, samples[1].indices)
        fill([buffer, copy], 4, seed=step)


def test_reset_forgets_everything() -> None:
    buffer = make(10)
    buffer.update_priorities(np.arange(10), np.full(10, 50.0))
    buffer.reset()
    with pytest.raises(ValueError, match="empty"):
        buffer.sample(1)
    add(buffer, 7)
    samples = buffer.sample(3)
    assert samples.observations[:, 0].tolist() == [7, 7, 7]
    assert buffer._priorities[samples.indices].tolist() == [1, 1, 1]


def test_the_same_seed_draws_the_same() -> None:
    buffer = make(50)
    drawn = []
    for _ in range(2):
        np.random.seed(3)
        drawn.append(buffer.sample(20).observations)
    assert th.equal(*drawn)


class Forgetful(TransitionReplayBuffer):
    """Has lost the observations of every transition but those at times 3 and 4."""

    def _readable(self, times: Indices, envs: Indices) -> npt.NDArray[np.bool_]:
        return (times == 3) | (times == 4)


class PrioritizedForgetful(PrioritizedSampling, Forgetful):
    pass


@pytest.mark.parametrize("n_envs", [1, 2])
def test_what_the_storage_has_lost_is_not_drawn(n_envs: int) -> None:
    buffer = PrioritizedForgetful(500, BOX, ACTIONS["discrete"], "cpu", n_envs)
    fill([buffer], 200)
    for errors in (np.full(200 * n_envs, 3.0), np.zeros(200 * n_envs), np.arange(200.0 * n_envs)):
        buffer.update_priorities(np.arange(200 * n_envs), errors)
        samples = buffer.sample(60)
        assert set(samples.indices // n_envs) == {3, 4}
        priorities = (errors[samples.indices] + 1e-6) ** 0.6
        np.testing.assert_allclose(samples.weights[:, 0], (priorities / priorities.min()) ** -0.4, rtol=1e-6)
        # what was met is not met again
        assert np.count_nonzero(buffer._priorities[np.arange(200 * n_envs)]) < 150 * n_envs


def test_frames_can_be_prioritized() -> None:
    env = make_vec_env(lambda: gym.wrappers.FrameStackObservation(Grey(), 4))
    model = DQN(
        "MlpPolicy", env, replay_buffer_class=PrioritizedFrameReplayBuffer, learning_starts=20, buffer_size=100,
        policy_kwargs={"net_arch": [4]}, replay_buffer_kwargs={"alpha": 0.5}, device="cpu",
    ).learn(150)  # fmt: skip
    samples = model.replay_buffer.sample(16)
    assert samples.observations.shape == (16, 4, 36, 36)
    assert th.equal(samples.observations[:, 1:], samples.next_observations[:, :-1])
    model.replay_buffer.update_priorities(samples.indices, samples.rewards)


class Grey(gym.Env):
    """Random images in episodes of five steps."""

    observation_space = spaces.Box(0, 255, (36, 36), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = 5
        return self.observation_space.sample(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return self.observation_space.sample(), 1.0, self.left == 0, False, {}


@pytest.mark.parametrize("n_envs", [1, 2])
def test_dqn_of_sb3_takes_it(n_envs: int) -> None:
    model = DQN(
        "MlpPolicy", make_vec_env("CartPole-v1", n_envs), replay_buffer_class=PrioritizedReplayBuffer, buffer_size=200,
        learning_starts=50, seed=0, replay_buffer_kwargs={"alpha": 0.5, "beta": 0.6, "n_steps": 3, "gamma": 0.99},
        policy_kwargs={"net_arch": [8]}, device="cpu",
    )  # fmt: skip
    before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    model.learn(300)
    assert model.replay_buffer.full
    assert any(not th.equal(tensor, before[name]) for name, tensor in model.policy.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -0.1}, "alpha=-0.1"),
        ({"alpha": 1.5}, "alpha=1.5"),
        ({"alpha": "0.6"}, "alpha='0.6'"),
        ({"beta": -0.1}, "beta=-0.1"),
        ({"beta": 1.1}, "beta=1.1"),
        ({"beta": None}, "beta=None"),
        ({"beta": ConstantSchedule(2.0)}, "beta=ConstantSchedule"),
        ({"beta": lambda progress: None}, "beta=<function"),
        ({"epsilon": 0}, "epsilon=0"),
        ({"epsilon": float("nan")}, "epsilon=nan"),
        ({"n_steps": 0}, "n_steps=0"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^PrioritizedReplayBuffer: {message}"):
        make(**options)


@pytest.mark.parametrize("indices", [[-1], [10], [2**40], [0.0], [True], [0, -5]])
def test_indices_of_nothing_are_refused(indices: list[Any]) -> None:
    buffer = make(5, n_envs=2)
    with pytest.raises(IndexError, match=r"\[0, 10\)"):
        buffer.update_priorities(np.array(indices), np.ones(len(indices)))


def test_as_many_errors_as_indices() -> None:
    buffer = make(10)
    with pytest.raises(ValueError, match="2 indices but 3 TD errors"):
        buffer.update_priorities(np.array([0, 1]), np.ones(3))
    with pytest.raises(ValueError, match="2 indices but 4 TD errors"):
        buffer.update_priorities(np.array([0, 1]), np.ones((2, 2)))
    buffer.update_priorities(np.array([], int), np.array([]))


@pytest.mark.parametrize("alpha", [0.0, 0.6])
@pytest.mark.parametrize("error", [float("nan"), float("inf"), float("-inf")])
def test_a_diverged_network_is_told(error: float, alpha: float) -> None:
    buffer = make(10, alpha=alpha)
    before = buffer._priorities[np.arange(10)]
    with pytest.raises(RuntimeError, match="diverged"):
        buffer.update_priorities(np.array([0, 1]), th.tensor([1.0, error]))
    np.testing.assert_array_equal(buffer._priorities[np.arange(10)], before)
    buffer.sample(4)


def test_an_empty_buffer_says_so() -> None:
    with pytest.raises(ValueError, match="PrioritizedReplayBuffer is empty"):
        make().sample(4)


def test_prioritize_finds_the_variant_of_a_storage() -> None:
    for storage in (TransitionReplayBuffer, ReplayBuffer, DictReplayBuffer, NStepReplayBuffer):
        assert prioritize(storage) is PrioritizedReplayBuffer
    assert prioritize(FrameReplayBuffer) is PrioritizedFrameReplayBuffer
    assert prioritize(PrioritizedForgetful) is PrioritizedForgetful
    for storage in (HerReplayBuffer, Forgetful):
        with pytest.raises(ValueError, match=f"^{storage.__name__} has no prioritized variant"):
            prioritize(storage)


def test_plain_pickle_keeps_functions() -> None:
    buffer = pickle.loads(pickle.dumps(make(5, beta=lambda progress: 0.25)))
    buffer.set_progress(0.5)
    assert buffer.beta == 0.25
