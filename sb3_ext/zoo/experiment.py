"""The zoo's experiment manager, with errors for users and without its known traps."""

import ast
import contextlib
import copy
import functools
import inspect
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import optuna
import torch as th
from gymnasium.envs.registration import load_env_creator
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.fast.threads import choose_threads
from sb3_ext.vec_env.adapter import GymnasiumVecEnv
from sb3_ext.zoo.storage import FIRST_TRIAL, open_storage, shown


class CheckedExperimentManager(ExperimentManager):
    """
    ``rl_zoo3.exp_manager.ExperimentManager``, except that

    - wrong settings found while the run is set up raise :class:`~sb3_ext.app.errors.UserError`, and the folder of a run
      that never started is removed;
    - a hyperparameter search leaves no empty run folder, which ``enjoy`` would take for the latest run;
    - ``env_kwargs`` of a YAML file hold for the evaluation environments too, unless the command line says otherwise;
    - ``--trial-id 0`` loads trial 0, which upstream ignores, and trials of ``sb3-ext tune`` come with exactly the
      settings that they were trained with;
    - a search, and a trial loaded, leave arguments of the policy that were not searched as the hyperparameters have
      them (upstream replaces them all, the convolutions for images too), unless the search space returns classes;
    - ``vec_env_type="native"`` runs the environment's own vectorised form, one object for all ``n_envs``;
    - without ``--num-threads`` a training of small networks uses one thread, which is the fastest.

    The other arguments are upstream's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._native = kwargs.get("vec_env_type") == "native"
        if self._native:
            kwargs["vec_env_type"] = "dummy"
        super().__init__(*args, **kwargs)

    def setup_experiment(self) -> tuple[BaseAlgorithm, dict[str, Any]] | None:
        """
        Read the hyperparameters, create the environment and the model.

        :return: model and hyperparameters, None for a hyperparameter search
        :raises UserError: if the settings are wrong
        """
        folder = Path(self.params_path)
        self._created = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            with mistakes_explained("cannot start the run", everything=True):
                experiment = super().setup_experiment()
        except Exception:
            _remove_unstarted(self._created)
            raise
        if experiment is not None and getattr(self.args, "num_threads", 1) < 1:
            threads = choose_threads(experiment[0])
            th.set_num_threads(threads)
            if self.verbose > 0:
                print(f"Threads of PyTorch: {threads} (--num-threads chooses another number)")
        return experiment

    def read_hyperparameters(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """
        Read the block of the environment and what overwrites it.

        :return: the hyperparameters, and a sorted copy to save
        """
        given = self.custom_hyperparams
        if self.storage and self.study_name and self.trial_id is not None:
            trial = self.load_trial(self.storage, self.study_name, self.trial_id)
            trial_id, self.trial_id = self.trial_id, None  # read the block itself; upstream ignores trial 0 anyway
            with contextlib.redirect_stdout(io.StringIO()):
                block = super().read_hyperparameters()[0]
            self.trial_id = trial_id
            if "policy_kwargs" in block and _is_plain(trial.get("policy_kwargs")):
                # an expression, which the zoo evaluates
                trial["policy_kwargs"] = f"{{**{block['policy_kwargs']}, **{trial['policy_kwargs']!r}}}"
            self.custom_hyperparams = {**trial, **(given or {})}
        hyperparams, saved_hyperparams = super().read_hyperparameters()
        return hyperparams, saved_hyperparams

    def _preprocess_hyperparams(self, hyperparams: dict[str, Any]) -> Any:
        processed = super()._preprocess_hyperparams(hyperparams)
        if self._eval_env_kwargs_args is None:
            self.eval_env_kwargs = self.env_kwargs
        if self._native:
            env_id = self.env_name.gym_id
            if gym.spec(env_id).vector_entry_point is None:
                raise UserError(
                    f"--vec-env native: {env_id} has no vectorised form (it registers no vector_entry_point):"
                    " choose dummy or subproc"
                )
            if processed[1] is not None:
                raise UserError(
                    "--vec-env native: the env_wrapper of the hyperparameters wraps single environments, which there"
                    " are none: set env_wrapper:None, or choose dummy or subproc"
                )
            self._check_replayed_frames(processed[0])
        return processed

    def _check_replayed_frames(self, hyperparams: dict[str, Any]) -> None:
        """Refuse at once what ``FrameReplayBuffer`` would notice at the first transition, in the middle of training."""
        n_stack = (hyperparams.get("replay_buffer_kwargs") or {}).get("n_stack")
        frames = self._frames_stacked()
        if n_stack is not None and frames is not None and n_stack != frames:
            raise UserError(
                f"--vec-env native: n_stack={n_stack!r} in replay_buffer_kwargs is not valid, as the environment stacks"
                f" {frames} frames: set n_stack={frames}"
            )

    def create_envs(self, n_envs: int, eval_env: bool = False, no_log: bool = False) -> VecEnv:
        """
        Create the environments of a training or an evaluation, with the wrappers of the hyperparameters.

        :param n_envs: how many
        :param eval_env: whether they are to evaluate: no Monitor file, no reward normalization
        :param no_log: write no Monitor file
        :return: the environments
        """
        manager = self
        if self._native:
            # A copy, because the trials of a search may create environments at the same time.
            manager = copy.copy(self)
            log = not (eval_env or no_log)
            stacking: dict[str, int] = {}
            frame_stack = cast("int | None", self.frame_stack)
            if frame_stack is not None and self._frames_stacked() is not None:
                for kwargs in (self.env_kwargs, self.eval_env_kwargs):
                    if kwargs.get("stack_num", frame_stack) != frame_stack:
                        raise UserError(
                            f"--vec-env native: frame_stack={frame_stack} of the hyperparameters contradicts stack_num="
                            f"{kwargs['stack_num']} of the environment: set the former with -params frame_stack:..."
                        )
                stacking, manager.frame_stack = {"stack_num": frame_stack}, None
            native = functools.partial(manager._native_envs, eval_env=eval_env, log=log, stacking=stacking)
            manager.vec_env_class = native  # type: ignore[assignment]
        env: VecEnv = super(CheckedExperimentManager, manager).create_envs(n_envs, eval_env, no_log)
        return env

    def _frames_stacked(self) -> int | None:
        """Number of frames that the vectorised form stacks itself, as Atari's do; None if it has no ``stack_num``."""
        creator: Any = gym.spec(self.env_name.gym_id).vector_entry_point
        if isinstance(creator, str):
            creator = load_env_creator(creator)
        parameter = inspect.signature(creator).parameters.get("stack_num")
        if parameter is None:
            return None
        frame_stack = cast("int | None", self.frame_stack)
        return self.env_kwargs.get("stack_num", parameter.default) if frame_stack is None else frame_stack

    def _native_envs(self, env_fns: list[Any], eval_env: bool, log: bool, stacking: dict[str, int]) -> GymnasiumVecEnv:
        """Stand in for the class of vectorised environments, with one function to make each."""
        env = gym.make_vec(
            self.env_name.gym_id,
            num_envs=len(env_fns),
            vectorization_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT,
            **{**(self.eval_env_kwargs if eval_env else self.env_kwargs), **stacking},
        )
        filename = os.path.join(self.save_path, "0") if log else None
        return GymnasiumVecEnv(env, tuple(self.monitor_kwargs.get("info_keywords", ())), filename)

    def load_trial(
        self, storage: str, study_name: str, trial_id: int | None = None, convert: bool = True
    ) -> dict[str, Any]:
        """
        Read the parameters of one trial of a search.

        :param storage: Optuna storage URL, or a ``.log`` journal file
        :param study_name: name of the study
        :param trial_id: number of the trial, None for the best
        :param convert: turn raw trial values into hyperparameters
        :return: hyperparameters
        :raises UserError: if there is no such study or trial
        """
        try:
            study = optuna.load_study(study_name=study_name, storage=open_storage(storage))
            trial = study.best_trial if trial_id is None else study.trials[trial_id]
        except (IndexError, KeyError) as error:
            raise UserError(f"there is no trial {trial_id} of a study {study_name!r} in {storage!r}", 1) from error
        if convert and "settings" in trial.user_attrs:
            settings: dict[str, Any] = trial.user_attrs["settings"]
            return settings
        params: dict[str, Any] = super().load_trial(storage, study_name, trial_id, convert)
        return params

    def hyperparameters_optimization(self) -> None:
        """
        Run the search.

        :raises UserError: if the settings are wrong, the study is one of ``sb3-ext tune``, or every trial was pruned
        """
        sample = HYPERPARAMS_SAMPLER[self.algo]
        HYPERPARAMS_SAMPLER[self.algo] = functools.partial(self.sample_beside_the_block, sample)
        try:
            with mistakes_explained("the search stopped"):
                self._refuse_study_of_tune()
                super().hyperparameters_optimization()
        except UserError as error:
            if "No trials are completed" not in str(error):
                raise
            raise UserError("no trial of the search finished: all were pruned, see above", 1) from error
        finally:
            HYPERPARAMS_SAMPLER[self.algo] = sample
            # A search trains nothing here, yet `enjoy` would take its folder for the latest run.
            _remove_unstarted(self._created)

    def _refuse_study_of_tune(self) -> None:
        """Its trials are trained and scored in another way, and ``tune`` could not resume it."""
        if not self.storage or not self.study_name or ":memory:" in self.storage:
            return
        storage = open_storage(self.storage)
        studies = [study for study in storage.get_all_studies() if study.study_name == self.study_name]
        if any(FIRST_TRIAL in study.user_attrs for study in studies):
            raise UserError(
                f"the study {self.study_name!r} in {shown(self.storage)!r} is one of `sb3-ext tune`:"
                " give another --study-name"
            )

    def sample_beside_the_block(self, sample: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        """
        Ask a search space, and keep what it leaves open of the policy, such as the convolutions for images.

        :param sample: the search space
        :param args: what it takes
        :return: what it returns, with the block's other arguments of the policy
        """
        sampled = sample(*args)
        if _is_plain(sampled.get("policy_kwargs")):
            sampled["policy_kwargs"] = {**self._hyperparams.get("policy_kwargs", {}), **sampled["policy_kwargs"]}
        return sampled


def _is_plain(policy_kwargs: Any) -> bool:
    """Tell whether arguments of a policy are a Python expression without names, as those of our converters."""
    try:
        return isinstance(policy_kwargs, dict) and bool(ast.literal_eval(repr(policy_kwargs)) == policy_kwargs)
    except (ValueError, SyntaxError):
        return False


def _remove_unstarted(created: list[Path]) -> None:
    """Remove the folders this run created, unless someone put more into them than the header of a Monitor file."""
    for folder in created:
        if not folder.is_dir():
            continue
        entries = list(folder.iterdir())
        if any(not entry.name.endswith("monitor.csv") or len(entry.read_text().splitlines()) > 2 for entry in entries):
            return
        for entry in entries:
            entry.unlink()
        folder.rmdir()
