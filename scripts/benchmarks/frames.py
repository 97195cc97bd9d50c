"""Memory and speed of replay of stacked images, beside SB3's."""

import functools
import itertools
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer

from benchmarks.groups import Case, Group, microseconds
from sb3_ext.replay.frames import FrameReplayBuffer

SIZE, BATCH = 50_000, 32
STACK, HEIGHT, WIDTH = 4, 84, 84
SPACES = (spaces.Box(0, 255, (STACK, HEIGHT, WIDTH), np.uint8), spaces.Discrete(9))
EPISODE = 500  # steps


class Setting(NamedTuple):
    """How a buffer is used."""

    n_envs: int
    n_steps: int

    def make(self, cls: type[ReplayBuffer], size: int, **kwargs: Any) -> ReplayBuffer:
        """Make a buffer; SB3's plain one knows no ``n_steps``."""
        if self.n_steps > 1:
            kwargs["n_steps"] = self.n_steps
        return cls(size, *SPACES, "cpu", self.n_envs, **kwargs)

    @property
    def upstream(self) -> type[ReplayBuffer]:
        """SB3's buffer."""
        return ReplayBuffer if self.n_steps == 1 else NStepReplayBuffer

    def __str__(self) -> str:
        return f"{self.n_envs} environment{'s' if self.n_envs > 1 else ''}, n_steps {self.n_steps}"


SETTINGS = (Setting(1, 1), Setting(8, 1), Setting(1, 3))


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: memory, and the times of drawing a batch and of adding transitions
    """
    # Memory that is never written to costs nothing.
    allocated, size, calls, slices = (10_000, 1_000, 2, 2) if quick else (SIZE, SIZE, 20, 20)
    images = f"transitions of {STACK}x{HEIGHT}x{WIDTH} bytes"
    found = []
    for setting in SETTINGS:
        memory = functools.partial(_memory, setting, allocated)
        found.append(Group("frames_per_transition", "frames", f"{allocated} {images}, {setting}", memory))
    for setting in SETTINGS:
        drawing = functools.partial(_drawing, setting, size, calls)
        found.append(Group("sample_frames", "us", f"{size} {images}, {setting}, batch {BATCH}", drawing, slices))
    adding = functools.partial(_adding, SETTINGS[0], 1_000, calls)
    setting_of_add = f"1000 transitions, {SETTINGS[0]}, transposed as by VecTransposeImage"
    found.append(Group("add_frames", "us", setting_of_add, adding, slices))
    return found


def _memory(setting: Setting, size: int) -> Sequence[Case]:
    def case(cls: type[ReplayBuffer], name: str, reference: str | None, **kwargs: Any) -> Case:
        make = functools.partial(setting.make, cls, size, **kwargs)
        return Case(name, lambda: frames_per_transition(make), reference)

    upstream = f"SB3 {setting.upstream.__name__}"
    cases = [case(setting.upstream, upstream, None)]
    if setting.n_steps == 1:
        option: dict[str, Any] = {"optimize_memory_usage": True, "handle_timeout_termination": False}
        cases.append(case(ReplayBuffer, f"{upstream}, optimize_memory_usage", upstream, **option))
    return [*cases, case(FrameReplayBuffer, "FrameReplayBuffer", upstream)]


def frames_per_transition(make: Callable[[], ReplayBuffer]) -> float:
    """
    Measure what a replay buffer allocates.

    :param make: makes it
    :return: bytes per transition, in bytes of a single frame
    """
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        buffer = make()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / (buffer.buffer_size * buffer.n_envs) / (HEIGHT * WIDTH)


def _drawing(setting: Setting, size: int, calls: int) -> Sequence[Case]:
    upstream, ours = setting.make(setting.upstream, size), setting.make(FrameReplayBuffer, size)
    for transition in itertools.islice(play(setting.n_envs), upstream.buffer_size):
        upstream.add(*transition)
        ours.add(*transition)
    name = f"SB3 {setting.upstream.__name__}"
    return [
        Case(name, microseconds(lambda: upstream.sample(BATCH), calls)),
        Case("FrameReplayBuffer", microseconds(lambda: ours.sample(BATCH), calls), name),
    ]


def _adding(setting: Setting, size: int, calls: int) -> Sequence[Case]:
    def adding(cls: type[ReplayBuffer]) -> Callable[[], float]:
        buffer, played = setting.make(cls, size), itertools.cycle(transitions)
        return microseconds(lambda: buffer.add(*next(played)), calls)

    transitions = list(itertools.islice(play(setting.n_envs), EPISODE))
    return [
        Case("SB3 ReplayBuffer", adding(ReplayBuffer)),
        Case("FrameReplayBuffer", adding(FrameReplayBuffer), "SB3 ReplayBuffer"),
    ]


Transition = tuple[
    npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], list[dict[str, Any]]
]


def play(n_envs: int) -> Iterator[Transition]:
    """
    Make up transitions of stacked random frames, zeros before the first one of an episode, without end.

    :param n_envs: number of environments
    :return: arguments of ``ReplayBuffer.add``; observations are views, as SB3's ``VecTransposeImage`` returns them
    """
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (256, HEIGHT, WIDTH), dtype=np.uint8)
    infos: list[dict[str, Any]] = [{}] * n_envs

    def stacked(before: npt.NDArray[Any]) -> npt.NDArray[Any]:
        following = np.empty_like(before)
        following[..., :-1] = before[..., 1:]
        following[..., -1] = pool[rng.integers(len(pool), size=n_envs)]
        return following

    empty = np.zeros((n_envs, HEIGHT, WIDTH, STACK), np.uint8)
    stacks = stacked(empty)
    for step in itertools.count(1):
        following = stacked(stacks)
        done = np.full(n_envs, step % EPISODE == 0)
        actions, rewards = rng.integers(0, 9, n_envs), rng.normal(size=n_envs)
        yield stacks.transpose(0, 3, 1, 2), following.transpose(0, 3, 1, 2), actions, rewards, done, infos
        stacks = stacked(empty) if done[0] else following
