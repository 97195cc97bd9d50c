"""
Compare remedies for a DDPG actor that gets stuck at the end of its range, on many seeds of an AdSpend market at once.

    python scripts/measure.py remedies AdSpend-v0 --output docs/results/AdSpend-v0_remedies.csv

Actor and critic of all seeds are learned together as batches of matrices, which takes a fraction of the time of one
training after the other. Settings are those of the environment's block in hyperparams/ddpg_ext.yml, with the learning
rates of its whole training, which stops after `--steps`. Every 500 steps a row for each seed says what a campaign
without noise earns, in percent of the certified optimum, and how far from 0 the actor's output is before tanh, which
has no slope beyond 4: the median over the campaign's days, of the channel where it is largest. Variants that are in
the output already are left out.
"""

from __future__ import annotations

import argparse
import copy
import csv
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch as th
import yaml
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from torch import nn
from torch.nn import functional as F

from sb3_ext.app.errors import UserError
from sb3_ext.common.arrays import AnyArray, FloatArray
from sb3_ext.envs import register_envs
from sb3_ext.envs.ad_spend import AdSpendVectorEnv, Market, plan_optimal

COLUMNS = ("environment", "variant", "seed", "steps", "percent_of_optimum", "max_preactivation", "median_preactivation")
EVALUATE_EVERY = 500


class Variant(NamedTuple):
    """What differs from plain DDPG."""

    invert: bool = False
    """Whether gradients are inverted (Hausknecht & Stone, 2016)."""
    penalty: float = 0.0
    """Weight of the mean square of what tanh squashes (rlkit's policy_pre_activation_weight)."""
    final_init: float | None = None
    """Bound of both output layers at the start (Lillicrap et al., 2015)."""
    layer_norm: bool = False
    """Whether hidden layers are normalised."""
    ramp: int = 0
    """Updates within which the actor's learning rate grows from 0."""
    delay: int = 0
    """Updates of the critic before the first of the actor."""


VARIANTS = {
    "base": Variant(),
    "invert": Variant(invert=True),
    "penalty_1e-3": Variant(penalty=1e-3),
    "layer_norm": Variant(layer_norm=True),
    "final_init_3e-3": Variant(final_init=3e-3),
    "ramp_2000": Variant(ramp=2000),
    "delay_2000": Variant(delay=2000),
}


class Networks(nn.Module):
    """A network of linear layers and ReLU for each seed, started as PyTorch starts one."""

    def __init__(self, sizes: list[int], seeds: int, variant: Variant) -> None:
        super().__init__()
        self.layer_norm = variant.layer_norm
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in itertools.pairwise(sizes):
            bound = before**-0.5
            self.weights.append(nn.Parameter((th.rand(seeds, before, after) * 2 - 1) * bound))
            self.biases.append(nn.Parameter((th.rand(seeds, 1, after) * 2 - 1) * bound))
        if variant.final_init is not None:
            for last in (self.weights[-1], self.biases[-1]):
                nn.init.uniform_(last, -variant.final_init, variant.final_init)

    def forward(self, x: th.Tensor) -> th.Tensor:
        """Shape (seeds, batch, inputs) to (seeds, batch, outputs)."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = th.baddbmm(bias, x, weight)
            if layer < last:
                x = F.relu(F.layer_norm(x, x.shape[-1:]) if self.layer_norm else x)
        return x


class Learners:
    """DDPG on every seed."""

    def __init__(self, block: dict[str, Any], env: AdSpendVectorEnv, variant: Variant) -> None:
        self.variant, self.updates = variant, 0
        self.tau, self.gamma = block["tau"], block["gamma"]
        self.rates = [float(block[name].removeprefix("lin_")) for name in ("learning_rate", "critic_learning_rate")]
        observed, acting = map(spaces.flatdim, (env.single_observation_space, env.single_action_space))
        self.actor = Networks([observed, 64, 64, acting], env.num_envs, variant)
        self.critic = Networks([observed + acting, 64, 64, 1], env.num_envs, variant)
        with th.no_grad():
            self.actor.biases[-1].add_(np.arctanh(-0.5))
        self.actor_target, self.critic_target = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.optimizers = [th.optim.Adam(net.parameters(), fused=True) for net in (self.actor, self.critic)]

    def output(self, observations: AnyArray) -> th.Tensor:
        """What tanh would squash, shape (seeds, actions), for one observation per seed."""
        with th.no_grad():
            squashed: th.Tensor = self.actor(th.from_numpy(observations.astype(np.float32))[:, None])[:, 0]
        return squashed

    def update(self, batch: list[th.Tensor], progress_remaining: float) -> None:
        """Learn from a minibatch per seed."""
        observations, actions, next_observations, rewards, dones = batch
        variant = self.variant
        self.updates += 1
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * progress_remaining
        if variant.ramp:
            self.optimizers[0].param_groups[0]["lr"] *= min(1.0, self.updates / variant.ramp)
        with th.no_grad():
            next_actions = th.tanh(self.actor_target(next_observations))
            next_q = self.critic_target(th.cat([next_observations, next_actions], -1))
            target = rewards[..., None] + self.gamma * (1 - dones[..., None]) * next_q
        loss = (self.critic(th.cat([observations, actions], -1)) - target).square().mean(dim=(1, 2)).sum()
        _descend(self.optimizers[1], self.critic, th.autograd.grad(loss, list(self.critic.parameters())))
        if self.updates > variant.delay:
            squashed = self.actor(observations)
            gradient = self.gradient(observations, squashed.detach())
            _descend(
                self.optimizers[0], self.actor, th.autograd.grad(squashed, list(self.actor.parameters()), gradient)
            )
        with th.no_grad():
            for target_net, net in ((self.actor_target, self.actor), (self.critic_target, self.critic)):
                th._foreach_lerp_(list(target_net.parameters()), list(net.parameters()), self.tau)

    def gradient(self, observations: th.Tensor, squashed: th.Tensor) -> th.Tensor:
        """Gradient of the actor's loss with regard to what is squashed, shape (seeds, batch, actions)."""
        actions = th.tanh(squashed).requires_grad_()
        loss = -self.critic(th.cat([observations, actions], -1)).mean(dim=(1, 2)).sum()
        (gradient,) = th.autograd.grad(loss, actions)
        actions = actions.detach()
        slope = th.where(gradient < 0, 1 - actions, 1 + actions) if self.variant.invert else 1 - actions**2
        return gradient * slope + self.variant.penalty * 2 * squashed / squashed.shape[1]


