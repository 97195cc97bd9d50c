"""Returns against the tutorial's numbers; which episodes a batch takes."""

import numpy as np
import pytest
import torch as th
from hypothesis import given
from hypothesis import strategies as st

from sb3_ext.common.episodes import EpisodeBatch, discount, normalize


def test_discount_as_in_the_tutorial() -> None:
    np.testing.assert_allclose(discount([10, 0, -50], 0.8), [-22, -40, -50], rtol=0, atol=1e-12)


def test_normalised_together_as_in_the_tutorial() -> None:
    rewards, ends = [10, 0, -50, 10, 20], [False, False, True, False, True]
    normalised = normalize(discount(rewards, 0.8, ends))
    np.testing.assert_allclose(normalised[:3], [-0.28435071, -0.86597718, -1.18910299], rtol=0, atol=1e-7)
    np.testing.assert_allclose(normalised[3:], [1.26665318, 1.0727777], rtol=0, atol=1e-7)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.booleans()), min_size=1, max_size=30), st.floats(0, 1))
def test_discount_is_the_sum_over_the_rest_of_the_episode(steps: list[tuple[float, bool]], gamma: float) -> None:
    rewards, ends = map(list, zip(*steps, strict=True))
    expected = []
    for t in range(len(steps)):
        last = next((i for i in range(t, len(steps)) if ends[i]), len(steps) - 1)
        expected.append(sum(gamma**k * rewards[t + k] for k in range(last - t + 1)))
    np.testing.assert_allclose(discount(rewards, gamma, ends), expected, rtol=1e-9, atol=1e-9)
    columns = discount(np.stack([rewards, rewards], 1), gamma, np.stack([ends, ends], 1))
    np.testing.assert_allclose(columns[:, 1], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("values", [[3.0], [0.1] * 7, [0.0, 0.0]])
def test_equal_values_normalise_to_zero(values: list[float]) -> None:
    np.testing.assert_allclose(normalize(np.array(values)), np.zeros(len(values)), atol=1e-6)


def play(lengths: list[list[int]], n_episodes: int, max_steps: int | None = None) -> tuple[list[tuple[int, int]], int]:
    """
    Run environments whose episodes have the given lengths (the last one repeats) until the batch is complete.

    :return: (environment, episode) of every step stored, and the steps taken
    """
    n_envs, taken = len(lengths), 0
    batch = EpisodeBatch(n_envs, n_episodes, max_steps)
    episode, age = np.zeros(n_envs, int), np.zeros(n_envs, int)
    while not batch.complete:
        age += 1
        dones = np.array([age[i] == lengths[i][min(episode[i], len(lengths[i]) - 1)] for i in range(n_envs)])
        labels = np.stack([np.arange(n_envs), episode], 1)
        batch.add(labels, labels, np.ones(n_envs), dones)
        episode, age, taken = episode + dones, np.where(dones, 0, age), taken + 1
        assert taken < 1000
    actions = batch.samples(1.0, th.device("cpu")).actions.tolist()
    assert len(actions) == batch.n_steps
    return [(env, number) for env, number in actions], taken


def test_one_environment_plays_all_episodes() -> None:
    steps, taken = play([[3, 1, 2]], 3)
    assert steps == [(0, 0)] * 3 + [(0, 1)] + [(0, 2)] * 2
    assert taken == 6


def test_episodes_begun_first_are_taken_however_long() -> None:
    steps, taken = play([[10], [2], [3]], 4)
    counts = {label: steps.count(label) for label in steps}
    # Environment 1 begins the fourth episode at step 2; environment 2 finds nothing left at step 3
    assert counts == {(0, 0): 10, (1, 0): 2, (2, 0): 3, (1, 1): 2}
    assert taken == 10


def test_fewer_episodes_than_environments() -> None:
    steps, taken = play([[5], [1], [1]], 2)
    assert {label: steps.count(label) for label in steps} == {(0, 0): 5, (1, 0): 1}
    assert taken == 5


@pytest.mark.parametrize(
    ("max_steps", "episodes"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (17, 6), (18, 6), (None, 6)]
)
def test_no_episode_is_begun_beyond_max_steps(max_steps: int | None, episodes: int) -> None:
    steps, taken = play([[3]], 6, max_steps)
    assert len(set(steps)) == episodes
    assert taken == len(steps) == 3 * episodes


def test_max_steps_counts_all_environments_and_lets_running_episodes_end() -> None:
    steps, _ = play([[9], [2]], 100, max_steps=7)
    # Environment 1 begins another episode at 4 steps (both together) but not at 8
    assert {label: steps.count(label) for label in steps} == {(0, 0): 9, (1, 0): 2, (1, 1): 2}


def test_longest_running_ignores_environments_without_an_episode_of_the_batch() -> None:
    batch = EpisodeBatch(2, 1)
    for length in (1, 2, 3):
        batch.add(np.zeros((2, 1)), np.zeros(2), np.zeros(2), np.array([False, False]))
        assert batch.longest_running == length
    batch.add(np.zeros((2, 1)), np.zeros(2), np.zeros(2), np.array([True, False]))
    assert batch.complete and batch.longest_running == 0


def test_samples_keep_observation_action_and_return_together() -> None:
    batch = EpisodeBatch(2, 3)
    rewards = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [8.0, 80.0]])
    dones = np.array([[False, True], [True, False], [False, False], [False, True]])
    for t in range(4):
        observations = {"time": np.array([t, t]), "env": np.array([0, 1])}
        batch.add(observations, 10 * t + np.array([0, 1]), rewards[t], dones[t])
    assert batch.complete
    samples = batch.samples(0.5, th.device("cpu"))
    assert isinstance(samples.observations, dict)
    assert samples.observations["time"].tolist() == [0, 0, 1, 1, 2, 3]
    assert samples.observations["env"].tolist() == [0, 1, 0, 1, 1, 1]
    assert samples.actions.tolist() == [0, 1, 10, 11, 21, 31]
    assert samples.returns.tolist() == [1 + 2 / 2, 10, 2, 20 + 40 / 2 + 80 / 4, 40 + 80 / 2, 80]


def test_stored_arrays_are_copies() -> None:
    batch = EpisodeBatch(1, 1)
    arrays = [np.ones((1, 2)), np.ones(1), np.ones(1), np.array([True])]
    batch.add(*arrays)  # type: ignore[arg-type]
    for array in arrays:
        array[:] = 0
    samples = batch.samples(1.0, th.device("cpu"))
    assert isinstance(samples.observations, th.Tensor)
    assert (
        samples.observations.tolist() == [[1, 1]]
        and samples.actions.tolist() == [1]
        and samples.returns.tolist() == [1]
    )
