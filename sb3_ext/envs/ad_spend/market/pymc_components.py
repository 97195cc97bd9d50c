"""The adstock and saturation of PyMC-Marketing in the terms of a market, draw by draw."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.carry_over import (
    binomial_weights,
    delayed_weights,
    geometric_weights,
    weibull_density_weights,
    weibull_survival_weights,
)

_HALF = math.log(3.0)


class Saturation(NamedTuple):
    """How a saturation is one of our curves."""

    family: str
    parameters: tuple[str, ...]
    curve: Callable[..., tuple[Any, Any, Any]]
    """From the parameters to beta, kappa and alpha, of scaled sales and spends."""


SATURATIONS = {
    "logistic": Saturation("logistic", ("lam", "beta"), lambda lam, beta: (beta, _HALF / lam, 1.0)),
    "inverse_scaled_logistic": Saturation("logistic", ("lam", "beta"), lambda lam, beta: (beta, lam, 1.0)),
    "tanh": Saturation("logistic", ("b", "c"), lambda b, c: (b, 0.5 * _HALF * b * c, 1.0)),
    "tanh_baselined": Saturation(
        "logistic",
        ("x0", "gain", "r", "beta"),
        lambda x0, gain, r, beta: (beta * gain * x0 / r, 0.5 * _HALF * x0 / np.arctanh(r), 1.0),
    ),
    "michaelis_menten": Saturation("hill", ("alpha", "lam"), lambda alpha, lam: (alpha, lam, 1.0)),
    "hill": Saturation("hill", ("slope", "kappa", "beta"), lambda slope, kappa, beta: (beta, kappa, slope)),
    "root": Saturation("root", ("alpha", "beta"), lambda alpha, beta: (2.0 * beta, 1.0, alpha)),
    "no_saturation": Saturation("root", ("beta",), lambda beta: (2.0 * beta, 1.0, 1.0)),
}
ADSTOCKS: dict[str, tuple[tuple[str, ...], Callable[..., FloatArray]]] = {
    "geometric": (("alpha",), geometric_weights),
    "delayed": (("alpha", "theta"), delayed_weights),
    "binomial": (("alpha",), binomial_weights),
    "weibull_pdf": (("lam", "k"), weibull_density_weights),
    "weibull_cdf": (("lam", "k"), weibull_survival_weights),
    "no_adstock": ((), lambda length: np.ones(1)),
}


def adstock_weights(settings: dict[str, Any], parameters: dict[str, FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Weights of an adstock as its attribute describes it, (..., L), of parameters that broadcast to ``shape``."""
    names, function = ADSTOCKS[settings["lookup_name"]]
    full = (np.broadcast_to(parameters[name], shape) for name in names)
    weights = function(*full, settings["l_max"])
    if settings.get("normalize", True) and settings["lookup_name"] != "no_adstock":
        weights = weights / weights.sum(axis=-1, keepdims=True)
    return np.broadcast_to(weights, (*shape, weights.shape[-1]))
