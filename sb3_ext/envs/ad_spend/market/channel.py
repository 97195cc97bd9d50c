"""The parameters of one advertising channel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sb3_ext.envs.ad_spend.market.checks import MOST_MONEY, MOST_SALES, check_name, check_number
from sb3_ext.envs.ad_spend.market.curves import FAMILIES


@dataclass(frozen=True)
class Channel:
    """
    One advertising channel: a saturating response to an adstock (carried-over advertising).

    The normalised geometric adstock is ``A_t = theta * A_{t-1} + (1 - theta) * media_t``: a constant spend x has the
    adstock x. A period's sales are ``beta * A**alpha / (kappa**alpha + A**alpha)`` on a Hill curve, and
    ``beta * (1 - exp(-lam A)) / (1 + exp(-lam A))`` with ``lam = ln(3) / kappa`` on a logistic one.

    No amount of money may exceed 1e13, no sales 1e15.

    :param name: Name of the channel, unique in its market: at most 200 visible characters.
    :param beta: Sales at full saturation, money per period, >= 0.
    :param kappa: Adstock at which half of ``beta`` is sold, money per period, at least 1e-6.
    :param alpha: Shape of a Hill curve, in [0.01, 20]. At most 1: concave; above 1: S-shaped. 1 on a logistic curve.
    :param theta: Share of the adstock carried over to the next period, in [0, 1).
    :param historical_mean: Mean spend per period before the campaign, money, >= 0.
    :param cap: Largest spend per period, money, > 0. ``None``: the environment derives it from the budget.
    :param historical_max: Largest spend per period the model was fitted on, money, > 0. ``None``: unknown.
    :param initial_adstock: Adstock before the first period, money, >= 0. ``None``: the steady state of the historical
        mean.
    :param saturation: Family of the response curve, ``"hill"`` or ``"logistic"``.
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
        if numbers["alpha"] != 1.0 and not FAMILIES[self.saturation].has_shape:
            raise ValueError(f"{label}a {self.saturation} curve has no alpha: leave it at 1, got {self.alpha!r}")
        for name, number in numbers.items():
            object.__setattr__(self, name, number)


def periods_to_forget(thetas: Iterable[float]) -> int:
    """Periods until less than a thousandth of any adstock is left, by the carry-over of every channel; at most 1000."""
    longest = max(thetas)
    return min(math.ceil(math.log(1e-3) / math.log(longest)), 1000) if longest > 0.0 else 0


def default_spend_cap(budget: float, periods: int, n_channels: int) -> float:
    """Largest spend per channel and period where nothing else is known: four times the even split of the budget."""
    return 4.0 * budget / (periods * n_channels)
