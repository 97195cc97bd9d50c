"""The parameters of one advertising channel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY, MOST_SALES, check_name, check_number
from sb3_ext.envs.ad_spend.market.curves import FAMILIES


@dataclass(frozen=True)
class Channel:
    """
    One advertising channel: a saturating response to an adstock (carried-over advertising).

    The normalised geometric adstock is ``A_t = theta * A_{t-1} + (1 - theta) * media_t``; with ``weights`` it is
    ``A_t = sum_k weights[k] * media_{t-k}``. Of a constant spend x both are x. A period's sales are
    ``beta * A**alpha / (kappa**alpha + A**alpha)`` on a Hill curve, ``beta * (1 - exp(-lam A)) / (1 + exp(-lam A))``
    with ``lam = ln(3) / kappa`` on a logistic one, and ``beta / 2 * (A / kappa)**alpha`` on a root, which never
    saturates.

    No amount of money may exceed 1e13, no sales 1e15.

    :param name: Name of the channel, unique in its market: at most 200 visible characters.
    :param beta: Sales at full saturation (on a root: twice those at ``kappa``), money per period, >= 0.
    :param kappa: Adstock at which half of ``beta`` is sold, money per period, at least 1e-6.
    :param alpha: Shape of a Hill curve, in [0.01, 20]. At most 1: concave; above 1: S-shaped. In [0.01, 1] on a root, 1
        on a logistic curve.
    :param theta: Share of the adstock carried over to the next period, in [0, 1).
    :param historical_mean: Mean spend per period before the campaign, money, >= 0.
    :param cap: Largest spend per period, money, > 0. ``None``: the environment derives it from the budget.
    :param historical_max: Largest spend per period the model was fitted on, money, > 0. ``None``: unknown.
    :param initial_adstock: Adstock before the first period, money, >= 0. ``None``: the steady state of the historical
        mean. With ``weights`` it follows from the history.
    :param saturation: Family of the response curve, ``"hill"``, ``"logistic"`` or ``"root"``.
    :param weights: Weights of the spends of this period and those before it in the adstock, >= 0 with a sum of 1; then
        theta is 0. ``None``: geometric carry-over.
    :param history: Spends of the periods before the campaign, the last one last, money, >= 0. Where it is shorter than
        ``weights``, the historical mean was spent before.
    :raises ValueError: If a parameter is out of its range.
    """

    name: str
    beta: float
    kappa: float
    alpha: float = 1.0
    theta: float = 0.0
    historical_mean: float = 0.0
    cap: float | None = None
    historical_max: float | None = None
    saturation: str = "hill"
    initial_adstock: float | None = None
    weights: tuple[float, ...] | None = None
    history: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name, "channel name")
        label = f"channel {self.name!r}: "
        numbers = {
            "beta": check_number(self.beta, label + "beta", 0.0, MOST_SALES),
            "kappa": check_number(self.kappa, label + "kappa", 1e-6, MOST_SALES),
            "alpha": check_number(self.alpha, label + "alpha", 0.01, 20.0),
            "theta": check_number(self.theta, label + "theta", 0.0, 1.0, high_open=True),
            "historical_mean": check_number(self.historical_mean, label + "historical_mean", 0.0, MOST_MONEY),
        }
        for optional in ("cap", "historical_max"):
            if getattr(self, optional) is not None:
                numbers[optional] = check_number(getattr(self, optional), label + optional, 1e-9, MOST_MONEY)
        if self.initial_adstock is not None:
            numbers["initial_adstock"] = check_number(self.initial_adstock, label + "initial_adstock", 0.0, MOST_MONEY)
        if not isinstance(self.saturation, str) or self.saturation not in FAMILIES:
            raise ValueError(f"{label}saturation must be one of {list(FAMILIES)}, got {self.saturation!r:.80}")
        family = FAMILIES[self.saturation]
        if numbers["alpha"] != 1.0 and not family.has_shape:
            raise ValueError(f"{label}a {self.saturation} curve has no alpha: leave it at 1, got {self.alpha!r}")
        if numbers["alpha"] > family.highest_alpha:
            raise ValueError(
                f"{label}alpha of a {self.saturation} curve is at most {family.highest_alpha:g}, got {self.alpha!r}"
            )
        object.__setattr__(self, "history", _spends(self.history, label + "history"))
        if self.weights is not None:
            object.__setattr__(self, "weights", self._checked_weights(label))
        for name, number in numbers.items():
            object.__setattr__(self, name, number)

    def _checked_weights(self, label: str) -> tuple[float, ...]:
        if self.theta or self.initial_adstock is not None:
            raise ValueError(
                f"{label}weights take the place of theta and initial_adstock: leave them out (the campaign starts from "
                "the history)"
            )
        weights = _spends(self.weights, label + "weights")
        if not weights or abs(math.fsum(weights) - 1.0) > 1e-9:
            raise ValueError(
                f"{label}weights must add up to 1, got {math.fsum(weights):g}: divide them and kappa by their sum"
            )
        return weights

    def past(self, length: int) -> tuple[float, ...]:
        """Spends of the last periods before the campaign, newest first, money."""
        last = self.history[: -length - 1 : -1]
        return (*last, *[self.historical_mean] * (length - len(last)))

    @property
    def adstock_before(self) -> float:
        """Adstock of the period before the campaign, money."""
        if self.weights is not None:
            return math.fsum(
                weight * spent for weight, spent in zip(self.weights, self.past(len(self.weights)), strict=True)
            )
        return self.historical_mean if self.initial_adstock is None else self.initial_adstock

    def with_period(self, ratio: float) -> Channel:
        """The channel for periods ``ratio`` times as long, > 0: see :meth:`Market.with_period`."""
        if self.weights is not None and ratio != 1.0:
            raise ValueError(
                f"channel {self.name!r}: weights of another period length do not follow from those of this one: plan "
                "in the model's own periods"
            )
        flows = ("beta", "kappa", "historical_mean", "cap", "historical_max", "initial_adstock")
        given = {name: getattr(self, name) for name in flows if getattr(self, name) is not None}
        history = self.history if ratio == 1.0 else ()
        scaled = {name: number * ratio for name, number in given.items()}
        return replace(self, theta=self.theta**ratio, history=history, **scaled)


def _spends(numbers: Any, what: str) -> tuple[float, ...]:
    """Many numbers at once, which a posterior has by the thousand."""
    try:
        array = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.ndim != 1 or not np.all((array >= 0.0) & (array <= MOST_MONEY)):
        raise ValueError(f"{what} must be a list of numbers from 0 to {MOST_MONEY:g}, got {numbers!s:.80}")
    return tuple(array.tolist())


def periods_to_forget(thetas: Iterable[float]) -> int:
    """Periods until less than a thousandth of any adstock is left, by the carry-over of every channel; at most 1000."""
    longest = max(thetas)
    return min(math.ceil(math.log(1e-3) / math.log(longest)), 1000) if longest > 0.0 else 0


def default_spend_cap(budget: float, periods: int, n_channels: int) -> float:
    """Largest spend per channel and period where nothing else is known: four times the even split of the budget."""
    return 4.0 * budget / (periods * n_channels)
