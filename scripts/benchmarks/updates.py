"""Gradient updates per second, each with a batch drawn from a full replay buffer, beside SB3's and sbx's."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks import products
from benchmarks.contenders import Contender
from benchmarks.contests import DDPG, DQN, Contestant, eager, enter
from benchmarks.groups import Case, Group, Missing
from benchmarks.rivals import Rival

BUFFER = 100_000
PER_CALL = (1, 10)
"""Updates in a call of ``train``: one as in most trainings, and ten, which sbx turns into one call of JAX."""


class Setting(NamedTuple):
    """Sizes of networks and of batches."""

    env_id: str
    contestants: Sequence[Contestant]
    products: Callable[[tuple[int, ...], int], list[products.Product]]
    hidden: tuple[int, int]
    batch_size: int

    def __str__(self) -> str:
        return f"{self.env_id}, {self.hidden[0]}-{self.hidden[1]}, batch {self.batch_size}"


_NETWORKS = (
    ("Pendulum-v1", DDPG, products.ddpg, ((64, 64), (256, 256), (400, 300))),
    ("CartPole-v1", DQN, products.dqn, ((64, 64), (256, 256))),
)
SETTINGS = tuple(
    Setting(env_id, contestants, multiplied, hidden, batch_size)
    for env_id, contestants, multiplied, networks in _NETWORKS
    for batch_size in (64, 256)
    for hidden in networks
)


def groups(quick: bool) -> list[Group]:
    """
    List what is measured.

    :param quick: whether only to see that it works
    :return: gradient updates per second
    """
    settings: Sequence[Setting] = SETTINGS
    if quick:
        small = [setting for setting in SETTINGS if (setting.hidden, setting.batch_size) == ((64, 64), 64)]
        settings = [setting._replace(contestants=eager(setting.contestants)) for setting in small]
    size, updates, slices = (1_000, 10, 1) if quick else (BUFFER, 100, 3)
    return [
        Group(
            "updates_per_second",
            "updates/s",
            str(setting),
            functools.partial(_updating, setting, size, updates),
            slices,
        )
        for setting in settings
    ]


def _updating(setting: Setting, size: int, updates: int) -> Sequence[Case | Missing]:
    def fill(contender: Contender | Rival) -> None:
        contender.fill()
        for per_call in PER_CALL:
            contender.updates_per_second(1, per_call, setting.batch_size)

    cases: list[Case | Missing] = []
    upstream = setting.contestants[0].name
    network = {"net_arch": list(setting.hidden)}
    for entry in enter(setting.contestants, fill, env=setting.env_id, buffer_size=size, policy_kwargs=network):
        if isinstance(entry, Missing):
            cases.append(entry)
            continue
        name, contender = entry
        for per_call, called in zip(PER_CALL, ("", f", {PER_CALL[1]} a call"), strict=True):
            measure = functools.partial(contender.updates_per_second, updates // per_call, per_call, setting.batch_size)
            cases.append(Case(name + called, measure, None if name == upstream else upstream + called))
    alone = products.updates_per_second(setting.products(setting.hidden, setting.batch_size), updates)
    cases.append(Case("matrix products alone", alone, upstream))
    return cases
