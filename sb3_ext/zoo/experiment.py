"""The zoo's experiment manager, with errors for users and without its known traps."""

import copy
import functools
import inspect
import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch as th
from gymnasium.envs.registration import load_env_creator
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.fast.threads import choose_threads
from sb3_ext.vec_env import GymnasiumVecEnv
from sb3_ext.zoo import interruption, patches
from sb3_ext.zoo.resuming import ResumableManager


class CheckedExperimentManager(ResumableManager):
    """
    ``rl_zoo3.exp_manager.ExperimentManager``, except that, besides what
    :class:`~sb3_ext.zoo.resuming.ResumableManager` changes,

    - wrong settings found while the run is set up raise :class:`~sb3_ext.app.errors.UserError`, and the folder of a run
      that never started is removed;
    - a hyperparameter search leaves no empty run folder, which ``enjoy`` would take for the latest run;
    - ``env_kwargs`` of a YAML file hold for the evaluation environments too, unless the command line says otherwise;
    - ``vec_env_type="native"`` runs the environment's own vectorised form, one object for all ``n_envs``;
    - with a progress bar the log tables stay off the terminal, unless ``--verbose`` is given;
    - without ``--num-threads`` a training of small networks uses one thread, which is the fastest.
    """

    frame_stack: int | None  # type: ignore[assignment]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._native = kwargs.get("vec_env_type") == "native"
        if self._native:
            kwargs["vec_env_type"] = "dummy"
        super().__init__(*args, **kwargs)

    def setup_experiment(self) -> tuple[BaseAlgorithm, dict[str, Any]] | None:
        """Read the hyperparameters, create environment and model; no model, and None, for a hyperparameter search."""
        folder = Path(self.params_path)
        self._created = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            with (
                mistakes_explained("cannot start the run", everything=True),
                patches.named_normalization(),
                patches.whole_files(),
            ):
                experiment = super().setup_experiment()
        except BaseException:
            _remove_unstarted(self._created)
            raise
        if experiment is not None and not getattr(self.args, "log_tables", True):
            experiment[0].verbose = 0
        if experiment is not None and getattr(self.args, "num_threads", 1) < 1:
            threads = choose_threads(experiment[0])
            th.set_num_threads(threads)
            if self.verbose > 0:
                print(f"Threads of PyTorch: {threads} (--num-threads chooses another number)")
        return experiment

    def learn(self, model: BaseAlgorithm) -> None:
        """Train, until the end or an interruption."""
        try:
            with patches.log_folder(self.save_path), patches.whole_files():
                super().learn(model)
        except (KeyboardInterrupt, EOFError, ConnectionError):
            # The signal may have ended the processes of the environments too, before they were closed.
            if not interruption.received:
                raise

    def save_trained_model(self, model: BaseAlgorithm) -> None:
        """Save the model and what belongs to it."""
        with patches.whole_files():
            super().save_trained_model(model)

    def hyperparameters_optimization(self) -> None:
        """Run the search."""
        try:
            with patches.log_folder(self.save_path), patches.whole_files():
                super().hyperparameters_optimization()
        finally:
            # A search trains nothing here, yet `enjoy` would take its folder for the latest run.
            _remove_unstarted(self._created)

    def _preprocess_hyperparams(self, hyperparams: dict[str, Any]) -> Any:
        processed = super()._preprocess_hyperparams(hyperparams)
        if self._eval_env_kwargs_args is None:
            self.eval_env_kwargs = self.env_kwargs
        if self._native:
            spec = gym.spec(self.env_name.gym_id)
            if spec.vector_entry_point is None:
                raise UserError(
                    f"--vec-env native: {spec.id} has no vectorised form (it registers no vector_entry_point):"
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
        """Create environments, with the wrappers of the hyperparameters; those to evaluate write no Monitor file."""
        manager = self
        if self._native:
            # A copy, because the trials of a search may create environments at the same time.
            manager = copy.copy(self)
            env_kwargs = {**(self.eval_env_kwargs if eval_env else self.env_kwargs)}
            if self.frame_stack is not None and self._frames_stacked() is not None:
                for kwargs in (self.env_kwargs, self.eval_env_kwargs):
                    if kwargs.get("stack_num", self.frame_stack) != self.frame_stack:
                        raise UserError(
                            f"--vec-env native: frame_stack={self.frame_stack} of the hyperparameters contradicts "
                            f"stack_num={kwargs['stack_num']} of the environment: set the former with -params"
                            " frame_stack:..."
                        )
                env_kwargs["stack_num"], manager.frame_stack = self.frame_stack, None
            monitor_file = None if eval_env or no_log else os.path.join(self.save_path, "0")
            native = functools.partial(manager._native_envs, env_kwargs, monitor_file)
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
        return self.env_kwargs.get("stack_num", parameter.default) if self.frame_stack is None else self.frame_stack

    def _native_envs(self, env_kwargs: dict[str, Any], monitor_file: str | None, env_fns: list[Any]) -> GymnasiumVecEnv:
        """Stand in for the class of vectorised environments, with one function to make each."""
        mode = gym.VectorizeMode.VECTOR_ENTRY_POINT
        env = gym.make_vec(self.env_name.gym_id, len(env_fns), vectorization_mode=mode, **env_kwargs)
        return GymnasiumVecEnv(env, tuple(self.monitor_kwargs.get("info_keywords", ())), monitor_file)


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
