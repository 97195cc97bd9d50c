"""One curve in place of many draws of it."""

from __future__ import annotations

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.curves import FAMILIES

_LEVELS = 40
_BEYOND = 1.5


def mean_curve(
    family: str, beta: FloatArray, kappa: FloatArray, alpha: FloatArray, seen: float
) -> tuple[float, float, float]:
    """
    Beta, kappa and alpha of the curve of a family that is closest (least squares) to the mean of draws, shape (D,),
    from 0 to one and a half times the largest adstock ``seen``; alpha is the median of the draws'.

    The means of the parameters would not do: a few draws that hardly saturate would decide where half is reached.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and `import sb3_ext` comes here

    shape = float(np.median(alpha))
    if seen <= 0.0 or not np.any(beta):
        return 0.0, float(np.median(kappa)), shape
    levels = _BEYOND * seen * np.arange(1, _LEVELS + 1) / _LEVELS
    mean = FAMILIES[family](beta, kappa, alpha).response(levels[:, None]).mean(axis=-1)

    def fit(log_kappa: float) -> tuple[float, FloatArray]:
        curve = FAMILIES[family](np.ones(()), np.exp(log_kappa), np.array(shape)).response(levels)
        best = float(curve @ mean / (curve @ curve))
        return best, mean - best * curve

    low, high = np.log(kappa.min()), np.log(kappa.max())
    if high - low < 1e-9:
        return fit(low)[0], float(np.exp(low)), shape
    found = minimize_scalar(
        lambda log_kappa: float(np.square(fit(log_kappa)[1]).sum()), bounds=(low, high), method="bounded"
    )
    return fit(found.x)[0], float(np.exp(found.x)), shape
