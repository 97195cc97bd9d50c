"""How an agent acts on a campaign: the map between a Box space and money."""

from __future__ import annotations

import copy
from typing import Literal

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from sb3_ext.common.arrays import FloatArray
from sb3_ext.envs.ad_spend.market.checks import check_choice

ActionMode = Literal["normalized", "currency"]


class ActionMap:
    """Actions as spends: ``"normalized"`` maps [-1, 1] linearly to [low, cap], ``"currency"`` takes money as it is."""

    def __init__(self, mode: ActionMode, low: FloatArray, cap: FloatArray) -> None:
        check_choice(mode, ActionMode, "action_mode")
        self.mode = mode
        self._center = (low + cap) / 2.0 if mode == "normalized" else np.zeros_like(low)
        self._slope = (cap - low) / 2.0 if mode == "normalized" else np.ones_like(low)
        if mode == "normalized":
            self.space = spaces.Box(-1.0, 1.0, low.shape, np.float32)
        else:
            self.space = spaces.Box(low.astype(np.float32), cap.astype(np.float32), dtype=np.float32)
        # Exactly what the float32 bounds of the space ask for, so that an action at a bound counts as within it.
        self.low = self.to_spend(self.space.low.astype(np.float64))
        self.cap = self.to_spend(self.space.high.astype(np.float64))

    def repeated(self, batch_shape: tuple[int, ...]) -> ActionMap:
        """The same map with bounds of the full shape of a batch, which NumPy handles much faster."""
        full = copy.copy(self)
        for name in ("_center", "_slope", "low", "cap"):
            constants = getattr(self, name)
            setattr(full, name, np.broadcast_to(constants, (*batch_shape, *constants.shape)).copy())
        return full

    def to_spend(self, action: npt.NDArray[np.floating]) -> FloatArray:
        """The money an action asks for, shape (..., N), not limited to the bounds."""
        return self._center + self._slope * action

    def to_action(self, spend: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The action that asks for a spend, shape (..., N), limited to the action space."""
        # Any action asks for a spend that is fixed.
        slope = np.where(self._slope > 0.0, self._slope, np.inf)
        action = (np.asarray(spend, dtype=np.float64) - self._center) / slope
        return np.clip(action.astype(np.float32), self.space.low, self.space.high)

    def limit(self, spend: FloatArray) -> FloatArray:
        """Spends, shape (..., N), limited to [low, cap]."""
        return np.minimum(np.maximum(spend, self.low), self.cap)
