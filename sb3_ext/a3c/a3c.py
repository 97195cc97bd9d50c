"""Asynchronous advantage actor-critic, written on SB3's ``A2C``."""

import warnings
from typing import Any, TypeVar

import torch as th
from gymnasium import spaces
from stable_baselines3.a2c import A2C
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import unwrap_wrapper
from stable_baselines3.common.monitor import Monitor, ResultsWriter
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from sb3_ext.a3c.shared import OPTIMIZERS, why_not_shared
from sb3_ext.a3c.travel import pack
from sb3_ext.a3c.worker import Answer, Rollout
from sb3_ext.a3c.workers import START_METHODS, Workers
from sb3_ext.common.algorithm import CheckedAlgorithm
from sb3_ext.common.cores import usable_cores
from sb3_ext.common.hyperparameters import Rules, flag, integer, is_integer, number, one_of, optional, positive
from sb3_ext.common.starts import respect_starts

SelfA3C = TypeVar("SelfA3C", bound="A3C")

RMS_PROP = {"alpha": 0.99, "eps": 1e-5}


class A3C(CheckedAlgorithm, A2C):
    """
    Asynchronous Advantage Actor-Critic

    Paper: https://arxiv.org/abs/1602.01783, algorithm S3 (Mnih et al., 2016)

    Worker processes play in environments of their own. Each copies the shared parameters, plays ``n_steps`` with its
    copy, and changes the shared parameters by the gradient of what it has played, without waiting for the others
    (Hogwild). RMSprop's moving averages of squared gradients are shared as well.

    The environment given is the pattern: every worker has a copy of it, with all that is wrapped around it, so a
    ``DummyVecEnv`` of 4 environments and 2 workers are 8 environments. ``VecNormalize`` works: all workers update one
    mean and variance. Callbacks, logs and files of episodes are the parent's: a worker reports what it has played
    before it learns from it, and goes on when callbacks have seen it. So ``num_timesteps`` counts the steps of all
    workers, and a callback that ends the training does so at once. While a callback takes long, such as an evaluation,
    workers wait, and :attr:`policy` is a copy that does not change.

    Callbacks find ``rewards``, ``dones`` and ``infos`` among their ``locals``. Every ``learn`` begins new episodes.

    With one worker a seed repeats a training exactly, and it is SB3's A2C. With several, who comes first depends on the
    machine, and no seed repeats a training.

    Differences from the paper: gradients are means over the steps of a rollout, and clipped; a rollout goes on in the
    next episode where one ends; an episode cut by a time limit is bootstrapped; a worker may play in several
    environments at once; RMSprop adds ``eps`` to the root and the paper below the root, as SB3's ``RMSpropTFLike`` in
    ``policy_kwargs`` does.

    :param policy: policy class or its alias (``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``), those of SB3's A2C
    :param env: environment to learn from, or its id. It must be possible to pickle it: no ``SubprocVecEnv``
    :param learning_rate: a number >= 0, a schedule of the remaining progress (1 to 0), or ``"lin_<number>"`` for a
        linear decay to 0 over the steps of all workers, as in the paper
    :param n_steps: steps of every environment of a worker per update, at least 1
    :param n_workers: processes, at least 1; ``None`` for one a core
    :param start_method: how they start, ``"forkserver"`` or ``"spawn"``; ``None`` for the first that there is. With
        both, a script that trains needs ``if __name__ == "__main__":``
    :param gamma: discount factor, in [0, 1]
    :param gae_lambda: trade-off of bias and variance in the advantages, in [0, 1]; 1 for n-step returns as in the paper
    :param ent_coef: weight of the entropy bonus, at least 0
    :param vf_coef: weight of the value's squared error, at least 0
    :param max_grad_norm: largest gradient norm, above 0
    :param use_sde: explore with generalized State Dependent Exploration (gSDE); ``Box`` actions only
    :param sde_sample_freq: steps between new gSDE noise matrices, at least 1; -1 for one at the start of each rollout
    :param rollout_buffer_class: class of the rollout buffer, ``None`` for SB3's choice
    :param rollout_buffer_kwargs: arguments of the rollout buffer
    :param normalize_advantage: whether to normalise the advantages of a rollout
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see SB3's ``ActorCriticPolicy``; by default its optimizer is RMSprop
        with ``alpha=0.99`` and ``eps=1e-5``
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: ``"auto"`` or ``"cpu"``, whose memory the workers share
    :param _init_setup_model: whether to build the networks at once (and check the arguments)
    :raises ValueError: if an argument is out of range, the environment cannot be pickled, or the policy's optimizer or
        layers have a state that cannot be shared
    """

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | str | Schedule = 7e-4,
        n_steps: int = 5,
        n_workers: int | None = None,
        start_method: str | None = None,
        gamma: float = 0.99,
        gae_lambda: float = 1.0,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        rollout_buffer_class: type[RolloutBuffer] | None = None,
        rollout_buffer_kwargs: dict[str, Any] | None = None,
        normalize_advantage: bool = False,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,  # type: ignore[arg-type]  # a string becomes a schedule in _setup_lr_schedule
            n_steps=n_steps,
            gamma=gamma,
            gae_lambda=gae_lambda,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_rms_prop=False,  # it would write into policy_kwargs
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            rollout_buffer_class=rollout_buffer_class,
            rollout_buffer_kwargs=rollout_buffer_kwargs,
            normalize_advantage=normalize_advantage,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=dict(policy_kwargs or {}),
            verbose=verbose,
            seed=seed,
            device="cpu" if device == "auto" else device,
            _init_setup_model=False,
        )
        self.n_workers = n_workers
        self.start_method = start_method

        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        box = isinstance(self.action_space, spaces.Box)
        return {
            "device": (self.device.type == "cpu", "'auto' or 'cpu', whose memory the workers share"),
            "n_steps": integer(1),
            "n_workers": optional(integer(1)),
            "start_method": one_of(None, *START_METHODS),
            "gamma": number(0, 1),
            "gae_lambda": number(0, 1),
            "ent_coef": number(0),
            "vf_coef": number(0),
            "max_grad_norm": positive(),
            "normalize_advantage": flag(),
            "use_sde": (box or not self.use_sde, "False for these actions"),
            "sde_sample_freq": (lambda value: is_integer(value, -1) and value != 0, "-1 or an integer >= 1"),
        }

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        given = self.policy_kwargs
        self.policy_kwargs = {"optimizer_class": th.optim.RMSprop, **given}
        if self.policy_kwargs["optimizer_class"] in OPTIMIZERS:  # others know no alpha, and are refused below
            self.policy_kwargs.setdefault("optimizer_kwargs", RMS_PROP)
        super()._setup_model()
        self.policy_kwargs = given
        respect_starts(self.policy)
        self._check_shareable()
        if self.env is not None:
            pack(self.env)
        cores = usable_cores()
        if self.n_workers is not None and self.n_workers > cores:
            warnings.warn(f"A3C: n_workers={self.n_workers} are more than the {cores} cores there are.", stacklevel=2)

    def _check_shareable(self) -> None:
        reason = why_not_shared(self.policy)
        if reason is not None:
            raise ValueError(
                f"A3C: {reason}; pass policy_kwargs with optimizer_class=torch.optim.RMSprop or SB3's RMSpropTFLike, "
                "and no batch normalisation."
            )

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """The last rollout may go beyond ``total_timesteps``, where schedules would turn negative."""
        super()._update_current_progress_remaining(min(num_timesteps, total_timesteps), total_timesteps)

    def learn(
        self: SelfA3C,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 100,
        tb_log_name: str = "A3C",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfA3C:
        """
        Learn; logs are written every ``log_interval`` rollouts of workers, see ``BaseAlgorithm.learn``.

        :raises ValueError: if the environment cannot be pickled or the policy cannot be shared
        :raises RuntimeError: if a worker fails, its traceback being the cause, or is killed; the others are ended, and
            the policy is what they have learned until then
        """
        self._check_shareable()
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callback.on_training_start(locals(), globals())
        iteration = 0
        self._elsewhere = _Elsewhere()
        try:
            with Workers(self, self.n_workers or usable_cores(), self.start_method or START_METHODS[0]) as workers:
                while self.num_timesteps < total_timesteps:
                    worker, rollout = workers.next_rollout()
                    if not self._show(rollout, callback):
                        workers.answer(worker, None)
                        break
                    iteration += 1
                    self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
                    if log_interval is not None and iteration % log_interval == 0:
                        self.dump_logs(iteration)
                    is_last = self.num_timesteps >= total_timesteps
                    workers.answer(worker, Answer(self._current_progress_remaining, is_last))
        finally:
            del self._elsewhere
        callback.on_training_end()
        return self

    def _show(self, rollout: Rollout, callback: BaseCallback) -> bool:
        """Count the steps of a rollout and show them to the callbacks; False if one of them ends the training."""
        env = self.env
        assert env is not None
        callback.on_rollout_start()
        for name, value in rollout.logged.items():
            self.logger.record(name, value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for step in zip(rollout.rewards, rollout.dones, rollout.infos, strict=True):
            rewards, dones, infos = step
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            _write_episodes(env, infos)
        callback.on_rollout_end()
        return True

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_elsewhere"]


class _Elsewhere:
    """Tells checkpoints that a part of the training is in other processes, as it has no attributes to save."""

    __slots__ = ()


def _write_episodes(env: VecEnv, infos: list[dict[str, Any]]) -> None:
    """Write the episodes that have ended into the files that the environments here have open."""
    for index, info in enumerate(infos):
        if "episode" in info:
            writer = _file_of(env, index)
            if writer is not None:
                writer.write_row(info["episode"])


def _file_of(env: VecEnv, index: int) -> ResultsWriter | None:
    """Find the file of an environment's episodes."""
    while True:
        if vars(env).get("results_writer"):  # of VecMonitor and GymnasiumVecEnv
            return env.results_writer  # type: ignore[attr-defined, no-any-return]
        if not isinstance(env, VecEnvWrapper):
            break
        env = env.venv
    monitor: Any = unwrap_wrapper(env.envs[index], Monitor) if isinstance(env, DummyVecEnv) else None
    return monitor.results_writer if monitor is not None else None
