"""Cells of the grid."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env

from sb3_ext.wrappers import DiscretizeObservation


class Boxed(gym.Env[np.ndarray, np.int64]):
    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space
        self.action_space = spaces.Discrete(2)


def box(low: list[float], high: list[float]) -> Boxed:
    return Boxed(spaces.Box(np.array(low, np.float32), np.array(high, np.float32)))


def test_edges_and_values_outside() -> None:
    env = DiscretizeObservation(box([0], [1]), bins=4)
    cells = [env.observation(np.array([x])) for x in (-9.0, 0.0, 0.24, 0.25, 0.5, 0.99, 1.0, 9.0, np.inf, -np.inf)]
    assert cells == [0, 0, 0, 1, 2, 3, 3, 3, 3, 0]
    assert env.observation_space == spaces.Discrete(4)
    assert all(env.observation_space.contains(cell) for cell in cells)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        DiscretizeObservation(box([0], [1])).observation(np.array([np.nan]))


@given(
    bins=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=50)
def test_agrees_with_numpy(bins: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.integers(-3, 3, len(bins)).astype(float)
    high = low + rng.integers(1, 5, len(bins))
    env = DiscretizeObservation(box(low.tolist(), high.tolist()), bins)
    for point in low + (high - low) * rng.random((20, len(bins))):
        edges = [np.linspace(a, b, n + 1)[1:-1] for a, b, n in zip(low, high, bins, strict=True)]
        index = tuple(int(np.digitize(x, e)) for x, e in zip(point, edges, strict=True))
        assert env.observation(point) == np.ravel_multi_index(index, tuple(bins))


def test_overrides_replace_single_bounds() -> None:
    env = DiscretizeObservation(box([-1, -np.inf], [1, np.inf]), 10, low=[None, -5], high=[None, 5])
    assert env.observation(np.array([-1, -4.5])) == 0
    assert env.observation(np.array([0.99, 4.5])) == 99
    everywhere = DiscretizeObservation(box([-1, -np.inf], [1, np.inf]), 10, low=-2, high=2)
    assert everywhere.observation(np.array([-1.0, -1.0])) == 22


def test_shaped_boxes_are_flattened() -> None:
    env = DiscretizeObservation(Boxed(spaces.Box(0, 1, (2, 2))), 2)
    assert env.observation(np.array([[1, 0], [0, 1]])) == 0b1001


def test_sb3_accepts_it() -> None:
    check_env(DiscretizeObservation(gym.make("MountainCar-v0"), [4, 5]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 0}, "bins=0 is not valid; pass integers >= 1"),
        ({"bins": [2, 1.5]}, r"bins=\[2, 1.5\] is not valid"),
        ({"bins": [2]}, r"bins=\[2\] has 1 entries; pass one number, or one for each of the 2 dimensions"),
        ({"low": [0, 0, 0]}, r"low=\[0, 0, 0\] has 3 entries"),
        ({}, "dimension 1 ranges from -inf to inf; pass finite low and high"),
        ({"low": 2, "high": 2}, "dimension 0 ranges from 2 to 2"),
        ({"bins": 10**5, "low": 0, "high": 1}, "make 10,000,000,000 cells; pass fewer bins"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"DiscretizeObservation: .*{message}"):
        DiscretizeObservation(box([-1, -np.inf], [1, np.inf]), **arguments)


def test_needs_a_box() -> None:
    with pytest.raises(ValueError, match=r"observation_space=Discrete\(3\) is not valid; it needs a Box"):
        DiscretizeObservation(Boxed(spaces.Discrete(3)))
