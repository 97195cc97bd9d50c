"""The search space of a search: the zoo's, or a user's own from a Python file."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import optuna
from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER
from stable_baselines3 import HerReplayBuffer

from sb3_ext.app.errors import UserError
from sb3_ext.tuning.search_spaces import Sampler
from sb3_ext.tuning.settings import as_settings
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.training import make_manager

_FUNCTION = "sample_params"


class SearchSpace:
    """Asks a trial for hyperparameters, as the zoo does."""

    def __init__(self, spec: TuningSpec) -> None:
        if spec.search_space is not None:
            self._sampler: Sampler = _load_sampler(spec.search_space)
        elif spec.algo in HYPERPARAMS_SAMPLER:
            self._sampler = HYPERPARAMS_SAMPLER[spec.algo]
        else:
            raise UserError(f"there is no search space for {spec.algo}: give your own with --search-space FILE.py")
        with tempfile.TemporaryDirectory(prefix="sb3-ext-tune-") as folder:
            manager = self._manager = make_manager(spec, {}, spec.seed, Path(folder), optimize=True)
            with contextlib.redirect_stdout(io.StringIO()):
                manager.setup_experiment()
        arguments = manager._hyperparams
        additional_args = {
            "using_her_replay_buffer": arguments.get("replay_buffer_class") is HerReplayBuffer,
            "her_kwargs": arguments.get("replay_buffer_kwargs", {}),
        }
        self._known = (manager.n_actions, 1 if spec.algo == "ars" else manager.n_envs, additional_args)

    def sample(self, trial: optuna.Trial) -> dict[str, Any]:
        """Constructor arguments, and settings of the zoo's blocks if the space has some."""

        def sample(*args: Any) -> dict[str, Any]:
            arguments = self._sampler(*args)
            if not isinstance(arguments, dict):
                raise UserError(
                    f"the search space returned {arguments!r}: it must return a dictionary of hyperparameters"
                )
            return arguments

        return self._manager.sample_beside_the_block(sample, trial, *deepcopy(self._known))


def check_search_space(spec: TuningSpec) -> None:
    """Draw a first set of hyperparameters, for nothing but its errors."""
    space = SearchSpace(spec)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        as_settings(space.sample(optuna.create_study().ask()))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot draw from the search space: {type(error).__name__}: {error}") from error


def _load_sampler(path: str) -> Sampler:
    """Run a user's file, which defines a sampler of the zoo's signature."""
    if not (path.endswith(".py") and Path(path).is_file()):
        raise UserError(f"--search-space: there is no Python file {path!r}")
    module_spec = importlib.util.spec_from_file_location("sb3_ext_user_search_space", path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"--search-space: cannot run {path!r}: {type(error).__name__}: {error}") from error
    function = getattr(module, _FUNCTION, None)
    if not callable(function) or len(inspect.signature(function).parameters) != 4:
        raise UserError(
            f"--search-space: {path!r} defines no {_FUNCTION}(trial, n_actions, n_envs, additional_args),"
            " which returns a dictionary of hyperparameters"
        )
    sampler: Sampler = function
    return sampler
