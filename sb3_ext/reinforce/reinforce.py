"""REINFORCE, the Monte Carlo policy gradient, written on SB3's ``OnPolicyAlgorithm``."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import explained_variance, obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional as F

from sb3_ext.common.algorithm import CheckedAlgorithm, with_defaults
from sb3_ext.common.arrays import BoolArray, FloatArray
from sb3_ext.common.episodes import EpisodeBatch, check_length, normalize
from sb3_ext.common.hyperparameters import Rules, flag, integer, is_integer, number, one_of, optional, positive
from sb3_ext.common.starts import respect_starts
from sb3_ext.fast import GradientStep

BASELINES = ("none", "mean", "value")


class REINFORCE(CheckedAlgorithm, OnPolicyAlgorithm):
    """
    REINFORCE, the Monte Carlo policy gradient

    Paper: R. J. Williams, Simple statistical gradient-following algorithms for connectionist reinforcement learning,
    Machine Learning 8, 1992, https://doi.org/10.1007/BF00992696

    Every update takes one gradient step on whole episodes that the current policy just played.

    Differences from the paper:

    1. An action is credited with the discounted rewards that follow it (reward-to-go), not with those of the whole
       episode. As usual, a step t is not weighted by ``gamma ** t``.
    2. The update is the mean over all steps of ``n_episodes`` episodes, and Adam takes it.
    3. Returns less the baseline are normalised over the batch: mean 0, standard deviation 1
       (the paper: ``normalize_advantage=False``).
    4. The baseline is nothing, the mean return of the batch (the same as nothing if returns are normalised) or a
       learned value.
    5. An entropy bonus, gradient clipping and gSDE are options.

    With several environments a batch holds the first ``n_episodes`` episodes begun, not the first ones finished, which
    would be the short ones. Environments with nothing left to begin step on unused until the batch is complete; then
    all are reset. These steps count as ``num_timesteps`` and are fewest if ``n_episodes`` is a multiple of ``n_envs``.

    An episode cut by a time limit is bootstrapped with the learned value if ``baseline="value"``. The other baselines
    know no value: there the cut counts as the end.

    :param policy: policy class or its alias (``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``), those of SB3's A2C
    :param env: environment to learn from, or its id; any action space but ``Dict`` and ``Tuple``. Its episodes must end
    :param learning_rate: a number >= 0, a schedule of the remaining progress (1 to 0), or ``"lin_<number>"`` for a
        linear decay to 0
    :param n_episodes: episodes per update over all environments, at least 1
    :param max_steps: no further episode is begun for an update when it has this many steps, at least 1; the running
        ones are finished. ``None`` for no such bound
    :param max_episode_steps: length of the longest episode allowed, at least 1; a longer one is an error, since the
        environment seems to have no end
    :param gamma: discount factor, in [0, 1]
    :param baseline: subtracted from the returns: ``"none"``, ``"mean"`` (of the batch) or ``"value"`` (learned)
    :param normalize_advantage: whether to normalise returns less the baseline over all steps of the batch
    :param ent_coef: weight of the entropy bonus, at least 0
    :param vf_coef: weight of the value's squared error for ``baseline="value"``, at least 0
    :param max_grad_norm: largest gradient norm, above 0; ``None`` for no clipping
    :param use_sde: explore with generalized State Dependent Exploration (gSDE); ``Box`` actions only
    :param sde_sample_freq: steps between new gSDE noise matrices, at least 1; -1 for one at the start of each update
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see SB3's ``ActorCriticPolicy``
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: device of the networks
    :param _init_setup_model: whether to build the networks at once (and check the arguments)
    :raises ValueError: if an argument is out of range
    :raises AssertionError: from SB3, if the action space is not supported
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": ActorCriticPolicy,
        "CnnPolicy": ActorCriticCnnPolicy,
        "MultiInputPolicy": MultiInputActorCriticPolicy,
    }
    episodes: EpisodeBatch
    learn = with_defaults(OnPolicyAlgorithm.learn, log_interval=10, tb_log_name="REINFORCE")

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | str | Schedule = 1e-2,
        n_episodes: int = 10,
        max_steps: int | None = None,
        max_episode_steps: int = 50_000,
        gamma: float = 0.99,
        baseline: str = "none",
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = None,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
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
            learning_rate,  # type: ignore[arg-type]  # a string becomes a schedule in _setup_lr_schedule
            n_steps=1,  # SB3's rollout buffer has a fixed length and stays unused
            gamma=gamma,
            gae_lambda=1.0,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,  # type: ignore[arg-type]  # may be None
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=dict(policy_kwargs or {}),
            verbose=verbose,
            seed=seed,
            device=device,
            supported_action_spaces=(spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary),
            _init_setup_model=False,
        )
        self.n_episodes = n_episodes
        self.max_steps = max_steps
        self.max_episode_steps = max_episode_steps
        self.baseline = baseline
        self.normalize_advantage = normalize_advantage

        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        box = isinstance(self.action_space, spaces.Box)
        return {
            "n_episodes": integer(1),
            "max_steps": optional(integer(1)),
            "max_episode_steps": integer(1),
            "gamma": number(0, 1),
            "baseline": one_of(*BASELINES),
            "normalize_advantage": flag(),
            "ent_coef": number(0),
            "vf_coef": number(0),
            "max_grad_norm": optional(positive()),
            "use_sde": (box or not self.use_sde, "False for these actions"),
            "sde_sample_freq": (lambda value: is_integer(value, -1) and value != 0, "-1 or an integer >= 1"),
        }

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        super()._setup_model()
        respect_starts(self.policy)
        self._descend = GradientStep()

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        """The last batch goes beyond ``total_timesteps``, where schedules would turn negative."""
        super()._update_current_progress_remaining(min(num_timesteps, total_timesteps), total_timesteps)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """
        Play the episodes of one update, see ``OnPolicyAlgorithm``; the last two arguments are unused.

        :raises RuntimeError: if an episode is longer than ``max_episode_steps``
        """
        callback.on_rollout_start()
        assert self._last_obs is not None and self._last_episode_starts is not None
        self.policy.set_training_mode(False)
        if not self._last_episode_starts.all():
            self._last_obs = env.reset()  # type: ignore[assignment]
            self._last_episode_starts = np.ones(env.num_envs, dtype=bool)
        self.episodes = EpisodeBatch(env.num_envs, self.n_episodes, self.max_steps)
        n_steps = 0

        while not self.episodes.complete:
            if self.use_sde and (n_steps == 0 or (self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0)):
                self.policy.reset_noise(env.num_envs)
            actions, clipped_actions = self._sample_actions()
            new_obs, rewards, dones, infos = env.step(clipped_actions)

            self.num_timesteps += env.num_envs
            n_steps += 1
            callback.update_locals(locals())
            if not callback.on_step():
                # The next batch must know that an episode is under way
                self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
                return False

            if dones.any():
                # Only episodes of the batch: others end before it is complete only if they are short
                counted = np.flatnonzero(self.episodes.active)
                self._update_info_buffer([infos[index] for index in counted], dones[counted])
            self.episodes.add(self._last_obs, actions, self._bootstrap(rewards, dones, infos), dones)  # type: ignore[arg-type]
            self._last_obs = new_obs  # type: ignore[assignment]
            self._last_episode_starts = dones
            check_length(type(self).__name__, self.episodes.longest_running, self.max_episode_steps)

        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _sample_actions(self) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]:
        """Draw actions as the distribution has them, and the same as the environment takes them."""
        with th.no_grad():
            obs_tensor = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
            actions = self.policy.get_distribution(obs_tensor).get_actions().cpu().numpy()
        clipped_actions = actions.reshape(-1, *self.action_space.shape)  # type: ignore[misc]
        if isinstance(self.action_space, spaces.Box):
            if self.policy.squash_output:
                clipped_actions = self.policy.unscale_action(clipped_actions)
            else:
                clipped_actions = np.clip(clipped_actions, self.action_space.low, self.action_space.high)
        return actions, clipped_actions

    def _bootstrap(
        self, rewards: npt.NDArray[np.floating], dones: BoolArray, infos: list[dict[str, Any]]
    ) -> npt.NDArray[np.floating]:
        """Add the learned value of what a time limit cut off, see https://github.com/DLR-RM/stable-baselines3/issues/633."""
        if self.baseline != "value" or not dones.any():
            return rewards
        rewards = rewards.copy()
        for index in np.flatnonzero(dones):
            if infos[index].get("TimeLimit.truncated", False):
                terminal_obs, _ = self.policy.obs_to_tensor(infos[index]["terminal_observation"])
                with th.no_grad():
                    rewards[index] += self.gamma * self.policy.predict_values(terminal_obs).item()
        return rewards

    def train(self) -> None:
        """
        Do one gradient step on the batch of episodes.

        :raises RuntimeError: if the loss is not finite; the policy stays as it was. Bad data or a diverged network is
            no bad trial to skip in a search, so it is not a ``ValueError``
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        self._descend.refresh(self.policy.optimizer, self.max_grad_norm)

        batch = self.episodes.samples(self.gamma, self.device)
        values, log_prob, entropy = self.policy.evaluate_actions(batch.observations, batch.actions)
        values = values.flatten()
        advantages = self._advantages(batch.returns, values.detach().cpu().numpy())

        policy_loss = -(th.as_tensor(advantages, dtype=th.float32, device=self.device) * log_prob).mean()
        # Without a formula for the entropy (squashed gSDE) its estimate from the actions taken
        entropy_loss = log_prob.mean() if entropy is None else -entropy.mean()
        loss = policy_loss + self.ent_coef * entropy_loss
        if self.baseline == "value":
            value_loss = F.mse_loss(values, th.as_tensor(batch.returns, dtype=th.float32, device=self.device))
            loss = loss + self.vf_coef * value_loss
            self.logger.record("train/value_loss", value_loss.item())
            explained = explained_variance(values.detach().cpu().numpy(), batch.returns)
            self.logger.record("train/explained_variance", explained)
        if not th.isfinite(loss):
            raise RuntimeError(
                f"REINFORCE: loss {loss.item()} after {self._n_updates} updates. Check the environment for non-finite "
                "observations and rewards, then lower learning_rate or the reward scale."
            )
        self._descend(loss)

        self._n_updates += 1
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/policy_loss", policy_loss.item())
        self.logger.record("train/entropy_loss", entropy_loss.item())
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())

    def _advantages(self, returns: FloatArray, values: npt.NDArray[np.float32]) -> FloatArray:
        """Returns less the baseline, normalised if wanted."""
        advantages = returns
        if self.baseline == "mean":
            advantages = returns - returns.mean()
        elif self.baseline == "value":
            advantages = returns - values
        return normalize(advantages) if self.normalize_advantage else advantages

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "episodes", "_descend"]
