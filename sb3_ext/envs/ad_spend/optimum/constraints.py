"""Conditions on a plan that are linear in its spends, each with a name for messages, and smallest buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.common.wording import amount


@dataclass(frozen=True, eq=False)
class Condition:
    """
    Lines ``least <= sum of weights * spend <= most``, which say one thing together.

    :param name: What they say, for messages.
    :param weights: Shape (m, T, N).
    :param least: Lower ends, shape (m,) or a number, money; ``-inf``: none.
    :param most: Upper ends, likewise, at least ``least``; ``inf``: none.
    :param when: What tells the lines apart, e.g. their dates, m texts or none.
    :raises ValueError: If shapes do not match or an end is not a number.
    """

    name: str
    weights: FloatArray
    least: FloatArray
    most: FloatArray
    when: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.ndim != 3 or not np.all(np.isfinite(weights)):
            raise ValueError(f"{self.name}: weights must be finite, of shape (m, T, N), got {weights.shape}")
        try:
            least, most = (
                np.broadcast_to(np.asarray(end, np.float64), len(weights)) for end in (self.least, self.most)
            )
        except ValueError:
            raise ValueError(f"{self.name}: least and most must be numbers or {len(weights)} numbers each") from None
        if np.any(np.isnan(least) | np.isnan(most) | (least == np.inf) | (most == -np.inf)):
            raise ValueError(f"{self.name}: the ends must be numbers, got {least.tolist()} to {most.tolist()}")
        if self.when and len(self.when) != len(weights):
            raise ValueError(f"{self.name}: {len(weights)} lines need as many texts, got {len(self.when)}")
        for name, array in (("weights", weights), ("least", least), ("most", most)):
            object.__setattr__(self, name, array)


@dataclass(frozen=True, eq=False)
class Constraints:
    """
    What a plan has to keep to, besides its bounds and its budget.

    :param conditions: Linear conditions.
    :param smallest_buy: Spends are 0 or at least so much, shape (N,) or (T, N), money; None: no such condition.
    """

    conditions: tuple[Condition, ...] = ()
    smallest_buy: FloatArray | None = None

    def check(self, periods: int, n_channels: int) -> None:
        """Raise a ValueError unless all are on ``periods`` periods and ``n_channels`` channels."""
        for condition in self.conditions:
            if condition.weights.shape[1:] != (periods, n_channels):
                raise ValueError(
                    f"{condition.name}: weights must be of {periods} periods and {n_channels} channels, got "
                    f"{condition.weights.shape[1:]}"
                )
        if self.smallest_buy is not None:
            try:
                buy = np.broadcast_to(np.asarray(self.smallest_buy, dtype=np.float64), (periods, n_channels))
            except (TypeError, ValueError):
                buy = np.full((1, 1), np.nan)
            if not np.all((buy >= 0.0) & np.isfinite(buy)):
                raise ValueError(f"smallest_buy must be {n_channels} amounts of money >= 0, got {self.smallest_buy!r}")

    def buys(self, shape: tuple[int, int]) -> FloatArray | None:
        """The smallest buys, of the shape (T, N)."""
        if self.smallest_buy is None:
            return None
        return np.asarray(np.broadcast_to(self.smallest_buy, shape), dtype=np.float64)


BUDGET = "the budget"


def bounds_as_conditions(
    names: Sequence[str], budget: float, low: FloatArray, cap: FloatArray, when: Sequence[str] = ()
) -> list[Condition]:
    """The budget and the bounds, shape (T, N), as conditions that can be named."""
    everywhere = np.ones(low.shape, dtype=bool)
    conditions = [total(f"{BUDGET} of {amount(budget, 2)}", everywhere, most=budget)]
    for index, name in enumerate(names):
        where = everywhere & (np.arange(len(names)) == index)
        if np.any(low[:, index] > 0.0):
            conditions.append(each(f"{name}: {_range('at least', low[:, index])} a period", where, low, np.inf, when))
        conditions.append(each(f"{name}: {_range('at most', cap[:, index])} a period", where, 0.0, cap, when))
    return conditions


def _range(words: str, amounts: FloatArray) -> str:
    ends = [amount(float(end), 2) for end in (amounts.min(), amounts.max())]
    return f"{words} {ends[0] if ends[0] == ends[1] else ' to '.join(ends)}"


def total(name: str, where: BoolArray, least: float = -np.inf, most: float = np.inf) -> Condition:
    """What is spent in some periods and channels together, mask of shape (T, N)."""
    return Condition(name, where[None].astype(np.float64), least, most)  # type: ignore[arg-type]


def share(name: str, where: BoolArray, of: BoolArray, least: float = 0.0, most: float = 1.0) -> Condition:
    """The share that some spends have in others, masks of shape (T, N), in [0, 1]."""
    given = [(least, 0.0, np.inf)] * (least != 0.0) + [(most, -np.inf, 0.0)] * (most != 1.0)
    ends = np.array([(least, 0.0, 0.0)] if least == most else given).reshape(-1, 3)
    return Condition(name, where - ends[:, :1, None] * of, ends[:, 1], ends[:, 2])


def each(name: str, where: BoolArray, least: npt.ArrayLike, most: npt.ArrayLike, when: Sequence[str] = ()) -> Condition:
    """Bounds of single spends, mask and bounds of shape (T, N) or a number; ``when`` are texts of the T periods."""
    periods, channels = np.nonzero(where)
    weights = np.zeros((len(periods), *where.shape))
    weights[np.arange(len(periods)), periods, channels] = 1.0
    low, high = (np.broadcast_to(np.asarray(end, dtype=np.float64), where.shape)[where] for end in (least, most))
    return Condition(name, weights, low, high, tuple(when[int(period)] for period in periods) if when else ())


def change(
    name: str, channel: int, shape: tuple[int, int], by: float, *, relative: bool, when: Sequence[str] = ()
) -> Condition:
    """
    The largest change of a channel's spend from one period to the next, up or down, by ``by``: money, or relative to
    the spend of the period before.
    """
    periods, rows = shape[0], np.arange(shape[0] - 1)
    up, down = np.zeros((2, periods - 1, *shape))
    factor = by if relative else 0.0
    up[rows, rows + 1, channel], up[rows, rows, channel] = 1.0, -(1.0 + factor)
    down[rows, rows + 1, channel], down[rows, rows, channel] = -1.0, 1.0 - factor
    texts = tuple(when[1:]) * 2 if when else ()
    return Condition(name, np.concatenate([up, down]), -np.inf, 0.0 if relative else by, texts)  # type: ignore[arg-type]
