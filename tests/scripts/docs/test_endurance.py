import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from docs.endurance import MODELS, VECTORS, environment_ids, growth, learned, readings

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells about open files")


def test_everything_of_the_package_is_measured() -> None:
    assert len(environment_ids()) == len(set(environment_ids())) > 10
    assert {"AdSpend-v0", "ThreeStateMDP-v0", "MsPacmanPreprocessed-v0"} <= set(environment_ids())
    assert len(MODELS) == 7


@pytest.mark.parametrize(
    "task",
    [
        ("steps", "ThreeStateMDP-v0", 4),
        ("opened", "DummyVecEnv", 3),
        ("opened", "GymnasiumVecEnv, sync", 3),
        ("learn", "QLearning", 3, 20),
    ],
    ids=lambda task: f"{task[0]}-{task[1]}",
)
def test_nothing_stays_open(task: tuple[Any, ...]) -> None:
    found = readings(*task)
    assert [reading.done for reading in found] == list(range(task[2] + 1))
    assert growth(found)[1:] == (0, 0)


def test_no_thread_stays_with_a_call_of_learn() -> None:
    before = None
    for _ in learned("QLearning", 4, 20):
        before = before or threading.active_count()
    assert threading.active_count() <= (before or 0) + 1  # the last log may still be written to


@pytest.mark.slow
@pytest.mark.parametrize(
    "task",
    [("steps", "AdSpend-v0", 20_000), *(("opened", kind, 20) for kind in VECTORS if "Atari" not in kind)],
    ids=lambda task: task[1],
)
def test_memory_is_flat(task: tuple[Any, ...]) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        megabytes, files, children = growth(executor.submit(readings, *task).result())
    assert megabytes < 3.0 and (files, children) == (0, 0)
