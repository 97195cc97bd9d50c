"""Gradient updates per second on stacked images, beside SB3's DQN."""

import functools
from collections.abc import Sequence
from typing import Any

from stable_baselines3.common.envs import FakeImageEnv
from stable_baselines3.common.torch_layers import NatureCNN

from benchmarks.contenders import Contender
from benchmarks.contests import Contestant, eager, enter
from benchmarks.groups import Case, Group, Missing
from benchmarks.rivals import Rival

BATCH, BUFFER = 32, 1_000
_SAME: dict[str, Any] = {
    "dueling": False,
    "double_q": False,
    "policy_kwargs": {"features_extractor_class": NatureCNN},
}
CONTESTANTS = (
    Contestant("SB3 DQN", "stable_baselines3:DQN", {}),
    Contestant("DuelingDQN as DQN", "sb3_ext:DuelingDQN", _SAME),
    Contestant("DuelingDQN as DQN, compiled", "sb3_ext:DuelingDQN", {**_SAME, "compile": True}),
    Contestant("DuelingDQN", "sb3_ext:DuelingDQN", {}),
    Contestant("DuelingDQN, compiled", "sb3_ext:DuelingDQN", {"compile": True}),
)
"""``DuelingDQN as DQN`` has SB3's network and computes what SB3's DQN computes."""


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: gradient updates per second, on one and on two threads
    """
    size, updates, slices = (BATCH, 1, 1) if quick else (BUFFER, 4, 3)
    return [
        Group(
            "image_updates_per_second",
            "updates/s",
            f"Nature's convolutions, 4x84x84 bytes, batch {BATCH}",
            functools.partial(_updating, eager(CONTESTANTS) if quick else CONTESTANTS, size, updates),
            slices,
            threads=threads,
        )
        for threads in ((1,) if quick else (1, 2))
    ]


def _updating(contestants: Sequence[Contestant], size: int, updates: int) -> Sequence[Case | Missing]:
    def fill(contender: Contender | Rival) -> None:
        contender.fill()
        contender.updates_per_second(1, 1, BATCH)

    env = functools.partial(FakeImageEnv, n_channels=4, channel_first=True)
    upstream = contestants[0].name
    cases: list[Case | Missing] = []
    for entry in enter(contestants, fill, env=env, policy="CnnPolicy", buffer_size=size):
        if isinstance(entry, Missing):
            cases.append(entry)
        else:
            name, contender = entry
            measure = functools.partial(contender.updates_per_second, updates, 1, BATCH)
            cases.append(Case(name, measure, None if name == upstream else upstream))
    return cases
