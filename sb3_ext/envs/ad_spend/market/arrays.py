"""The parameters of channels and of their draws as arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.channel import Channel
from sb3_ext.envs.ad_spend.market.curves import Curves, make_curves


class ChannelArrays:
    """What the N channels of a market and their D draws hold, parameter by parameter."""

    channels: tuple[Channel, ...]
    draws: tuple[tuple[Channel, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(channel.name for channel in self.channels)

    @cached_property
    def curves(self) -> Curves:
        """Response curves of the channels, shape (N,)."""
        return self._curves(self._column)

    @property
    def beta(self) -> FloatArray:
        """Saturation sales per channel, shape (N,), money per period."""
        return self.curves.beta

    @property
    def kappa(self) -> FloatArray:
        """Half-saturation adstock per channel, shape (N,), money per period."""
        return self.curves.kappa

    @property
    def alpha(self) -> FloatArray:
        """Exponents of Hill curves, shape (N,)."""
        return self.curves.alpha

    @cached_property
    def theta(self) -> FloatArray:
        """Carry-over per period, shape (N,)."""
        return self._column("theta")

    @cached_property
    def weights(self) -> FloatArray | None:
        """
        Weights of the spends of this period and those before in the adstock, newest first, shape (N, L); ``None``
        where carry-over is geometric on all channels.
        """
        return self._weights_of(self.channels) if self._window_length else None

    @cached_property
    def window(self) -> FloatArray | None:
        """Spends of the last periods before the campaign, newest first, shape (N, L), money; ``None`` likewise."""
        if not self._window_length:
            return None
        return _read_only([channel.past(self._window_length) for channel in self.channels])

    @cached_property
    def draw_curves(self) -> Curves:
        """Response curves of all draws, shape (D, N)."""
        return self._curves(self._drawn)

    @cached_property
    def draw_theta(self) -> FloatArray:
        """Carry-over per period of all draws, shape (D, N)."""
        return self._drawn("theta")

    @cached_property
    def draw_weights(self) -> FloatArray | None:
        """:attr:`weights` of all draws, shape (D, N, L)."""
        return _read_only([self._weights_of(draw) for draw in self.draws]) if self._window_length else None

    @cached_property
    def _window_length(self) -> int:
        every = (self.channels, *self.draws)
        return max((len(channel.weights) for draw in every for channel in draw if channel.weights), default=0)

    def _weights_of(self, channels: tuple[Channel, ...]) -> FloatArray:
        # Of geometric carry-over the window holds what the period itself adds.
        rows = [(1.0 - c.theta,) if c.weights is None else c.weights for c in channels]
        return _read_only([_padded(row, self._window_length) for row in rows])

    @cached_property
    def historical_mean(self) -> FloatArray:
        """Mean spend per period before the campaign, shape (N,), money."""
        return self._column("historical_mean")

    @cached_property
    def initial_adstock(self) -> FloatArray:
        """
        Adstock of the period before the first, shape (N,), money: as given, by the window of the past, or its steady
        state.
        """
        return _read_only([channel.adstock_before for channel in self.channels])

    @cached_property
    def historical_max(self) -> FloatArray:
        """Largest spend per period that the model was fitted on, shape (N,), money; infinite where unknown."""
        return np.array([math.inf if c.historical_max is None else c.historical_max for c in self.channels])

    def _curves(self, parameter: Callable[[str], FloatArray]) -> Curves:
        families = [channel.saturation for channel in self.channels]
        return make_curves(families, *(parameter(name) for name in ("beta", "kappa", "alpha")))

    def _column(self, name: str) -> FloatArray:
        return _read_only([getattr(channel, name) for channel in self.channels])

    def _drawn(self, name: str) -> FloatArray:
        return _read_only([[getattr(channel, name) for channel in draw] for draw in self.draws])


def _padded(numbers: tuple[float, ...], length: int) -> tuple[float, ...]:
    return (*numbers, *[0.0] * (length - len(numbers)))


def _read_only(numbers: Any) -> FloatArray:
    array = np.array(numbers, dtype=np.float64)
    array.flags.writeable = False
    return array
