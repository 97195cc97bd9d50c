"""Response curves, from carried-over advertising to sales: to add a family, write a class and name it in FAMILIES."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sb3_ext.common.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from typing_extensions import Self

# Of (A / kappa)**alpha: nothing more is sold above, and its cube over its square is a number still.
_FLAT = 1e150


@dataclass(frozen=True, eq=False)
class Curves(ABC):
    """
    Response curves of channels, of one market or one per campaign: they rise from 0 and reach half of ``beta`` at
    ``kappa``. All but :class:`Root` saturate at ``beta``.

    Everything is elementwise: the parameters have one shape, e.g. (N,) or (n, N), that broadcasts with the adstock's.

    :param beta: Sales at full saturation, money per period, >= 0.
    :param kappa: Adstock at which half of ``beta`` is sold, money per period, > 0.
    :param alpha: Shape, > 0; 1 where a family has none.
    """

    beta: FloatArray
    kappa: FloatArray
    alpha: FloatArray

    has_shape: ClassVar[bool] = False
    highest_alpha: ClassVar[float] = 20.0

    @abstractmethod
    def response(self, adstock: FloatArray) -> FloatArray:
        """Sales at demand factor 1, money per period, at an adstock >= 0."""

    @abstractmethod
    def slope(self, adstock: FloatArray) -> FloatArray:
        """First derivative of :meth:`response`; infinite at 0 where a curve is that steep."""

    @abstractmethod
    def curvature(self, adstock: FloatArray) -> FloatArray:
        """Second derivative of :meth:`response` at an adstock > 0; <= 0 where the curve is concave."""

    @property
    def inflexion(self) -> FloatArray:
        """Adstock from which on a curve is concave, money; 0: everywhere."""
        return np.zeros_like(self.beta)

    @property
    def touching(self) -> FloatArray:
        """Most efficient adstock, where the line from the origin touches a curve, money; 0 where the first unit is."""
        return np.zeros_like(self.beta)

    def most_sales(self, adstock: FloatArray) -> FloatArray:
        """Sales that no adstock up to the given one exceeds, money per period: those at saturation."""
        return self.beta

    @property
    def is_concave(self) -> bool:
        """Whether all curves are concave everywhere."""
        return not np.any((self.inflexion > 0.0) & (self.beta > 0.0))

    def map(self, function: Callable[[FloatArray], FloatArray]) -> Self:
        """The same curves with a function applied to every array of parameters, e.g. to choose campaigns."""
        return replace(self, beta=function(self.beta), kappa=function(self.kappa), alpha=function(self.alpha))

    def scaled(self, beta: FloatArray, kappa: FloatArray) -> Self:
        """Curves that differ by factors on beta and kappa, shape (..., N)."""
        full = self.map(lambda parameter: np.broadcast_to(parameter, np.broadcast_shapes(parameter.shape, beta.shape)))
        return replace(full, beta=full.beta * beta, kappa=full.kappa * kappa)

    def channel(self, number: int) -> Self:
        """The curves of one channel, without the axis of the channels."""
        return self.map(lambda parameter: parameter[..., number])


class Hill(Curves):
    """``beta * A**alpha / (kappa**alpha + A**alpha)``: S-shaped where alpha is above 1."""

    has_shape = True

    @cached_property
    def _is_michaelis_menten(self) -> bool:
        return bool(np.all(self.alpha == 1.0))

    @cached_property
    def _beta_kappa(self) -> FloatArray:
        return self.beta * self.kappa

    def response(self, adstock: FloatArray) -> FloatArray:
        if self._is_michaelis_menten:
            return self.beta * adstock / (self.kappa + adstock)
        power = self._power(adstock / self.kappa)
        return self.beta * power / (1.0 + power)

    def _power(self, ratio: FloatArray) -> FloatArray:
        """``ratio**alpha``, up to where a curve has long been flat."""
        with np.errstate(over="ignore"):
            return np.minimum(ratio**self.alpha, _FLAT)

    def slope(self, adstock: FloatArray) -> FloatArray:
        if self._is_michaelis_menten:
            level = self.kappa + adstock
            return self._beta_kappa / (level * level)
        ratio = adstock / self.kappa
        power = self._power(ratio)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = self.beta * self.alpha / self.kappa * ratio ** (self.alpha - 1.0) / (1.0 + power) ** 2
        return np.where((self.beta > 0.0) & (power < _FLAT), slope, 0.0)

    def curvature(self, adstock: FloatArray) -> FloatArray:
        if self._is_michaelis_menten:
            level = self.kappa + adstock
            return -2.0 * self._beta_kappa / (level * level * level)
        alpha, ratio = self.alpha, adstock / self.kappa
        power = self._power(ratio)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scale = self.beta * alpha / self.kappa**2 * ratio ** (alpha - 2.0)
            curvature = scale * (alpha - 1.0 - (1.0 + alpha) * power) / (1.0 + power) ** 3
        return np.where(power < _FLAT, curvature, 0.0)

    @property
    def inflexion(self) -> FloatArray:
        """See :class:`Curves`; with ``u = (A / kappa)**alpha`` it is where ``u = (alpha - 1) / (alpha + 1)``."""
        return self.kappa * (np.maximum(self.alpha - 1.0, 0.0) / (self.alpha + 1.0)) ** (1.0 / self.alpha)

    @property
    def touching(self) -> FloatArray:
        """See :class:`Curves`; tangency reads ``u = alpha - 1``."""
        return self.kappa * np.maximum(self.alpha - 1.0, 0.0) ** (1.0 / self.alpha)


class Logistic(Curves):
    """
    ``beta * (1 - exp(-lam A)) / (1 + exp(-lam A))`` with ``lam = ln(3) / kappa``: concave everywhere.

    The logistic saturation of PyMC-Marketing, there with a scaled adstock. It saturates much faster than Hill's curve.
    As ``beta * tanh(lam A / 2)`` it is their tanh saturation ``b * tanh(A / (b c))`` too, with ``lam = 2 / (b c)``.
    """

    @cached_property
    def _rate(self) -> FloatArray:
        return math.log(3.0) / self.kappa

    def response(self, adstock: FloatArray) -> FloatArray:
        return self.beta * np.tanh(0.5 * self._rate * adstock)

    def slope(self, adstock: FloatArray) -> FloatArray:
        left = np.exp(-self._rate * adstock)
        return 2.0 * self.beta * self._rate * left / (1.0 + left) ** 2

    def curvature(self, adstock: FloatArray) -> FloatArray:
        return -self._rate * np.tanh(0.5 * self._rate * adstock) * self.slope(adstock)


class Root(Curves):
    """
    ``beta / 2 * (A / kappa)**alpha`` with alpha at most 1: concave, steepest at 0, where alpha below 1 makes the slope
    infinite, and without saturation: ``beta`` is twice what any ``kappa`` sells, e.g. a usual spend.
    """

    has_shape = True
    highest_alpha = 1.0

    def response(self, adstock: FloatArray) -> FloatArray:
        return 0.5 * self.beta * (adstock / self.kappa) ** self.alpha

    def slope(self, adstock: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = 0.5 * self.beta * self.alpha / self.kappa * (adstock / self.kappa) ** (self.alpha - 1.0)
        return np.where(self.beta > 0.0, slope, 0.0)

    def curvature(self, adstock: FloatArray) -> FloatArray:
        scale = 0.5 * self.beta * self.alpha / self.kappa**2
        return np.asarray(scale * (self.alpha - 1.0) * (adstock / self.kappa) ** (self.alpha - 2.0))

    def most_sales(self, adstock: FloatArray) -> FloatArray:
        return self.response(adstock)


FAMILIES: dict[str, type[Curves]] = {"hill": Hill, "logistic": Logistic, "root": Root}


@dataclass(frozen=True, eq=False)
class Mixed(Curves):
    """Curves of several families; ``which`` is the number of each curve's family, of the shape of the parameters."""

    families: tuple[type[Curves], ...]
    which: IntArray

    @cached_property
    def _as_each(self) -> list[Curves]:
        return [family(self.beta, self.kappa, self.alpha) for family in self.families]

    def response(self, adstock: FloatArray) -> FloatArray:
        return np.choose(self.which, [curves.response(adstock) for curves in self._as_each])

    def slope(self, adstock: FloatArray) -> FloatArray:
        return np.choose(self.which, [curves.slope(adstock) for curves in self._as_each])

    def curvature(self, adstock: FloatArray) -> FloatArray:
        return np.choose(self.which, [curves.curvature(adstock) for curves in self._as_each])

    def most_sales(self, adstock: FloatArray) -> FloatArray:
        return np.choose(self.which, [curves.most_sales(adstock) for curves in self._as_each])

    @property
    def inflexion(self) -> FloatArray:
        return np.choose(self.which, [curves.inflexion for curves in self._as_each])

    @property
    def touching(self) -> FloatArray:
        return np.choose(self.which, [curves.touching for curves in self._as_each])

    def map(self, function: Callable[[FloatArray], FloatArray]) -> Self:
        which = np.asarray(function(self.which.astype(np.float64)), dtype=np.int64)
        return replace(super().map(function), which=which)


