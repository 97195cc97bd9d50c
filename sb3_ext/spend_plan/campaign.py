"""What is to be planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend import Market
from sb3_ext.envs.ad_spend.market.response_curves import CurveFit


@dataclass(frozen=True)
class Campaign:
    """What is to be planned."""

    market: Market
    budget: float
    """Money."""
    dates: Sequence[date]
    """First day of every period."""
    low: FloatArray
    """Smallest spend per channel and period, shape (N,), money."""
    cap: FloatArray
    """Largest spend per channel and period, shape (N,), money."""
    fits: tuple[CurveFit, ...] = ()
    """Fits of the response curves, where the market comes from a CSV."""

    @property
    def periods(self) -> int:
        """Length of the campaign."""
        return len(self.dates)
