"""Deep Deterministic Policy Gradient, written on SB3's ``OffPolicyAlgorithm``."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import update_learning_rate
from torch.nn import functional as F

from sb3_ext.common.algorithm import with_defaults
from sb3_ext.common.hyperparameters import Rules, is_float_box, make_schedule, number, one_of
from sb3_ext.ddpg.policies import Actor, CnnPolicy, Critic, DDPGPolicy, MlpPolicy, MultiInputPolicy
from sb3_ext.fast.off_policy import FastOffPolicyAlgorithm, Samples

CRITIC_LOSSES: dict[str, Callable[[th.Tensor, th.Tensor], th.Tensor]] = {"mse": F.mse_loss, "huber": F.huber_loss}


class DDPG(FastOffPolicyAlgorithm):
    """
    Deep Deterministic Policy Gradient (DDPG)

    Paper: https://arxiv.org/abs/1509.02971 (Lillicrap et al., 2015)

    Differences from the paper:

    1. Defaults are SB3's: both networks learn at 1e-3, soft targets follow with ``tau=0.005`` and minibatches hold 256
       transitions. The paper: ``learning_rate=1e-4, critic_learning_rate=1e-3, tau=0.001, batch_size=64``.
    2. The action enters the critic with the observation, output layers start as PyTorch does, and the critic has no L2.
       The paper: ``policy_kwargs=dict(action_layer=1, final_init=3e-3)``, ``critic_weight_decay=1e-2``.
    3. No batch normalisation; wrap the environment in ``VecNormalize`` to normalise observations.
    4. The first ``learning_starts`` actions are uniformly random.
    5. ``action_noise`` is any SB3 noise, in units of the scaled action range [-1, 1]. The paper's is
       ``OrnsteinUhlenbeckActionNoise(np.zeros(n), 0.2 * np.ones(n), dt=1.0)``; the default ``dt`` is 0.01.
    6. An episode cut by a time limit still bootstraps; only real terminal states have no future.
    7. Options the paper does not have: Huber loss, gradient clipping, n-step returns, a sigmoid actor, inverted
       gradients (``policy_kwargs=dict(invert_gradients=True)``) for actors that get stuck at the end of their range.

    :param policy: policy class or its alias (``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``)
    :param env: environment to learn from, or its id; its action space is a float ``Box`` with finite bounds, low < high
    :param learning_rate: learning rate of the actor: a number >= 0, a schedule of the remaining progress (1 to 0),
        or ``"lin_<number>"`` for a linear decay to 0
    :param buffer_size: transitions kept in the replay buffer, at least 1
    :param learning_starts: environment steps with random actions and without updates, at least 0
    :param batch_size: transitions in a minibatch, at least 1
    :param tau: share of the learned networks mixed into the targets at each update, in (0, 1]
    :param gamma: discount factor, in [0, 1]
    :param train_freq: steps between updates, or ``(frequency, "step" | "episode")``; episodes need a single environment
    :param gradient_steps: updates after each collection; -1 for as many as the environment steps collected
    :param action_noise: noise added to the scaled actions while exploring, ``None`` for none
    :param replay_buffer_class: replay buffer; ``None`` for one that serves any observation space and ``n_steps``.
        A buffer that takes ``n_steps`` and ``gamma`` always receives those of the algorithm
    :param replay_buffer_kwargs: keyword arguments of the replay buffer
    :param optimize_memory_usage: store each observation once, see SB3's ``ReplayBuffer``; not with ``n_steps > 1``
    :param n_steps: rewards summed before bootstrapping, at least 1
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see :class:`sb3_ext.ddpg.DDPGPolicy`
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: device of the networks
    :param _init_setup_model: whether to build the networks at once (and check the arguments)
    :param critic_learning_rate: learning rate of the critic, same forms; ``None`` means the same as ``learning_rate``
    :param critic_loss: ``"mse"`` or ``"huber"`` (threshold 1)
    :param critic_weight_decay: ``weight_decay`` of the critic's optimizer, at least 0 (with Adam the paper's L2 term in
        the gradient); 0 leaves what ``policy_kwargs["optimizer_kwargs"]`` says. The actor is never affected
    :param max_grad_norm: largest gradient norm of each network, above 0; ``None`` for no clipping
    :param compile: whether to compile the whole update, see :class:`sb3_ext.fast.compiled.Update`
    :raises ValueError: if an argument is out of range, or arguments contradict each other
    :raises AssertionError: from SB3, if the action space is not a ``Box`` with finite bounds
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
    }
    policy: DDPGPolicy
    actor: Actor
    actor_target: Actor
    critic: Critic
    critic_target: Critic
    learned = ("actor", "critic")
    optimized = ("actor", "critic")
    losses = ("critic_loss", "actor_loss")
    learn = with_defaults(OffPolicyAlgorithm.learn, tb_log_name="DDPG")

    def __init__(
        self,
        policy: str | type[DDPGPolicy],
        env: GymEnv | str,
        learning_rate: float | str | Schedule = 1e-3,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        batch_size: int = 256,
        tau: float = 0.005,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 1,
        gradient_steps: int = 1,
        action_noise: ActionNoise | None = None,
        replay_buffer_class: type[ReplayBuffer] | None = None,
        replay_buffer_kwargs: dict[str, Any] | None = None,
        optimize_memory_usage: bool = False,
        n_steps: int = 1,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
        *,
        critic_learning_rate: float | str | Schedule | None = None,
        critic_loss: str = "mse",
        critic_weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
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
            action_noise=action_noise,
            replay_buffer_class=replay_buffer_class,
            replay_buffer_kwargs=dict(replay_buffer_kwargs or {}),
            optimize_memory_usage=optimize_memory_usage,
            n_steps=n_steps,
            policy_kwargs=dict(policy_kwargs or {}),
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            seed=seed,
            sde_support=False,
            supported_action_spaces=(spaces.Box,),
            support_multi_env=True,
        )
        self.critic_learning_rate = critic_learning_rate
        self.critic_loss = critic_loss
        self.critic_weight_decay = self._decay_at_last = critic_weight_decay
        self.max_grad_norm = max_grad_norm
        self.compile = compile

        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        return {
            **super()._rules(),
            "critic_loss": one_of(*CRITIC_LOSSES),
            "critic_weight_decay": number(0),
            "action_noise": (
                lambda value: value is None or isinstance(value, ActionNoise),
                "None or an ActionNoise such as NormalActionNoise",
            ),
            "action_space": (is_float_box, "a Box of floats with low < high everywhere"),
        }

    def _setup_lr_schedule(self) -> None:
        super()._setup_lr_schedule()
        self.critic_lr_schedule: Schedule | None = None
        if self.critic_learning_rate is not None:
            self.critic_lr_schedule = make_schedule("critic_learning_rate", self.critic_learning_rate)

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.critic_weight_decay > 0 and "weight_decay" not in self.critic.optimizer.defaults:
            raise ValueError(
                f"DDPG: critic_weight_decay={self.critic_weight_decay} needs an optimizer with weight_decay, "
                f"not {type(self.critic.optimizer).__name__}; use critic_weight_decay=0 or Adam."
            )
        self._set_critic_rate(progress_remaining=1.0)
        self._set_weight_decay()
        self._refresh()

    def _set_critic_rate(self, progress_remaining: float) -> float:
        learning_rate = (self.critic_lr_schedule or self.lr_schedule)(progress_remaining)
        update_learning_rate(self.critic.optimizer, learning_rate)
        return learning_rate

    def _set_weight_decay(self) -> None:
        optimizer = self.critic.optimizer
        if "weight_decay" in optimizer.defaults:
            for group in optimizer.param_groups:
                group["weight_decay"] = self.critic_weight_decay or optimizer.defaults["weight_decay"]

    def _set_learning_rates(self) -> None:
        self._update_learning_rate(self.actor.optimizer)
        self.logger.record("train/critic_learning_rate", self._set_critic_rate(self._current_progress_remaining))
        # Loading brings back the decay of the file; what a user gave to groups of parameters stays as it is otherwise
        if self.critic_weight_decay != self._decay_at_last:
            self._set_weight_decay()
            self._decay_at_last = self.critic_weight_decay

    def _update(self, batch: Samples) -> th.Tensor:
        """Do one update of every network; return the losses of critic and actor, shape (2,), detached."""
        # n-step buffers give gamma ** (steps really summed) per transition
        discounts = self.gamma if batch.discounts is None else batch.discounts
        with th.no_grad():
            next_actions = self.actor_target(batch.next_observations)
            next_q = self.critic_target(batch.next_observations, next_actions)
            target_q = batch.rewards + discounts * (1 - batch.dones) * next_q

        critic_loss = CRITIC_LOSSES[self.critic_loss](self.critic(batch.observations, batch.actions), target_q)
        self._descend["critic"](critic_loss)

        actor_loss = -self.critic(batch.observations, self.actor(batch.observations)).mean()
        self._descend["actor"](actor_loss)

        self._move_targets()
        return th.stack([critic_loss.detach(), actor_loss.detach()])

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Explore: return the actions for the environment, and the same scaled to [-1, 1] for the replay buffer."""
        if self.num_timesteps < learning_starts:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        assert self._last_obs is not None and isinstance(self.action_space, spaces.Box)
        scaled = self._act(self._last_obs).reshape(-1, *self.action_space.shape)
        if action_noise is not None:
            scaled = np.clip(scaled + action_noise(), -1, 1)
        return self.policy.unscale_action(scaled), scaled

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "critic_lr_schedule"]
