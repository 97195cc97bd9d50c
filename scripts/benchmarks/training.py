"""Environment steps per second of whole trainings: acting, stepping, storing and updating."""

import functools
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.contests import DDPG, DQN, Contestant, eager, enter
from benchmarks.groups import Case, Group, Missing
from benchmarks.plain_loops import ddpg_loop, dqn_loop

HIDDEN = (64, 64)
COMMON: dict[str, Any] = {"batch_size": 64, "buffer_size": 50_000, "learning_starts": 100}
NOISE = 0.1
TARGET_UPDATES = 500
N_ENVS = 8


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: steps per second of ``learn``
    """
    steps, on_policy_steps, slices = (20, 100, 1) if quick else (300, 8_000, 3)
    ddpg, dqn = (eager(DDPG), eager(DQN)) if quick else (DDPG, DQN)
    size = f"{HIDDEN[0]}-{HIDDEN[1]}, batch {COMMON['batch_size']}"
    found = [
        Group(
            "training_steps_per_second",
            "steps/s",
            f"Pendulum-v1, DDPG {size}, an update per step",
            functools.partial(_ddpg, ddpg, steps),
            slices,
        )
    ]
    for train_freq in (1, 4):
        how_often = "per step" if train_freq == 1 else f"every {train_freq} steps"
        setting = f"CartPole-v1, DQN {size}, an update {how_often}"
        prepare = functools.partial(_dqn, dqn, steps * train_freq, train_freq)
        if not quick or train_freq == 1:
            found.append(Group("training_steps_per_second", "steps/s", setting, prepare, slices))
    setting = f"CartPole-v1, {N_ENVS} environments, a fresh agent learns for {on_policy_steps} steps"
    prepare = functools.partial(_on_policy, on_policy_steps)
    return [*found, Group("training_steps_per_second", "steps/s", setting, prepare, slices)]


def _ddpg(contestants: Sequence[Contestant], steps: int) -> Sequence[Case | Missing]:
    build = {"env": "Pendulum-v1", "noise": NOISE, "train_freq": 1, "gradient_steps": 1}
    loop = ddpg_loop("Pendulum-v1", HIDDEN, noise=NOISE, **COMMON)
    return [*_off_policy(contestants, steps, build), _plain("plain PyTorch loop", loop, steps, contestants[0].name)]


def _dqn(contestants: Sequence[Contestant], steps: int, train_freq: int) -> Sequence[Case | Missing]:
    frequencies = {"train_freq": train_freq, "target_update_interval": TARGET_UPDATES}
    loop = dqn_loop("CartPole-v1", HIDDEN, **frequencies, **COMMON)
    cases = _off_policy(contestants, steps, {"env": "CartPole-v1", "gradient_steps": 1, **frequencies})
    return [*cases, _plain("plain PyTorch loop", loop, steps, contestants[0].name)]


def _off_policy(contestants: Sequence[Contestant], steps: int, build: dict[str, Any]) -> list[Case | Missing]:
    upstream = contestants[0].name
    cases: list[Case | Missing] = []
    network = {"net_arch": list(HIDDEN)}
    warm_up = COMMON["learning_starts"] + 50
    for entry in enter(
        contestants, lambda contender: contender.steps_per_second(warm_up), policy_kwargs=network, **COMMON, **build
    ):
        if isinstance(entry, Missing):
            cases.append(entry)
        else:
            name, contender = entry
            measure = functools.partial(contender.steps_per_second, steps)
            cases.append(Case(name, measure, None if name == upstream else upstream))
    return cases


def _plain(name: str, loop: Iterator[float | None], steps: int, reference: str) -> Case:
    def measure() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            next(loop)
        return steps / (time.perf_counter() - start)

    for _ in range(COMMON["learning_starts"] + 50):
        next(loop)
    return Case(name, measure, reference)


def _on_policy(steps: int) -> Sequence[Case | Missing]:
    def measure(algorithm: str, **arguments: Any) -> float:
        return Contender(algorithm, "CartPole-v1", N_ENVS, **arguments).steps_per_second(steps)

    upstream = "SB3 A2C"
    return [
        Case(upstream, functools.partial(measure, "stable_baselines3:A2C")),
        Case("REINFORCE", functools.partial(measure, "sb3_ext:REINFORCE", n_episodes=N_ENVS), upstream),
    ]
