"""The best plan within a polytope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.aim import Aim
from sb3_ext.envs.ad_spend.optimum.barrier import maximize
from sb3_ext.envs.ad_spend.optimum.polytope import ConstrainedPolytope


class Found(NamedTuple):
    """The best plan that was found."""

    spend: FloatArray
    """Shape (N, T), money."""
    gain: float
    """What it earns over no spend, money."""
    upper_bound: float
    """No plan can earn more."""
    prices: Mapping[str, float] = MappingProxyType({})
    """What one more unit of money in each condition is worth, by its name."""


def search(aim: Aim, polytope: ConstrainedPolytope, pulses: Sequence[FloatArray], tolerance: float) -> Found:
    """
    The best plan within a polytope, certified by the linear program of the Frank-Wolfe gap. An aim that is not concave
    is bounded by its relaxation and searched from that one's plan, the center, and pulses brought within the polytope,
    until the bound is reached.
    """
    center = polytope.center
    if polytope.is_single:
        return Found(center, aim.gain(center), aim.gain(center))
    relaxed, slack = maximize(aim.relaxation, polytope, center, tolerance)
    upper_bound = aim.bound(relaxed) + slack
    if aim.is_concave:
        return Found(relaxed, aim.gain(relaxed), upper_bound)
    best = max(relaxed, center, key=aim.gain)
    for plan in (center, relaxed, *pulses):
        near = polytope.nearest(plan)
        found, _ = maximize(aim.objective, polytope, 0.95 * near + 0.05 * center, tolerance)
        best = max(best, near, found, key=aim.gain)
        if upper_bound - aim.gain(best) <= tolerance * abs(aim.gain(best)):
            break
    return Found(best, aim.gain(best), upper_bound)
