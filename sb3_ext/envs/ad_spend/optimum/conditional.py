"""The best plan under any linear conditions and smallest buys, or for a risk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.channel_problem import ChannelProblem
from sb3_ext.envs.ad_spend.optimum.constraints import Condition
from sb3_ext.envs.ad_spend.optimum.infeasible import explain
from sb3_ext.envs.ad_spend.optimum.objective import Objective
from sb3_ext.envs.ad_spend.optimum.polytope import ConstrainedPolytope, Rows, Unreachable
from sb3_ext.envs.ad_spend.optimum.pulses import pulse_plans
from sb3_ext.envs.ad_spend.optimum.search import Found, search
from sb3_ext.envs.ad_spend.optimum.smallest_buys import search_buys
from sb3_ext.envs.ad_spend.optimum.together import Together

_MOST_SPENDS = 2000
# Scattered plans that are searched from, and how they are concentrated on few spends (below 1) or even (above).
_SCATTERED, _CONCENTRATION = 12, 0.3


def plan_under_conditions(
    aim_of: Callable[[FloatArray, FloatArray], Aim],
    channels: list[ChannelProblem],
    budget: float,
    conditions: Sequence[Condition],
    smallest_buy: FloatArray | None,
    tolerance: float,
    starts: Sequence[FloatArray] | None = None,
) -> Found:
    """
    The best plan under ``conditions``, the budget among them, within the bounds of the channels; spends are 0 or at
    least ``smallest_buy``, shape (T, N), where that is given. The search starts from ``starts``, shape (N, T), or where
    the aim is not concave from the best pulses and from plans scattered at random, the same every time.
    """
    low, cap = (np.stack([getattr(channel, end) for channel in channels]) for end in ("low", "cap"))
    if starts is None and low.size > _MOST_SPENDS:
        raise ValueError(
            f"conditions, and plans for a risk, are for up to {_MOST_SPENDS} spends (periods times channels), "
            f"got {low.size}"
        )
    rows = Rows(conditions)
    buys = None if smallest_buy is None or not np.any(smallest_buy.T > low) else smallest_buy.T
    narrow_low, narrow_cap, coupled = rows.within(low, cap)
    aim = aim_of(narrow_low if buys is None else np.where(narrow_low < buys, 0.0, narrow_low), narrow_cap)
    if starts is None:
        starts = [] if aim.is_concave or low.sum() >= budget else pulse_plans(channels, budget)
        # Over draws every search takes long.
        if starts and buys is None and isinstance(aim.objective, (Objective, Together)):
            starts += _scattered(cap, budget)
    try:
        if np.any(narrow_low > narrow_cap):
            raise Unreachable
        if buys is None:
            found = search(aim, ConstrainedPolytope(narrow_low, narrow_cap, budget, coupled), starts, tolerance)
        else:
            found = search_buys(aim, narrow_low, narrow_cap, budget, coupled, buys, starts, tolerance)
    except Unreachable:
        raise explain(conditions, low.shape) from None
    _, on_most, on_level = rows.maximum(aim.objective.gradient(found.spend), np.zeros_like(cap), 2.0 * cap)
    on_most = rows.sides * on_most
    prices = np.bincount(rows.of_most, on_most, len(conditions)) + np.bincount(rows.of_level, on_level, len(conditions))
    by_name: dict[str, float] = {}
    for condition, price in zip(conditions, prices.tolist(), strict=True):
        by_name[condition.name] = by_name.get(condition.name, 0.0) + price
    return found._replace(prices=by_name)


def _scattered(cap: FloatArray, budget: float) -> list[FloatArray]:
    shares = np.random.default_rng(0).dirichlet(np.full(cap.size, _CONCENTRATION), _SCATTERED)
    return list(np.minimum(budget * shares.reshape(-1, *cap.shape), cap))
