"""SB3's PPO, with a compiled update and lean collection."""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeAlias

import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO as PlainPPO
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import (
    DictRolloutBufferSamples,
    GymEnv,
    RolloutBufferSamples,
    Schedule,
)
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch.nn import functional as F

from sb3_ext.common.algorithm import CheckedAlgorithm, with_defaults
from sb3_ext.common.hyperparameters import Rules, one_of, optional, positive
from sb3_ext.common.starts import respect_starts
from sb3_ext.fast.collecting import acting_leanly
from sb3_ext.fast.compiled import COMPILE_MODES, Update
from sb3_ext.fast.gradient_step import GradientStep
from sb3_ext.fast.structure import Structure

Samples: TypeAlias = RolloutBufferSamples | DictRolloutBufferSamples


class PPO(CheckedAlgorithm, PlainPPO):
    """
    Proximal Policy Optimization as SB3 computes it, in less time

    Paper: https://arxiv.org/abs/1707.06347 (Schulman et al., 2017)

    Learns what :class:`stable_baselines3.PPO` learns from the same seed, up to rounding, and takes its arguments. A
    file of either can be loaded by the other.

    1. Small networks of linear layers act in NumPy while rollouts are collected.
    2. A rollout is shuffled once an epoch, and minibatches are slices of it.
    3. Adam and AdamW run their fused kernel, unless ``optimizer_kwargs`` choose another.
    4. With ``compile=True`` losses and gradients are one graph. A last minibatch that is smaller than the others does
       not use it.

    :param policy: policy class or its alias (``MlpPolicy``, ``CnnPolicy``, ``MultiInputPolicy``), those of SB3's PPO
    :param env: environment to learn from, or its id
    :param learning_rate: a number >= 0, a schedule of the remaining progress (1 to 0), or ``"lin_<number>"`` for a
        linear decay to 0
    :param n_steps: steps of every environment per update
    :param batch_size: minibatch size
    :param n_epochs: passes over the rollout per update
    :param gamma: discount factor
    :param gae_lambda: trade-off of bias and variance in the advantages
    :param clip_range: largest change of the probability ratio that is rewarded: a number or a schedule
    :param clip_range_vf: largest change of a value in an update, same forms; ``None`` for no clipping
    :param normalize_advantage: whether to normalise the advantages of a minibatch
    :param ent_coef: weight of the entropy bonus
    :param vf_coef: weight of the value's squared error
    :param max_grad_norm: largest gradient norm, above 0; ``None`` for no clipping
    :param use_sde: explore with generalized State Dependent Exploration (gSDE); ``Box`` actions only
    :param sde_sample_freq: steps between new gSDE noise matrices; -1 for one at the start of each rollout
    :param rollout_buffer_class: class of the rollout buffer, ``None`` for SB3's choice
    :param rollout_buffer_kwargs: arguments of the rollout buffer
    :param target_kl: end the epochs of an update before the divergence exceeds 1.5 times this; ``None`` for no limit
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see SB3's ``ActorCriticPolicy``
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: device of the networks
    :param _init_setup_model: whether to build the networks at once (and check the arguments)
    :param compile: whether to compile losses and gradients, see :class:`sb3_ext.fast.compiled.Update`
    :raises ValueError: if ``learning_rate``, ``max_grad_norm``, ``target_kl`` or ``compile`` is out of range
    """

    learn = with_defaults(PlainPPO.learn, tb_log_name="PPO")
    terms: ClassVar[tuple[str, ...]] = (
        *("policy_gradient_loss", "value_loss", "entropy_loss", "loss", "clip_fraction", "approx_kl"),
    )
    """What ``_losses`` finds of a minibatch, by the name in the log."""
    max_grad_norm: Any  # a number or None, where SB3 says float

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
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        rollout_buffer_class: type[RolloutBuffer] | None = None,
        rollout_buffer_kwargs: dict[str, Any] | None = None,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
        compile: bool | str = False,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate,  # type: ignore[arg-type]  # a string becomes a schedule in _setup_lr_schedule
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,  # type: ignore[arg-type]  # may be None
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            rollout_buffer_class=rollout_buffer_class,
            rollout_buffer_kwargs=rollout_buffer_kwargs,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=dict(policy_kwargs or {}),
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=False,
        )
        self.compile = compile
        if _init_setup_model:
            self._setup_model()

    def _rules(self) -> Rules:
        return {
            "target_kl": optional(positive()),
            "max_grad_norm": optional(positive()),
            "compile": one_of(*COMPILE_MODES),
        }

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        super()._setup_model()
        respect_starts(self.policy)
        self._descend = GradientStep()
        self._structure = Structure([self.policy])
        self._find_gradients = Update(self._gradients, [], self.compile)
        self._find_gradients.check()

    def _refresh(self) -> None:
        """Follow what users changed: layers, what is frozen, the optimizer and its settings, whether to compile."""
        _fuse(self.policy.optimizer)
        changed = self._descend.refresh(self.policy.optimizer, self.max_grad_norm)
        if not self._structure.fits([self.policy]):
            self._structure = Structure([self.policy])
            changed = True
        if self.compile != self._find_gradients.mode:
            self._check_hyperparameters()
            self._find_gradients.mode = self.compile
            changed = True
        if changed:
            self._find_gradients.renew()

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fill the rollout buffer as SB3 does; ``False`` if a callback ended the training."""
        with acting_leanly(self.policy):
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def train(self) -> None:
        """
        Do up to ``n_epochs`` passes over the rollout.

        :raises RuntimeError: if a loss is not finite; the policy stays as the minibatch before left it
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        self._refresh()
        limits = self._limits()
        # As tensors, since a graph is compiled anew for every other number
        tensors = {name: th.tensor(limit, device=self.device) for name, limit in limits.items()}

        found: list[th.Tensor] = []
        for _ in range(self.n_epochs):
            start = len(found)
            goes_on = self._run_epoch(found, tensors)
            self._n_updates += 1
            if not goes_on:
                break
        self._record(th.stack(found), start)
        for name, limit in limits.items():
            self.logger.record(f"train/{name}", limit)

    def _limits(self) -> dict[str, float]:
        """What holds the update back at this time, by the name in the log."""
        schedules: dict[str, Any] = {"clip_range": self.clip_range, "clip_range_vf": self.clip_range_vf}
        progress = self._current_progress_remaining
        return {name: float(schedule(progress)) for name, schedule in schedules.items() if schedule is not None}

    def _run_epoch(self, found: list[th.Tensor], limits: dict[str, th.Tensor]) -> bool:
        """Do one pass, add the terms of each minibatch, and tell whether the divergence allows another pass."""
        for batch in _minibatches(self.rollout_buffer, self.batch_size):
            find = self._find_gradients if len(batch.advantages) == self.batch_size else self._gradients
            values, gradients = find(batch, limits)
            found.append(values)
            terms = dict(zip(self.terms, values, strict=True))
            if not th.isfinite(terms["loss"]):
                raise RuntimeError(
                    f"{type(self).__name__}: loss {terms['loss'].item()} after {self._n_updates} epochs. Check the "
                    "environment for non-finite observations and rewards, then lower learning_rate."
                )
            if self._goes_too_far(terms["approx_kl"]):
                return False
            self._descend.descend(gradients)
        return True

    def _goes_too_far(self, approx_kl: th.Tensor) -> bool:
        if self.target_kl is None or approx_kl <= 1.5 * self.target_kl:
            return False
        if self.verbose >= 1:
            print(f"Early stopping of the epochs due to reaching max kl: {approx_kl:.2f}")
        return True

    def _gradients(self, batch: Samples, limits: dict[str, th.Tensor]) -> tuple[th.Tensor, tuple[th.Tensor, ...]]:
        """Find the terms of the loss of a minibatch, in the order of ``terms``, and the clipped gradients."""
        found = self._losses(batch, limits)
        if th.compiler.is_compiling():
            _forget(self.policy.action_dist)
        # detached before the gradients, as a graph may return nothing that hangs on what they use up
        return th.stack([found[name].detach() for name in self.terms]), self._descend.gradients(found["loss"])

    def _losses(self, batch: Samples, limits: dict[str, th.Tensor]) -> dict[str, th.Tensor]:
        """What the loss of a minibatch consists of."""
        log_ratio, advantages, value_loss, entropy_loss = self._evaluate(batch, limits)
        ratio = th.exp(log_ratio)
        clip_range = limits["clip_range"]
        clipped = th.clamp(ratio, 1 - clip_range, 1 + clip_range)
        policy_loss = -th.min(advantages * ratio, advantages * clipped).mean()
        return {
            "policy_gradient_loss": policy_loss,
            "value_loss": value_loss,
            "entropy_loss": entropy_loss,
            "loss": policy_loss + self.ent_coef * entropy_loss + self.vf_coef * value_loss,
            "clip_fraction": ((ratio - 1).abs() > clip_range).float().mean(),
            "approx_kl": (ratio - 1 - log_ratio).mean(),  # http://joschu.net/blog/kl-approx.html
        }

    def _evaluate(
        self, batch: Samples, limits: dict[str, th.Tensor]
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor, th.Tensor]:
        """
        Pass a minibatch through the policy.

        :return: logarithms of the probability ratios and advantages, shape (batch,), the value's loss and the entropy's
        """
        actions = batch.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        values, log_prob, entropy = self.policy.evaluate_actions(batch.observations, actions)
        values = values.flatten()
        advantages = batch.advantages
        if self.normalize_advantage and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        if "clip_range_vf" in limits:
            clip_range = limits["clip_range_vf"]
            values = batch.old_values + th.clamp(values - batch.old_values, -clip_range, clip_range)
        # Without a formula for the entropy (squashed gSDE) its estimate from the actions taken
        entropy_loss = log_prob.mean() if entropy is None else -entropy.mean()
        return log_prob - batch.old_log_prob, advantages, F.mse_loss(batch.returns, values), entropy_loss

    def _record(self, found: th.Tensor, start: int) -> None:
        """Log the terms, with the divergence of the last epoch, which begins at row ``start``, and its last loss."""
        means = dict(zip(self.terms, found.mean(dim=0).tolist(), strict=True))
        means["approx_kl"] = found[start:, self.terms.index("approx_kl")].mean().item()
        means["loss"] = found[-1, self.terms.index("loss")].item()
        for name, value in means.items():
            self.logger.record(f"train/{name}", value)
        buffer = self.rollout_buffer
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", explained)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_structure", "_descend", "_find_gradients"]


