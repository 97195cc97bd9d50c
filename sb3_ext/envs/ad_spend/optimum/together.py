"""What several groups of channels earn together, each in a market of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.optimum.uncertain import Earning


class Together:
    """
    The sum of what G groups earn, concave where each is. Its channels are those of the groups one after another.

    ``sizes`` holds the number of channels of each.
    """

    def __init__(self, parts: Sequence[Earning], sizes: Sequence[int]) -> None:
        self._parts, self._ends = parts, np.cumsum(sizes)[:-1]

    def _groups(self, spend: FloatArray) -> Iterator[tuple[Earning, FloatArray]]:
        """Each with its spends, of all shape (N, T)."""
        return zip(self._parts, np.split(spend, self._ends), strict=True)

    def value(self, spend: FloatArray) -> FloatArray:
        """See :class:`Earning`."""
        return np.asarray(sum(part.value(own) for part, own in self._groups(spend)))

    def gain(self, spend: FloatArray) -> FloatArray:
        """Value over that of no spend."""
        return self.value(spend) - self.value(np.zeros_like(spend))

    def gradient(self, spend: FloatArray) -> FloatArray:
        """See :class:`Earning`."""
        return np.concatenate([part.gradient(own) for part, own in self._groups(spend)])

    def curvature(self, spend: FloatArray) -> FloatArray:
        """See :class:`Earning`."""
        return np.concatenate([part.curvature(own) for part, own in self._groups(spend)])
