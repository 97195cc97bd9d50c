"""
How much a small network can earn on AdSpendShock-v0 at all: trained by the simulator's exact gradients, not by RL.

The formulas are written in PyTorch, and a policy on the environment's own observation climbs the mean value of
fresh campaigns by backpropagation through all 28 days. What it reaches is what a policy gradient without noise reaches.
It is evaluated in the environment itself, on the campaigns of the results.

Example: python scripts/measure.py ceiling --iterations 2000 --output docs/results/AdSpendShock-v0_ceiling.csv
"""

from __future__ import annotations

import argparse
import csv

import gymnasium as gym
import numpy as np
import torch as th
from torch import nn

import sb3_ext  # noqa: F401  (registers the environments)
from sb3_ext.common.files import atomic_path
from sb3_ext.envs.ad_spend import AdSpendVectorEnv, Market, plan_clairvoyant

CAMPAIGNS, FIRST_SEED = 1_000, 10_000


class Simulator:
    """Campaigns of a market with price shocks, differentiable in the policy's parameters."""

    def __init__(self, env: AdSpendVectorEnv) -> None:
        market = env.market
        assert isinstance(market, Market)
        layout = env.observation_map
        columns = (market.beta, market.kappa, market.theta, market.initial_adstock, env.spend_bounds[1], layout.unit)
        self.beta, self.kappa, self.theta, self.start, self.cap, self.unit = (
            th.tensor(column, dtype=th.float32) for column in columns
        )
        self.market, self.periods, self.budget = market, env.periods, env.budget
        self.shown = [block.name for block in layout.blocks]

    def value(self, policy: nn.Module, shock: th.Tensor, smooth: float = 0.1) -> th.Tensor:
        """Value of every campaign, shape (n,), for log price shocks (T, n, N); the bounds on spends are smoothed."""
        sigma, n = self.market.randomness.price_sigma, shock.shape[1]
        adstock = idle = self.start.expand(n, -1)
        left = th.full((n, 1), self.budget)
        spend, sales, value = th.zeros_like(adstock), th.zeros(n, 1), th.zeros(n)
        for period in range(self.periods):
            periods_left = self.periods - period
            pace = (left / (periods_left * self.cap.sum())).clamp(max=1.0)
            seen = {"spend": spend, "sales": sales, "budget_left": left, "adstock": adstock, "pace": pace}
            seen["time_left"] = th.full((n, 1), periods_left / self.periods)
            seen |= {"urgency": th.full((n, 1), 1.0 / periods_left), "price_shock": shock[period]}
            action = policy(th.cat([seen[block] for block in self.shown], dim=1) / self.unit)
            low, high = (smooth * nn.functional.softplus((action - end) / smooth) for end in (-1.0, 1.0))
            wanted = (low - high) * self.cap / 2.0
            spend = wanted * (left / wanted.sum(1, keepdim=True).clamp(min=1e-6)).clamp(max=1.0)
            left = left - spend.sum(1, keepdim=True)
            adstock = self.theta * adstock + (1.0 - self.theta) * spend * th.exp(shock[period] - sigma**2 / 2.0)
            idle = self.theta * idle
            sales = self.sales(adstock).sum(1, keepdim=True)
            value = value + (self.sales(adstock) - self.sales(idle) - self.market.spend_cost * spend).sum(1)
        for _ in range(self.market.tail_periods):
            adstock, idle = self.theta * adstock, self.theta * idle
            value = value + (self.sales(adstock) - self.sales(idle)).sum(1)
        return value

    def sales(self, adstock: th.Tensor) -> th.Tensor:
        """Michaelis-Menten response per channel."""
        return self.beta * adstock / (self.kappa + adstock)

    def shocks(self, n: int, generator: th.Generator) -> th.Tensor:
        """Fresh stationary AR(1) paths, shape (T, n, N)."""
        random = self.market.randomness
        noise = random.price_sigma * th.randn(self.periods, n, len(self.cap), generator=generator)
        paths = [noise[0]]
        for drawn in noise[1:]:
            paths.append(random.price_persistence * paths[-1] + (1.0 - random.price_persistence**2) ** 0.5 * drawn)
        return th.stack(paths)


def earned(env: AdSpendVectorEnv, policy: nn.Module) -> float:
    """Mean value of the policy in the environment, money."""
    observation, _ = env.reset(seed=FIRST_SEED)
    value = np.zeros(env.num_envs)
    for _ in range(env.periods):
        with th.no_grad():
            action = policy(th.as_tensor(observation)).clamp(-1.0, 1.0).numpy()
        observation, reward, *_ = env.step(action)
        value += reward * env.reward_scale
    return float(value.mean())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--iterations", type=int, default=2000, help="gradient steps, each on fresh campaigns")
    parser.add_argument("--batch", type=int, default=256, help="campaigns per gradient step")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--output", help="CSV file for the progress")


def run(args: argparse.Namespace) -> None:
    """Train, print the progress and, if asked, write it as CSV."""
    th.manual_seed(args.seed)
    generator = th.Generator().manual_seed(args.seed)
    env = gym.make_vec("AdSpendShock-v0", num_envs=CAMPAIGNS).unwrapped
    assert isinstance(env, AdSpendVectorEnv)
    env.reset(seed=FIRST_SEED)
    simulator = Simulator(env)
    problem = (simulator.market, env.budget, env.periods, env.spend_bounds[1])
    clairvoyant = np.mean([plan_clairvoyant(*problem, env.scenario.of(i)).value for i in range(CAMPAIGNS)])
    last = nn.Linear(64, 2)
    policy = nn.Sequential(nn.Linear(len(env.observation_names), 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), last)
    with th.no_grad():
        last.weight.mul_(0.1)
        last.bias.fill_(-0.5)
    optimizer = th.optim.Adam(policy.parameters(), lr=2e-3)
    schedule = th.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, args.iterations)
    rows = []
    for iteration in range(1, args.iterations + 1):
        loss = -simulator.value(policy, simulator.shocks(args.batch, generator)).mean() / env.budget
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if iteration % 100 == 0 or iteration == args.iterations:
            rows.append((args.seed, iteration, iteration * args.batch, earned(env, policy) / clairvoyant))
            print(f"{iteration:6} steps, {rows[-1][2]:8} campaigns: {rows[-1][3]:.4f} of the clairvoyant", flush=True)
    if args.output:
        with atomic_path(args.output) as path, open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("seed", "gradient_steps", "campaigns", "value_over_clairvoyant"), *rows])
