"""Draws in proportion to numbers that change, against plain arrays."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.replay import sum_tree
from sb3_ext.replay.sum_tree import SumTree

SIZES = [1, 2, 31, 32, 33, 1000, 1024, 1025, 32 * 1024, 32 * 1024 + 1, 40_000]
NUMBERS = st.one_of(st.just(0.0), st.floats(1e-6, 1e6), st.sampled_from([1e-300, 1e-12, 1e12]))


def draws(tree: SumTree, positions: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Draw with given positions, in [0, 1), within the equal parts."""
    with monkeypatch.context() as patch:
        patch.setattr(np.random, "random", lambda n: positions.copy())
        return tree.draw(len(positions))[0]


@st.composite
def changes(draw: st.DrawFn) -> tuple[int, list[tuple[np.ndarray, np.ndarray]]]:
    size = draw(st.sampled_from(SIZES))
    batches = []
    for _ in range(draw(st.integers(1, 4))):
        places = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20))
        values = draw(st.lists(NUMBERS, min_size=len(places), max_size=len(places)))
        batches.append((np.array(places), np.array(values)))
    return size, batches


@settings(max_examples=200, deadline=None)
@given(changes(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_draws_follow_running_sums(case: tuple[int, list[tuple[np.ndarray, np.ndarray]]], n: int, seed: int) -> None:
    size, batches = case
    tree, plain = SumTree(size), np.zeros(size)
    for places, values in batches:
        tree.update(places, values)
        for place, value in zip(places, values, strict=True):
            plain[place] = value
        np.testing.assert_array_equal(tree[np.arange(size)], plain)
        if not plain.any():
            with pytest.raises(ValueError, match="every number is 0"):
                tree.draw(n)
            continue
        np.random.seed(seed)
        indices, drawn = tree.draw(n)
        np.random.seed(seed)
        targets = (np.arange(n) + np.random.random(n)) * (plain.sum() / n)
        np.testing.assert_array_equal(drawn, plain[indices])
        assert (drawn > 0).all()
        assert (np.diff(indices) >= 0).all()
        # each target lies within its number's part of the total, up to rounding
        ends = plain.cumsum()
        slack = 1e-12 * ends[-1]
        assert (ends[indices] - plain[indices] <= targets + slack).all()
        assert (targets <= ends[indices] + slack).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=70).filter(any), st.floats(0.01, 0.99))
def test_draws_of_integers_are_exact(numbers: list[int], position: float) -> None:
    plain = np.array(numbers, dtype=float)
    tree = SumTree(len(numbers))
    tree.update(np.arange(len(numbers)), plain)
    with pytest.MonkeyPatch.context() as patch:
        found = draws(tree, np.full(int(plain.sum()), position), patch)
    np.testing.assert_array_equal(found, np.repeat(np.arange(len(numbers)), numbers))


@pytest.mark.parametrize("size", SIZES)
def test_every_level_leads_to_the_right_number(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = np.random.default_rng(size).integers(0, 4, size).astype(float)
    plain[-1] = 1.0
    tree = SumTree(size)
    tree.update(np.arange(size), plain)
    found = draws(tree, np.full(int(plain.sum()), 0.5), monkeypatch)
    np.testing.assert_array_equal(found, np.repeat(np.arange(size), plain.astype(int)))


@pytest.mark.parametrize("size", [3, 50, 1500])
@pytest.mark.parametrize("position", [0.0, 1 - 2**-53])
def test_the_very_ends_are_never_zeros(size: int, position: float, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = SumTree(size)
    inner = np.arange(1, size - 1)
    tree.update(inner, np.random.default_rng(0).random(len(inner)) + 0.1)
    found = draws(tree, np.full(7, position), monkeypatch)
    assert (tree[found] > 0).all()
    assert 1 <= found.min() <= found.max() <= size - 2


def test_a_zero_met_by_rounding_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = SumTree(100)
    tree.update(np.array([40, 70]), np.array([1.0, 2.0]))
    # sums that have lost what their blocks hold lead anywhere
    tree._root[:] = 1.0
    indices, values = tree.draw(50)
    assert set(indices) <= {40, 70}
    np.testing.assert_array_equal(values, tree[indices])


def test_frequencies_are_proportional() -> None:
    rng = np.random.default_rng(1)
    size = 2000
    numbers = rng.random(size) ** 3
    tree = SumTree(size)
    tree.update(np.arange(size), numbers)
    np.random.seed(0)
    counts = sum(np.bincount(tree.draw(100)[0], minlength=size) for _ in range(2000))
    expected = 200_000 * numbers / numbers.sum()
    groups = np.arange(size) % 50
    observed, wanted = np.bincount(groups, counts), np.bincount(groups, expected)
    assert ((observed - wanted) ** 2 / wanted).sum() < 86  # 99.9 % of chi-square with 49 degrees of freedom


def test_sums_do_not_drift() -> None:
    tree = SumTree(5000)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        tree.update(rng.integers(0, 5000, 32), 10.0 ** rng.uniform(-9, 9, 32))
    tree.update(np.arange(5000), 0.0)
    assert not any(level.any() for level in (*tree._blocks, tree._root))


def test_the_last_of_equal_indices_counts() -> None:
    tree = SumTree(40)
    tree.update(np.array([35, 35, 35]), np.array([1.0, 5.0, 2.0]))
    assert tree[np.array([35])] == 2.0
    assert tree._root.sum() == 2.0


def test_clear_and_copies() -> None:
    tree = SumTree(1100)
    tree.update(np.arange(1100), 1.0)
    copy = pickle.loads(pickle.dumps(tree))
    tree.clear()
    with pytest.raises(ValueError, match="nothing to draw"):
        tree.draw(1)
    np.random.seed(0)
    assert len(copy.draw(5)[0]) == 5
    assert sum(level.sum() for level in copy._blocks) == 1100 * len(copy._blocks)


def test_levels_shrink_to_a_root_that_is_summed_quickly() -> None:
    for size in (*SIZES, 10_000_000):
        tree = SumTree(size)
        assert len(tree._root) <= sum_tree.LARGEST_ROOT
        assert tree._blocks[0].size >= size
