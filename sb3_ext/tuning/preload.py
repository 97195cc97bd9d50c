"""Imported once by the process that workers are forked from: what every one of them would import first."""

import rl_zoo3.import_envs
import rl_zoo3.train  # noqa: F401

import sb3_ext.tuning.objective
import sb3_ext.tuning.worker
import sb3_ext.zoo

sb3_ext.zoo.register()