def _descend(optimizer: th.optim.Optimizer, net: nn.Module, gradients: tuple[th.Tensor, ...]) -> None:
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()


def train(env_id: str, name: str, seeds: int, first: int, steps: int) -> list[tuple[object, ...]]:
    """Train a variant; return the rows of the table."""
    block = yaml.safe_load(Path("hyperparams/ddpg_ext.yml").read_text(encoding="utf-8"))[env_id]
    total, starts, size = (block[key] for key in ("n_timesteps", "learning_starts", "batch_size"))
    th.manual_seed(first)
    rng, each = np.random.default_rng(first), np.arange(seeds)[:, None]
    env, test = (_make(env_id, seeds) for _ in range(2))
    assert isinstance(env.market, Market)
    optimum = plan_optimal(env.market, env.budget, env.periods).value / env.reward_scale
    learners = Learners(block, env, VARIANTS[name])
    observed, acting = map(spaces.flatdim, (env.single_observation_space, env.single_action_space))
    shapes = [(observed,), (acting,), (observed,), (), ()]
    replay = [np.zeros((steps, seeds, *shape), np.float32) for shape in shapes]
    observations, _ = env.reset(seed=0)
    rows: list[tuple[object, ...]] = []
    for step in range(steps):
        if step < starts:
            actions = rng.uniform(-1, 1, (seeds, acting)).astype(np.float32)
        else:
            actions = th.tanh(learners.output(observations)).numpy()
            actions = np.clip(actions + rng.normal(0, block["noise_std"], actions.shape), -1, 1).astype(np.float32)
        # the last observation of a campaign is the first of the next one, and no target looks at it
        next_observations, rewards, ends, _, _ = env.step(actions)
        new: list[AnyArray] = [observations, actions, next_observations, rewards, ends]
        for kept, part in zip(replay, new, strict=True):
            kept[step] = part
        observations = next_observations
        for _ in range(block["gradient_steps"] if step >= starts else 0):
            drawn = rng.integers(0, step + 1, (seeds, size))
            learners.update([th.from_numpy(kept[drawn, each]) for kept in replay], 1 - (step + 1) / total)
        if (step + 1) % EVALUATE_EVERY == 0:
            earned, asked = _play(test, learners)
            earned *= 100 / optimum
            medians = np.median(asked, axis=0).max(axis=1)
            largest = asked.max(axis=(0, 2))
            for seed, numbers in enumerate(zip(earned, largest, medians, strict=True)):
                rows.append((env_id, name, f"{first}+{seed}", step + 1, *map(float, numbers)))
            told = f"median {np.median(earned):.2f} %, worst {earned.min():.2f} %, {(medians > 3).sum()} beyond 3"
            print(f"{name} after {step + 1} steps: {told}", flush=True)
    return rows


def _make(env_id: str, seeds: int) -> AdSpendVectorEnv:
    return AdSpendVectorEnv(seeds, autoreset_mode=AutoresetMode.SAME_STEP, **gym.spec(env_id).kwargs)


def _play(env: AdSpendVectorEnv, learners: Learners) -> tuple[FloatArray, FloatArray]:
    """Returns of a campaign, shape (seeds,), and |what tanh squashed|, shape (T, seeds, actions)."""
    observations, _ = env.reset(seed=10_000)
    earned, asked = np.zeros(env.num_envs), []
    for _ in range(env.periods):
        squashed = learners.output(observations)
        observations, rewards, *_ = env.step(th.tanh(squashed).numpy())
        earned += rewards
        asked.append(np.abs(squashed.numpy()))
    return earned, np.array(asked)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("environment", help="an AdSpend market with a block in hyperparams/ddpg_ext.yml")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=24, help="learners of a variant")
    parser.add_argument("--first-seed", type=int, default=100, help="seed of their common random numbers")
    parser.add_argument("--steps", type=int, default=2000, help="steps of each learner")
    parser.add_argument("--output", required=True, help="CSV file to write, or to add to")


def run(args: argparse.Namespace) -> None:
    """Train each variant and add its rows to the table."""
    register_envs()
    output = Path(args.output)
    lines = list(csv.reader(output.open(encoding="utf-8"))) if output.exists() else []
    if lines and tuple(lines[0]) != COLUMNS:
        raise UserError(f"{output} is no table of remedies: its columns are {lines[0]}. Name another file.")
    there = {line[1] for line in lines[1:]}
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if not lines:
            writer.writerow(COLUMNS)
        for name in args.variants:
            if name not in there:
                writer.writerows(train(args.environment, name, args.seeds, args.first_seed, args.steps))
