"""The environments of a ``SubprocVecEnv``: their state is captured and restored in their own processes."""

from __future__ import annotations

import sys
from typing import Any

from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_ext.checkpoint.capture import Capture
from sb3_ext.checkpoint.restoration import Restoration
from sb3_ext.checkpoint.specials import local_specials
from sb3_ext.checkpoint.state import Special

_NAME = "sb3_ext_state"


class _Reach:
    """Becomes, where a worker unpickles it, an object that knows the worker's environment."""

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return _State, ()


class _State:
    """Captures and restores the environment of the worker that it is made in; SB3 calls it by name."""

    def __init__(self) -> None:
        frame: Any = sys._getframe()
        while frame.f_code.co_name != "_worker":
            frame = frame.f_back
        self.env: Any = frame.f_locals["env"]

    def __call__(self, node: Any = None, arrays: Any = None) -> Any:
        del self.env.__dict__[_NAME]  # no part of the state
        if node is not None:
            Restoration(arrays, specials()).value(node, self.env, "env")
            return None
        capture = Capture(specials())
        return capture.node(self.env, "env"), capture.arrays, capture.opaque


def specials() -> tuple[Special, ...]:
    """List what needs its own way."""
    return *local_specials(), Special(SubprocVecEnv, get_states, put_states)


def get_states(vec_env: SubprocVecEnv, opaque: list[str]) -> list[Any]:
    """Capture every environment."""
    vec_env.set_attr(_NAME, _Reach())
    captured = vec_env.env_method(_NAME)
    opaque += [found for *_, more in captured for found in more]
    return [[node, arrays] for node, arrays, _ in captured]


def put_states(vec_env: SubprocVecEnv, captured: list[Any]) -> None:
    """Restore every environment."""
    vec_env.set_attr(_NAME, _Reach())
    for index, (node, arrays) in enumerate(captured):
        vec_env.env_method(_NAME, node, arrays, indices=index)
