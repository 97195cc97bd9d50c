"""Studies for the tests of tuning."""

from __future__ import annotations

from collections.abc import Callable

import optuna

from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import claim_study, open_study

MakeSpec = Callable[..., TuningSpec]


def began(spec: TuningSpec) -> tuple[TuningSpec, optuna.Study]:
    study = open_study(spec)
    return claim_study(spec, study, "sb3-ext tune"), study
