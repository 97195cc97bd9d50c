"""Deep Q-learning with the improvements that were found after SB3's DQN, each a switch."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.dqn.dqn import DQN
from stable_baselines3.dqn.policies import DQNPolicy
from torch.nn import functional as F

from sb3_ext.common.algorithm import with_defaults
from sb3_ext.common.hyperparameters import Rules, flag, integer, number, one_of, positive
from sb3_ext.common.starts import from_zero
from sb3_ext.dueling_dqn.exploration import EXPLORATION_DECAYS, make_exploration_schedule
from sb3_ext.dueling_dqn.policies import CnnPolicy, DuelingPolicy, MlpPolicy, MultiInputPolicy
from sb3_ext.fast.off_policy import FastOffPolicyAlgorithm, Samples
from sb3_ext.replay.frames import FrameReplayBuffer
from sb3_ext.replay.prioritized import PrioritizedReplayBufferSamples, PrioritizedSampling, prioritize
from sb3_ext.replay.transitions import TransitionReplayBuffer

LOSSES = {"huber": F.smooth_l1_loss, "mse": F.mse_loss}


class DuelingDQN(FastOffPolicyAlgorithm, DQN):
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
    :param compile: whether to compile the whole update, see :class:`sb3_ext.fast.compiled.Update`
    :raises ValueError: if an argument is out of range, or arguments contradict each other
    :raises AssertionError: from SB3, if the action space is not ``Discrete``
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    learned = ("q_net",)
    optimized = ("policy",)
    losses = ("loss",)
    learn = with_defaults(DQN.learn, tb_log_name="DuelingDQN")

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

    def _rules(self) -> Rules:
        ours = issubclass(self.policy_class, DuelingPolicy)
        return {
            **super()._rules(),
            "target_update_interval": integer(1),
            "exploration_fraction": positive(1),
            "exploration_initial_eps": number(0, 1),
            "exploration_final_eps": number(0, 1),
            "exploration_decay": (
                lambda value: callable(value) or value in EXPLORATION_DECAYS,
                "'linear', 'exponential' or a function of the remaining progress",
            ),
            "loss": one_of(*LOSSES),
            "double_q": flag(),
            "prioritized_replay": flag(),
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
        }

    def _resolve_replay_buffer(self) -> tuple[type[ReplayBuffer], dict[str, Any]]:
        replay_buffer_class, kwargs = super()._resolve_replay_buffer()
        if self.prioritized_replay:
            return prioritize(replay_buffer_class), kwargs
        if replay_buffer_class in (TransitionReplayBuffer, FrameReplayBuffer):
            # a switch may be turned off, by a search too, without a change of the other arguments
            kwargs = {name: value for name, value in kwargs.items() if name not in ("alpha", "beta", "epsilon")}
        return replay_buffer_class, kwargs

    def _setup_model(self) -> None:
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

    def _on_step(self) -> None:
        """Update exploration rate and target network, after each step of all environments."""
        self._n_calls += 1
        if self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0:
            self._move_targets()
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def _sample_several(self, n_batches: int, batch_size: int) -> Iterator[Samples]:
        if isinstance(self.replay_buffer, PrioritizedSampling):
            self.replay_buffer.set_progress(self._current_progress_remaining)
        return super()._sample_several(n_batches, batch_size)

    def _learn_from(self, batch: Samples) -> th.Tensor:
        loss: th.Tensor
        loss, td_errors = self._run_update(batch)
        if isinstance(batch, PrioritizedReplayBufferSamples):
            replay_buffer: Any = self.replay_buffer
            replay_buffer.update_priorities(batch.indices, td_errors)
        return loss

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

        current_q = self.q_net(batch.observations).gather(1, from_zero(batch.actions, self.action_space).long())
        if isinstance(batch, PrioritizedReplayBufferSamples):
            loss = (batch.weights * LOSSES[self.loss](current_q, target_q, reduction="none")).mean()
        else:
            loss = LOSSES[self.loss](current_q, target_q)
        self._descend["policy"](loss)
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
        assert self._last_obs is not None
        last_obs = self._last_obs
        actions = self._explore(n_envs, lambda: self._act(last_obs))
        return actions, actions

    def _excluded_save_params(self) -> list[str]:
        statistics = ["batch_norm_stats", "batch_norm_stats_target"]  # of DQN itself
        return [*super()._excluded_save_params(), *statistics, "exploration_schedule"]
