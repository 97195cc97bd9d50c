"""Response curves: from carried-over advertising to sales."""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray


class Curves:
    """
    Hill curves ``beta * A**alpha / (kappa**alpha + A**alpha)`` of N channels, for one market or one per campaign.

    :param beta: Sales at full saturation, shape (..., N), money per period, >= 0.
    :param kappa: Adstock at which half of ``beta`` is sold, shape (..., N), money per period, > 0.
    :param alpha: Exponents, shape (..., N), > 0.
    :param theta: Share of the adstock carried over to the next period, shape (..., N), in [0, 1).
    """

    def __init__(self, beta: FloatArray, kappa: FloatArray, alpha: FloatArray, theta: FloatArray) -> None:
        self.beta, self.kappa, self.alpha, self.theta = beta, kappa, alpha, theta
        self._is_michaelis_menten = bool(np.all(alpha == 1.0))
        self._beta_kappa = beta * kappa

    def repeated(self, times: int) -> Curves:
        """
        The same curves for every campaign of a batch.

        :param times: Number of campaigns n.
        :return: Curves with parameters of shape (n, N).
        """
        columns = (self.beta, self.kappa, self.alpha, self.theta)
        return Curves(*(np.repeat(column[None], times, axis=0) for column in columns))

    def response(self, adstock: FloatArray) -> FloatArray:
        """
        Sales per channel and period at demand factor 1.

        :param adstock: Adstock >= 0, shape (..., N).
        :return: Sales, shape (..., N), money per period.
        """
        if self._is_michaelis_menten:
            return self.beta * adstock / (self.kappa + adstock)
        power = (adstock / self.kappa) ** self.alpha
        return self.beta * power / (1.0 + power)

    def marginal_response(self, adstock: FloatArray) -> FloatArray:
        """
        Derivative of :meth:`response` with respect to the adstock.

        :param adstock: Adstock >= 0, shape (..., N). At 0 the derivative is infinite for ``alpha < 1``.
        :return: Additional sales per additional adstock, shape (..., N).
        """
        if self._is_michaelis_menten:
            level = self.kappa + adstock
            return self._beta_kappa / (level * level)
        ratio = adstock / self.kappa
        power = ratio**self.alpha
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = self.beta * self.alpha / self.kappa * ratio ** (self.alpha - 1.0) / (1.0 + power) ** 2
        return np.where(self.beta > 0.0, slope, 0.0)