def _fuse(optimizer: th.optim.Optimizer) -> None:
    """Let Adam and AdamW run their fused kernel, unless the user chose an implementation."""
    if type(optimizer) not in (th.optim.Adam, th.optim.AdamW):
        return
    for group in optimizer.param_groups:
        if group["fused"] is None and not group["foreach"] and not group["differentiable"]:
            group["fused"] = True
            for parameter in group["params"]:
                if state := optimizer.state.get(parameter):
                    state["step"] = state["step"].to(parameter.device)


def _forget(distribution: object) -> None:
    """Clear what a distribution keeps of the last pass, which a graph could only return as one of its outputs."""
    for name in ("distribution", "gaussian_actions", "_latent_sde"):
        if hasattr(distribution, name):
            setattr(distribution, name, None)


def _minibatches(buffer: RolloutBuffer, batch_size: int) -> Iterator[Samples]:
    """Give what ``buffer.get(batch_size)`` gives, as slices of one shuffled copy."""
    if type(buffer) not in (RolloutBuffer, DictRolloutBuffer):
        yield from buffer.get(batch_size)
        return
    samples: Any
    (samples,) = buffer.get(buffer.buffer_size * buffer.n_envs)
    for start in range(0, len(samples.advantages), batch_size):
        part = slice(start, start + batch_size)
        yield type(samples)._make(
            {key: value[part] for key, value in column.items()} if isinstance(column, dict) else column[part]
            for column in samples
        )