def make_curves(families: Sequence[str], beta: FloatArray, kappa: FloatArray, alpha: FloatArray) -> Curves:
    """Curves of channels, by the names of their families (N,), with parameters of shape (..., N)."""
    used = sorted(set(families))
    if len(used) == 1:
        return FAMILIES[used[0]](beta, kappa, alpha)
    which = np.broadcast_to([used.index(name) for name in families], beta.shape)
    return Mixed(beta, kappa, alpha, tuple(FAMILIES[name] for name in used), which)


class Envelope:
    """
    The concave envelopes of curves: up to where the line from the origin touches a curve they follow that line. No
    adstock is higher than ``highest``, so the chord to the curve there is an envelope too.
    """

    def __init__(self, curves: Curves, highest: FloatArray) -> None:
        self._curves = curves
        self.touching = np.minimum(curves.touching, highest)
        self._chord = curves.response(self.touching) / np.where(self.touching > 0.0, self.touching, 1.0)

    def response(self, adstock: FloatArray) -> FloatArray:
        beyond = self._curves.response(np.maximum(adstock, self.touching))
        return np.where(adstock < self.touching, adstock * self._chord, beyond)

    def slope(self, adstock: FloatArray) -> FloatArray:
        return np.where(adstock < self.touching, self._chord, self._curves.slope(adstock))

    def curvature(self, adstock: FloatArray) -> FloatArray:
        return np.where(adstock < self.touching, 0.0, self._curves.curvature(adstock))
