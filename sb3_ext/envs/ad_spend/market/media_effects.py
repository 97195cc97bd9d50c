"""What media bought does in a market, without money or time limits: adstock and sales."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.arrays import ChannelArrays
from sb3_ext.envs.ad_spend.market.carry_over import delays, impulse, left_over


class MediaEffects(ChannelArrays):
    """Channels whose adstock, or whose spends themselves, saturate."""

    saturation_first: bool

    def adstock(self, media: npt.ArrayLike, initial: npt.ArrayLike | None = None) -> FloatArray:
        """
        Normalised geometric adstock of a media plan.

        :param media: Media bought, shape (T, N), money per period.
        :param initial: Adstock before the first period, shape (N,), as the past's steady spend left it. ``None``: that
            of the market.
        :return: Adstock, shape (T, N).
        """
        bought = np.asarray(media, dtype=np.float64)
        level = self.initial_adstock if initial is None else np.asarray(initial, dtype=np.float64)
        if self.weights is not None and self.window is not None:
            past = self.window if initial is None else np.tile(level[:, None], self.window.shape[-1])
            carried = self._carried(bought, past)
            return carried + level * self.theta ** np.arange(1, len(bought) + 1)[:, None]
        levels = []
        for spent in bought:
            level = self.theta * level + (1.0 - self.theta) * spent
            levels.append(level)
        return np.array(levels)

    def sales(self, media: npt.ArrayLike) -> FloatArray:
        """
        Sales of a media plan at demand factor 1, after the past that the market knows.

        :param media: Media bought, shape (T, N), money per period.
        :return: Sales, shape (T, N), money per period.
        """
        if not self.saturation_first or self.window is None:
            return self.response(self.adstock(media))
        return self._carried(self.response(np.asarray(media, dtype=np.float64)), self.response(self.window.T).T)

    def _carried(self, amounts: FloatArray, past: FloatArray) -> FloatArray:
        """What arrives of amounts (T, N), and of those before, newest first (N, L), by the weights, shape (T, N)."""
        assert self.weights is not None
        periods = len(amounts)
        delayed = delays(impulse(self.theta, self.weights, periods), periods)
        arrived = left_over(self.weights, past, periods) + (delayed @ amounts.T[..., None])[..., 0]
        return np.asarray(arrived.T)

    def response(self, adstock: FloatArray) -> FloatArray:
        """
        Sales per channel and period at demand factor 1.

        :param adstock: Adstock >= 0, shape (..., N).
        :return: Sales, shape (..., N), money per period.
        """
        return self.curves.response(adstock)
