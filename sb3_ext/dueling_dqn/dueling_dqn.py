"""Deep Q-learning with the improvements that were found after SB3's DQN, each a switch."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import (
    DictReplayBufferSamples,
    GymEnv,
    MaybeCallback,
    ReplayBufferSamples,
    Schedule,
)
from stable_baselines3.dqn.dqn import DQN
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch.nn import functional as F

from sb3_ext.common.hyperparameters import check_hyperparameters, is_integer, is_positive, is_real, make_schedule
from sb3_ext.dueling_dqn.exploration import EXPLORATION_DECAYS, make_exploration_schedule
from sb3_ext.dueling_dqn.policies import CnnPolicy, DuelingPolicy, MlpPolicy, MultiInputPolicy
from sb3_ext.fast.acting import make_acting
from sb3_ext.fast.compiled import COMPILE_MODES, make_update
from sb3_ext.fast.gradient_step import make_gradient_step, soft_update
from sb3_ext.replay.following import FollowingReplay
from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedReplayBufferSamples, PrioritizedSampling, prioritize
from sb3_ext.replay.transitions import TransitionReplayBuffer

Samples = ReplayBufferSamples | DictReplayBufferSamples | PrioritizedReplayBufferSamples
SelfDuelingDQN = TypeVar("SelfDuelingDQN", bound="DuelingDQN")

LOSSES = {"huber": F.smooth_l1_loss, "mse": F.mse_loss}


class DuelingDQN(FollowingReplay, DQN):
    """
    Deep Q-Network (DQN) with dueling head, double Q-learning, n-step returns and prioritized replay

    Papers: DQN https://www.nature.com/articles/nature14236, double Q-learning https://arxiv.org/abs/1509.06461,
    dueling head https://arxiv.org/abs/1511.06581, prioritized replay https://arxiv.org/abs/1511.05952,
    n-step returns https://arxiv.org/abs/1710.02298

    The defaults are SB3's, with dueling head and double Q-learning. With ``dueling=False, double_q=False`` and one
    environment it computes what SB3's ``DQN`` computes, up to rounding: bit by bit with the same kernel of Adam, i.e.
    ``policy_kwargs=dict(optimizer_kwargs=dict(fused=False))``.

    Differences from SB3's DQN:

    1. Every environment draws its own exploration: SB3 lets all explore, or none.
    2. ``n_steps`` holds for every observation space and for replay buffers chosen by the user.
    3. A ``lin_<number>`` learning rate and an exponential or any other exploration schedule.

    Differences from the papers:

    1. Prioritized replay divides the importance weights by the largest of the minibatch. The learning rate stays as it
       is; the paper divides it by four.
    2. The gradient of the streams is scaled by 1 / sqrt(2) where they part, behind the shared hidden layers; the
       paper's networks have none.

    :param policy: policy class or its alias (``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``)
    :param env: environment to learn from, or its id; its action space is ``Discrete``
    :param learning_rate: a number >= 0, a schedule of the remaining progress (1 to 0), or ``"lin_<number>"`` for a
        linear decay to 0
    :param buffer_size: transitions kept in the replay buffer, at least 1
    :param learning_starts: environment steps without updates at the start, at least 0
    :param batch_size: transitions in a minibatch, at least 1
    :param tau: share of the learned network mixed into the target at each of its updates, in (0, 1]; 1 copies it
    :param gamma: discount factor, in [0, 1]
    :param train_freq: steps between updates, or ``(frequency, "step" | "episode")``; episodes need a single environment
    :param gradient_steps: updates after each collection; -1 for as many as the environment steps collected
    :param replay_buffer_class: replay buffer; ``None`` for one that serves any observation space and ``n_steps``.
        :class:`~sb3_ext.replay.frames.FrameReplayBuffer` stores each frame of stacked images once. A buffer that
        takes ``n_steps`` and ``gamma`` always receives those of the algorithm
    :param replay_buffer_kwargs: keyword arguments of the replay buffer, e.g. ``alpha``, ``beta`` and ``epsilon`` of
        :class:`~sb3_ext.replay.prioritized.PrioritizedReplayBuffer`, which our other buffers leave aside
    :param optimize_memory_usage: store each observation once, see SB3's ``ReplayBuffer``; neither with
        ``n_steps > 1`` nor with prioritized replay
    :param n_steps: rewards summed before bootstrapping, at least 1
    :param target_update_interval: environment steps between updates of the target network, at least 1
    :param exploration_fraction: share of the training over which exploration decays, in (0, 1]
    :param exploration_initial_eps: probability of a random action at the start, in [0, 1]
    :param exploration_final_eps: the same after the decay
    :param max_grad_norm: largest gradient norm, above 0; ``None`` for no clipping
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see :class:`sb3_ext.dueling_dqn.DuelingPolicy`
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: device of the networks
    :param _init_setup_model: whether to build the networks at once (and check the arguments)
    :param dueling: whether the head is dueling; needs one of our policies
    :param double_q: whether the learned network chooses the next action that the target network values
    :param prioritized_replay: whether transitions are drawn in proportion to their last TD error
    :param loss: ``"huber"`` (threshold 1) or ``"mse"``
    :param exploration_decay: ``"linear"``, ``"exponential"``, or a function from the remaining progress (1 to 0) to the
        probability of a random action, which takes the place of the three numbers above
    :param compile: whether to compile the whole update, see :class:`sb3_ext.fast.compiled.CompiledUpdate`
    :raises ValueError: if an argument is out of range, or arguments contradict each other
    :raises AssertionError: from SB3, if the action space is not ``Discrete``
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }

    def __init__(
        self,
        policy: str | type[DQNPolicy],
        env: GymEnv | str,
        learning_rate: float | str | Schedule = 1e-4,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        batch_size: int = 32,
        tau: float = 1.0,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 4,
        gradient_steps: int = 1,
        replay_buffer_class: type[ReplayBuffer] | None = None,
        replay_buffer_kwargs: dict[str, Any] | None = None,
        optimize_memory_usage: bool = False,
        n_steps: int = 1,
        target_update_interval: int = 10_000,
        exploration_fraction: float = 0.1,
        exploration_initial_eps: float = 1.0,
        exploration_final_eps: float = 0.05,
        max_grad_norm: float | None = 10,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
        *,
        dueling: bool = True,
        double_q: bool = True,
        prioritized_replay: bool = False,
        loss: str = "huber",
        exploration_decay: str | Schedule = "linear",
        compile: bool | str = False,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate,  # type: ignore[arg-type]  # a string becomes a schedule in _setup_lr_schedule
            buffer_size,
            learning_starts,
            batch_size,
            tau,
            gamma,
            train_freq,
            gradient_steps,
            replay_buffer_class=replay_buffer_class,
            replay_buffer_kwargs=dict(replay_buffer_kwargs or {}),
            optimize_memory_usage=optimize_memory_usage,
            n_steps=n_steps,
            target_update_interval=target_update_interval,
            exploration_fraction=exploration_fraction,
            exploration_initial_eps=exploration_initial_eps,
            exploration_final_eps=exploration_final_eps,
            max_grad_norm=max_grad_norm,  # type: ignore[arg-type]  # may be None
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=dict(policy_kwargs or {}),
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=False,
        )
        self.dueling = dueling
        self.double_q = double_q
        self.prioritized_replay = prioritized_replay
        self.loss = loss
        self.exploration_decay = exploration_decay
        self.compile = compile

        if _init_setup_model:
            self._setup_model()

    def _check_hyperparameters(self) -> None:
        """Check at construction and again after ``load(path, ...)``, which sets attributes directly."""
        ours = issubclass(self.policy_class, DuelingPolicy)
        check_hyperparameters(
            type(self).__name__,
            vars(self),
            {
                "buffer_size": (is_integer(self.buffer_size, 1), "an integer >= 1"),
                "learning_starts": (is_integer(self.learning_starts, 0), "an integer >= 0"),
                "batch_size": (is_integer(self.batch_size, 1), "an integer >= 1"),
                "tau": (is_positive(self.tau, 1), "a number in (0, 1]"),
                "gamma": (is_real(self.gamma, 0, 1), "a number in [0, 1]"),
                "gradient_steps": (is_integer(self.gradient_steps, -1), "-1 or an integer >= 0"),
                "n_steps": (is_integer(self.n_steps, 1), "an integer >= 1"),
                "target_update_interval": (is_integer(self.target_update_interval, 1), "an integer >= 1"),
                "exploration_fraction": (is_positive(self.exploration_fraction, 1), "a number in (0, 1]"),
                "exploration_initial_eps": (is_real(self.exploration_initial_eps, 0, 1), "a number in [0, 1]"),
                "exploration_final_eps": (is_real(self.exploration_final_eps, 0, 1), "a number in [0, 1]"),
                "exploration_decay": (
                    callable(self.exploration_decay) or self.exploration_decay in EXPLORATION_DECAYS,
                    "'linear', 'exponential' or a function of the remaining progress",
                ),
                "max_grad_norm": (
                    self.max_grad_norm is None or is_positive(self.max_grad_norm),
                    "None or a finite number > 0",
                ),
                "loss": (self.loss in list(LOSSES), "'huber' or 'mse'"),
                "compile": (self.compile in COMPILE_MODES, "False, True or 'reduce-overhead'"),
                "optimize_memory_usage": (
                    not self.optimize_memory_usage or (self.n_steps == 1 and not self.prioritized_replay),
                    "False with n_steps > 1 or prioritized replay; for images there is "
                    "replay_buffer_class=FrameReplayBuffer",
                ),
                "dueling": (
                    isinstance(self.dueling, bool) and (ours or not self.dueling),
                    "True or False"
                    if ours
                    else f"False, or a policy derived from DuelingPolicy, not {self.policy_class.__name__}",
                ),
                "policy_kwargs": (
                    self.policy_kwargs.get("dueling", self.dueling) == self.dueling,
                    f"none with another dueling than that of the algorithm, {self.dueling}",
                ),
                "double_q": (isinstance(self.double_q, bool), "True or False"),
                "prioritized_replay": (isinstance(self.prioritized_replay, bool), "True or False"),
            },
        )

    def _setup_lr_schedule(self) -> None:
        self.lr_schedule = make_schedule("learning_rate", self.learning_rate)

    def _resolve_replay_buffer(self) -> tuple[type[ReplayBuffer], dict[str, Any]]:
        replay_buffer_class, kwargs = super()._resolve_replay_buffer()
        if self.prioritized_replay:
            return prioritize(replay_buffer_class), kwargs
        if replay_buffer_class in (TransitionReplayBuffer, FrameReplayBuffer):
            # a switch may be turned off, by a search too, without a change of the other arguments
            kwargs = {name: value for name, value in kwargs.items() if name not in ("alpha", "beta", "epsilon")}
        return replay_buffer_class, kwargs

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        given = self.policy_kwargs
        if issubclass(self.policy_class, DuelingPolicy):
            self.policy_kwargs = {"dueling": self.dueling, **given}
        try:
            super()._setup_model()
        finally:
            self.policy_kwargs = given
        self.exploration_schedule = make_exploration_schedule(
            self.exploration_decay,
            self.exploration_initial_eps,
            self.exploration_final_eps,
            self.exploration_fraction,
        )
        self._loss_fn = LOSSES[self.loss]
        self._descend = make_gradient_step(self.policy.optimizer, self.max_grad_norm)
        self._run_update = make_update(self._update, [self._descend], self.compile)

    def _create_aliases(self) -> None:
        super()._create_aliases()
        self._parameters: list[th.Tensor] = list(self.q_net.parameters())
        self._target_parameters: list[th.Tensor] = list(self.q_net_target.parameters())

    def _on_step(self) -> None:
        """Update exploration rate and target network, after each step of all environments."""
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            soft_update(self._target_parameters, self._parameters, self.tau)
            # Running statistics of batch normalisation are copied, not averaged,
            # see https://github.com/DLR-RM/stable-baselines3/issues/996
            soft_update(self.batch_norm_stats_target, self.batch_norm_stats, 1.0)
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """
        Sample minibatches from the replay buffer and update the network with each.

        :param gradient_steps: number of updates, at least 1
        :param batch_size: transitions in a minibatch
        :raises RuntimeError: if the loss is not finite. Bad data or diverged networks are no bad trial to skip in a
            search, so it is not a ``ValueError``
        """
        replay_buffer: Any = self.replay_buffer
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        if isinstance(replay_buffer, PrioritizedSampling):
            replay_buffer.set_progress(self._current_progress_remaining)
        self._descend.refresh()

        losses = []
        for batch in self._sample_several(gradient_steps, batch_size):
            loss, td_errors = self._run_update(batch)
            losses.append(loss)
            if isinstance(batch, PrioritizedReplayBufferSamples):
                replay_buffer.update_priorities(batch.indices, td_errors)
        self._n_updates += gradient_steps

        mean_loss = (losses[0] if gradient_steps == 1 else th.stack(losses).mean()).item()
        if not np.isfinite(mean_loss):
            raise RuntimeError(
                f"{type(self).__name__}: loss {mean_loss} after {self._n_updates} updates. Check the environment for "
                "non-finite observations and rewards, then lower the learning rate or the scale of the rewards."
            )
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", mean_loss)

    def _update(self, batch: Samples) -> tuple[th.Tensor, th.Tensor]:
        """Do one update of the network; return the loss and the TD errors, shape (batch, 1), both detached."""
        # n-step buffers give gamma ** (steps really summed) per transition
        discounts = self.gamma if batch.discounts is None else batch.discounts
        with th.no_grad():
            next_q = self.q_net_target(batch.next_observations)
            if self.double_q:
                next_actions = self.q_net(batch.next_observations).argmax(dim=1, keepdim=True)
                next_q = next_q.gather(1, next_actions)
            else:
                next_q = next_q.amax(dim=1, keepdim=True)
            target_q = batch.rewards + discounts * (1 - batch.dones) * next_q

        current_q = self.q_net(batch.observations).gather(1, batch.actions.long())
        if isinstance(batch, PrioritizedReplayBufferSamples):
            loss = (batch.weights * self._loss_fn(current_q, target_q, reduction="none")).mean()
        else:
            loss = self._loss_fn(current_q, target_q)
        self._descend(loss)
        return loss.detach(), target_q - current_q.detach()

    def predict(
        self,
        observation: npt.NDArray[Any] | dict[str, npt.NDArray[Any]],
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """
        Choose actions epsilon-greedily, with a draw of its own for each environment.

        :param observation: one observation or a batch, shape (n_envs, ...)
        :param state: passed through, the policy is not recurrent
        :param episode_start: unused
        :param deterministic: greedy actions only
        :return: the actions, shape (n_envs,) for a batch, and ``state``
        """
        if deterministic:
            return self.policy.predict(observation, state, episode_start, deterministic)
        vectorized = self.policy.is_vectorized_observation(observation)
        first = next(iter(observation.values())) if isinstance(observation, dict) else observation
        actions = self._explore(len(first) if vectorized else 1, lambda: self.policy.predict(observation)[0])
        return actions if vectorized else actions.squeeze(axis=0), state

    def _explore(self, n_envs: int, greedy: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Draw for each environment whether its action is random; return the actions, shape (n_envs,)."""
        explore = np.random.rand(n_envs) < self.exploration_rate
        if not explore.any():
            return np.atleast_1d(greedy())
        actions = np.array([self.action_space.sample() if random else 0 for random in explore])
        return actions if explore.all() else np.where(explore, actions, greedy())

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Explore: return the actions for the environment, and the same for the replay buffer."""
        if self.num_timesteps < learning_starts:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        actions = self._explore(n_envs, self._greedy)
        return actions, actions

    def _greedy(self) -> npt.NDArray[Any]:
        """Actions of the policy for the last observations, shape (n_envs,)."""
        assert self._last_obs is not None
        if type(self.policy)._predict is not DQNPolicy._predict:  # a user's own
            return self.policy.predict(self._last_obs)[0]
        actions: npt.NDArray[Any] = self._act(self._last_obs).argmax(axis=1)
        return actions

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        self._act = make_acting(self.q_net, self.q_net.q_net, self.q_net, type(self.q_net) is QNetwork)
        return super()._setup_learn(*args, **kwargs)

    def learn(
        self: SelfDuelingDQN,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str = "DuelingDQN",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfDuelingDQN:
        """See ``OffPolicyAlgorithm.learn``."""
        return super().learn(
            total_timesteps=total_timesteps,
            callback=callback,
            log_interval=log_interval,
            tb_log_name=tb_log_name,
            reset_num_timesteps=reset_num_timesteps,
            progress_bar=progress_bar,
        )

    def _excluded_save_params(self) -> list[str]:
        tensors = ["_parameters", "_target_parameters", "batch_norm_stats", "batch_norm_stats_target"]
        return [
            *super()._excluded_save_params(),
            *tensors,
            "exploration_schedule",
            "_loss_fn",
            "_descend",
            "_run_update",
            "_act",
        ]
