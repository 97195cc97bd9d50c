"""PPO with an adaptive penalty on the Kullback-Leibler divergence in place of clipping."""

import copy
from typing import Any

import torch as th
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.distributions import Distribution, kl_divergence
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule

from sb3_ext.common.algorithm import with_defaults
from sb3_ext.common.hyperparameters import Rules, is_positive, positive
from sb3_ext.common.starts import respect_starts
from sb3_ext.fast import PPO, Structure
from sb3_ext.fast.ppo import Samples

BETA_RANGE = (1e-6, 1e6)


class PPOPenalty(PPO):
    """
    Proximal Policy Optimization with an adaptive KL penalty

    Paper: https://arxiv.org/abs/1707.06347, section 4 (Schulman et al., 2017)

    Maximises ``E[ratio * advantage - beta * KL(old, new)]``, the ratio being that of the new policy's probability of an
    action to the old one's. After the epochs of an update, ``beta`` is doubled if the divergence is above
    ``1.5 * target_kl`` and halved if it is below ``target_kl / 1.5``.

    The divergence is that of the distributions, not an estimate from the actions taken: a copy of the policy keeps the
    old parameters during an update. For gSDE with ``squash_output`` it is that of the Gaussians before squashing, which
    is the same.

    Differences from the paper: ``beta`` stays within 1e-6 and 1e6, so that it finds back from an extreme; like in SB3's
    PPO, advantages are normalised by minibatch and gradients are clipped.

    Logs ``train/kl`` (after the update, mean over the rollout), ``train/beta`` (with which the update was made) and
    ``train/policy_loss`` (with the penalty) beside what SB3's PPO logs, except what tells of clipping the ratio.

    :param policy: policy class or its alias (``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``), those of SB3's PPO
    :param env: environment to learn from, or its id
    :param learning_rate: a number >= 0, a schedule of the remaining progress (1 to 0), or ``"lin_<number>"`` for a
        linear decay to 0
    :param n_steps: steps of every environment per update
    :param batch_size: minibatch size
    :param n_epochs: passes over the rollout per update
    :param gamma: discount factor
    :param gae_lambda: trade-off of bias and variance in the advantages
    :param target_kl: the divergence of an update to aim at, above 0
    :param initial_beta: ``beta`` of the first update, above 0; the paper finds it not to matter. The present one is the
        attribute ``beta``
    :param clip_range_vf: largest change of a value in an update, above 0: a number or a schedule of the remaining
        progress; it depends on the scale of the rewards. ``None`` for no clipping
    :param normalize_advantage: whether to normalise the advantages of a minibatch
    :param ent_coef: weight of the entropy bonus
    :param vf_coef: weight of the value's squared error
    :param max_grad_norm: largest gradient norm, above 0; ``None`` for no clipping
    :param use_sde: explore with generalized State Dependent Exploration (gSDE); ``Box`` actions only
    :param sde_sample_freq: steps between new gSDE noise matrices; -1 for one at the start of each rollout
    :param rollout_buffer_class: class of the rollout buffer, ``None`` for SB3's choice
    :param rollout_buffer_kwargs: arguments of the rollout buffer
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see SB3's ``ActorCriticPolicy``
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: device of the networks
    :param _init_setup_model: whether to build the networks at once (and check the arguments)
    :raises ValueError: if ``learning_rate``, ``target_kl``, ``initial_beta``, ``clip_range_vf`` or ``max_grad_norm`` is
        out of range
    """

    target_kl: float
    terms = ("policy_gradient_loss", "policy_loss", "value_loss", "entropy_loss", "loss", "approx_kl")
    learn = with_defaults(PPO.learn, tb_log_name="PPOPenalty")

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | str | Schedule = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        target_kl: float = 0.01,
        initial_beta: float = 1.0,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        rollout_buffer_class: type[RolloutBuffer] | None = None,
        rollout_buffer_kwargs: dict[str, Any] | None = None,
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
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            rollout_buffer_class=rollout_buffer_class,
            rollout_buffer_kwargs=rollout_buffer_kwargs,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=False,
        )
        self.initial_beta = initial_beta
        self.beta = initial_beta

        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        return {
            **super()._rules(),
            "target_kl": positive(),
            "initial_beta": positive(),
            "clip_range_vf": (
                lambda value: value is None or callable(value) or is_positive(value),
                "None, a finite number > 0 or a schedule",
            ),
        }

    def _setup_model(self) -> None:
        super()._setup_model()
        self._old_policy: ActorCriticPolicy = self.policy_class(  # type: ignore[assignment]
            self.observation_space, self.action_space, self.lr_schedule, use_sde=self.use_sde, **self.policy_kwargs
        ).to(self.device)
        respect_starts(self._old_policy)
        self._old_policy.set_training_mode(False)
        self._remembered = Structure([self.policy])

    def train(self) -> None:
        """
        Do ``n_epochs`` passes over the rollout, then adapt ``beta``.

        :raises RuntimeError: if the loss is not finite; the policy stays as the minibatch before left it
        """
        self._remember_policy()
        super().train()
        kl = self._rollout_kl()
        self.logger.record("train/kl", kl)
        self.beta = adapted(self.beta, kl, self.target_kl)

    def _remember_policy(self) -> None:
        """Let the old policy be what the policy is now, with all layers that the user has put into it."""
        policy = getattr(self.policy, "_orig_mod", self.policy)  # of one that is compiled
        if self._remembered.fits([policy]):
            self._old_policy.load_state_dict(policy.state_dict())
            return
        # A shallow copy of the distribution, which may hold a graph of gradients
        self._old_policy = copy.deepcopy(policy, {id(policy.action_dist): copy.copy(policy.action_dist)})
        self._old_policy.set_training_mode(False)
        self._remembered = Structure([policy])

    def _limits(self) -> dict[str, float]:
        limits = super()._limits()
        del limits["clip_range"]
        return {**limits, "beta": self.beta}

    def _goes_too_far(self, approx_kl: th.Tensor) -> bool:
        return False  # here target_kl is what the penalty aims at

    def _losses(self, batch: Samples, limits: dict[str, th.Tensor]) -> dict[str, th.Tensor]:
        """What the loss of a minibatch consists of."""
        log_ratio, advantages, value_loss, entropy_loss = self._evaluate(batch, limits)
        # evaluate_actions leaves its distribution there, which saves a second forward pass
        kl = mean_kl(self._old_distribution(batch), self.policy.action_dist)
        ratio = th.exp(log_ratio)
        policy_gradient_loss = -(ratio * advantages).mean()
        policy_loss = policy_gradient_loss + limits["beta"] * kl
        return {
            "policy_gradient_loss": policy_gradient_loss,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy_loss": entropy_loss,
            "loss": policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss,
            "approx_kl": (ratio - 1 - log_ratio).mean(),  # http://joschu.net/blog/kl-approx.html
        }

    def _old_distribution(self, batch: Samples) -> Distribution:
        with th.no_grad():
            return self._old_policy.get_distribution(batch.observations)

    def _rollout_kl(self) -> float:
        """Divergence of the policy from the old one, mean over the rollout."""
        self.policy.set_training_mode(False)
        total = 0.0
        with th.no_grad():
            for batch in self.rollout_buffer.get(self.batch_size):
                new = self.policy.get_distribution(batch.observations)
                total += mean_kl(self._old_distribution(batch), new).item() * len(batch.advantages)
        return total / (self.rollout_buffer.buffer_size * self.rollout_buffer.n_envs)

    def _excluded_save_params(self) -> list[str]:
        # compile is no argument here, and would tell those who guess the algorithm of a file the wrong one
        return [*super()._excluded_save_params(), "_old_policy", "_remembered", "compile"]


def mean_kl(old: Distribution, new: Distribution) -> th.Tensor:
    """
    Analytic divergence KL(old, new), summed over the dimensions of an action and averaged over the batch.

    :param old: action distributions before the update
    :param new: action distributions of the same kind after it
    :return: scalar, at least 0 up to rounding
    """
    divergence = kl_divergence(old, new)
    return divergence.flatten(1).sum(dim=1).mean() if divergence.ndim > 1 else divergence.mean()


def adapted(beta: float, kl: float, target_kl: float) -> float:
    """
    Choose the next penalty coefficient.

    :param beta: the present one
    :param kl: divergence that it led to
    :param target_kl: divergence to aim at
    :return: half, the same or twice ``beta``, within ``BETA_RANGE``
    """
    if kl > 1.5 * target_kl:
        beta *= 2
    elif kl < target_kl / 1.5:
        beta /= 2
    return min(max(beta, BETA_RANGE[0]), BETA_RANGE[1])
