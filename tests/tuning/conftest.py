from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sb3_ext.tuning.spec import TuningSpec

# An episode takes 25 steps, so that a training takes a tenth of a second.
BLOCK: dict[str, Any] = {"n_timesteps": 200, "policy": "TablePolicy", "learning_rate": 0.1, "gamma": 0.9}


@pytest.fixture
def make_spec(tmp_path: Path) -> Callable[..., TuningSpec]:
    """A small search in a journal of its own."""

    def make(**changes: Any) -> TuningSpec:
        settings: dict[str, Any] = {
            "algo": "q_learning",
            "env_id": "ThreeStateMDP-v0",
            "block": BLOCK,
            "storage": str(tmp_path / "study.log"),
            "study_name": "study",
            "n_trials": 4,
            "seeds_per_trial": 2,
            "n_evaluations": 4,
            "eval_episodes": 2,
            "pruner": "none",
            "gym_packages": ("sb3_ext",),
        }
        return TuningSpec(**{**settings, **changes})

    return make
