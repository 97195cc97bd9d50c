"""The three-state Markov decision process on which the tabular chapter compares planning and Q-learning."""

from __future__ import annotations

from typing import Any, ClassVar, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

UNAVAILABLE = (0.0, 0.0, 0.0)
TRANSITIONS: npt.NDArray[np.float64] = np.array(
    [
        [(0.7, 0.3, 0.0), (1.0, 0.0, 0.0), (0.8, 0.2, 0.0)],
        [(0.0, 1.0, 0.0), UNAVAILABLE, (0.0, 0.0, 1.0)],
        [UNAVAILABLE, (0.8, 0.1, 0.1), UNAVAILABLE],
    ]
)
"""Probability of the next state, shape (3, 3, 3) for (state, action, next state); zeros where there is no action."""

REWARDS: npt.NDArray[np.float64] = np.zeros((3, 3, 3))
"""Reward of a transition, same shape."""
REWARDS[0, 0, 0], REWARDS[1, 2, 2], REWARDS[2, 1, 0] = 10.0, -50.0, 40.0

AVAILABLE: npt.NDArray[np.bool_] = TRANSITIONS.sum(axis=2) > 0
"""Which actions a state has, shape (3, 3)."""

for _constant in (TRANSITIONS, REWARDS, AVAILABLE):
    _constant.setflags(write=False)


class ThreeStateMDP(gym.Env[np.int64, np.int64]):
    """
    ## Description

    A Markov decision process with three states, from A. Geron, *Hands-On Machine Learning*, chapter on reinforcement
    learning. Staying in state 0 earns a steady 10; leaving it costs 50 on the way through states 1 and 2, which then
    return 40. Which is better depends on the discount factor: at 0.9 it pays to stay in state 1, at 0.95 to cross it.

    :data:`TRANSITIONS`, :data:`REWARDS` and :data:`AVAILABLE` are the whole model, for :mod:`sb3_ext.mdp`.

    ## Action Space

    `Discrete(3)`. States have different actions: 0, 1 and 2 in state 0; 0 and 2 in state 1; 1 in state 2.

    An action that the state does not have leaves the state as it is and earns 0, so agents that know nothing of masks
    can run, and gain nothing by it. `info["action_mask"]` (1 for available, `int8`) and :meth:`action_masks` (the
    convention of sb3-contrib's `MaskablePPO`) tell which actions the current state has.

    ## Observation Space

    `Discrete(3)`: the state.

    ## Rewards

    Staying in state 0 by action 0 earns 10, going from state 1 to 2 costs 50, and going from state 2 to 0 earns 40. All
    else earns 0.

    | state | action | next state | reward |
    |---|---|---|---|
    | 0 | 0 | 0 | 10 |
    | 1 | 2 | 2 | -50 |
    | 2 | 1 | 0 | 40 |

    ## Starting State

    State 0.

    ## Episode End

    Never: the task goes on. `gym.make("ThreeStateMDP-v0")` truncates episodes after 100 steps.

    ## Arguments

    `render_mode`: `None`, or `"rgb_array"` for a row of three squares of which that of the current state is filled.

    ## Version History

    * v0: Initial version
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}  # type: ignore[misc]

    def __init__(self, render_mode: str | None = None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"ThreeStateMDP: render_mode={render_mode!r} is not valid; pass None or 'rgb_array'.")
        self.render_mode = render_mode
        self.observation_space = spaces.Discrete(3)
        self.action_space = spaces.Discrete(3)
        self._state = 0

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Tell which actions the current state has, shape (3,)."""
        masks: npt.NDArray[np.bool_] = AVAILABLE[self._state].copy()
        return masks

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        """Start in state 0."""
        super().reset(seed=seed)
        self._state = 0
        return self._observe()

    def step(self, action: np.int64) -> tuple[np.int64, SupportsFloat, bool, bool, dict[str, Any]]:
        """Do one transition; ``ValueError`` if the action is none of the three."""
        if not self.action_space.contains(action):
            raise ValueError(f"ThreeStateMDP: action={action!r} is not valid; pass 0, 1 or 2.")
        state, reward = self._state, 0.0
        if AVAILABLE[state, action]:
            self._state = int(self.np_random.choice(3, p=TRANSITIONS[state, action]))
            reward = float(REWARDS[state, action, self._state])
        observation, info = self._observe()
        return observation, reward, False, False, info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Draw the current state, shape (48, 144, 3); ``None`` without a render mode."""
        if self.render_mode is None:
            return None
        frame = np.full((48, 144, 3), 255, dtype=np.uint8)
        for state in range(3):
            left = 48 * state
            frame[6:42, left + 6 : left + 42] = (11, 122, 117) if state == self._state else (230, 234, 238)
        return frame

    def _observe(self) -> tuple[np.int64, dict[str, Any]]:
        return np.int64(self._state), {"action_mask": AVAILABLE[self._state].astype(np.int8)}
