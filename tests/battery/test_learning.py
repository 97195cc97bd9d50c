"""Every algorithm learns: the identity task in a second, and a real one in minutes."""

import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
from algorithm_battery import MakeVecEnv, seeded, several
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise

from sb3_ext import A3C, DDPG, REINFORCE, DuelingDQN, GeneticSearch, PolicySearch, PPOPenalty, QLearning
from sb3_ext.wrappers import DiscretizeObservation


@dataclasses.dataclass(frozen=True)
class Task:
    """After ``steps`` the mean return is above ``reached``, on the identity task not so before them."""

    algorithm: Any
    env: MakeVecEnv
    n_envs: int
    steps: int
    reached: float
    arguments: dict[str, Any]
    policy: str = "MlpPolicy"

    def make(self) -> Any:
        return self.algorithm(self.policy, self.env(self.n_envs), **{"seed": 0, **self.arguments})


def identity(make_env: Any, *args: Any, **kwargs: Any) -> MakeVecEnv:
    return lambda n_envs: seeded(make_vec_env(functools.partial(make_env, *args, **kwargs), n_envs=n_envs))


BOX = identity(IdentityEnvBox, eps=0.5, ep_length=50)
SPACES = {
    "Discrete": identity(IdentityEnv, 3, ep_length=50),
    "Box": BOX,
    "MultiDiscrete": identity(IdentityEnvMultiDiscrete, 3, 50),
    "MultiBinary": identity(IdentityEnvMultiBinary, 3, 50),
}
SWITCHES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "plain": {"dueling": False, "double_q": False},
    "everything": {"prioritized_replay": True, "n_steps": 3, "loss": "mse"},
}
ROLLOUTS = {"learning_rate": 1e-2, "n_steps": 10, "gamma": 0.0, "normalize_advantage": True}


def noise(std: float) -> NormalActionNoise:
    return NormalActionNoise(np.zeros(1), np.full(1, std))


def ddpg(squash: str) -> Task:
    arguments = {
        "critic_learning_rate": 2e-3,
        "gamma": 0.0,
        "batch_size": 64,
        "buffer_size": 5_000,
        "learning_starts": 200,
        "action_noise": noise(0.2),
        "policy_kwargs": {"net_arch": [64, 64], "squash": squash},
    }
    return Task(DDPG, identity(IdentityEnvBox, eps=0.5), 1, 1500, 90, arguments)


def dueling_dqn(n_envs: int, switches: dict[str, Any]) -> Task:
    arguments = {
        "learning_rate": 3e-3,
        "gamma": 0.0,
        "learning_starts": 100,
        "train_freq": 1,
        "gradient_steps": n_envs,
        "target_update_interval": 100,
        "exploration_fraction": 0.5,
    }
    env = identity(IdentityEnv, 4, ep_length=20)
    return Task(DuelingDQN, env, n_envs, 800, 19, {**arguments, **switches})


def ppo_penalty(space: str) -> Task:
    arguments = {
        "learning_rate": 5e-3,
        "n_steps": 50,
        "batch_size": 100,
        "n_epochs": 5,
        "gamma": 0.0,
        "target_kl": 0.05,
    }
    return Task(PPOPenalty, SPACES[space], 4, 4_000, 42, arguments)


def genetic(env: MakeVecEnv, policy: str, **arguments: Any) -> Task:
    arguments |= {"population_size": 20, "n_survivors": 4, "mutation_std": 0.3, "n_eval_episodes": 2}
    return Task(GeneticSearch, env, 5, 6_000, 9, arguments, policy)


def policy_search(strategy: str, **strategy_kwargs: Any) -> Task:
    arguments = {"strategy": strategy, "strategy_kwargs": strategy_kwargs, "population_size": 20, "n_eval_episodes": 2}
    return Task(PolicySearch, identity(IdentityEnv, 5, ep_length=10), 5, 6_000, 9, arguments, "LinearPolicy")


def q_learning(**arguments: Any) -> Task:
    return Task(QLearning, identity(IdentityEnv, 4, ep_length=20), 1, 1_000, 19, {"gamma": 0.0, **arguments})


IDENTITY = {
    **{f"DDPG-{squash}": ddpg(squash) for squash in ("tanh", "sigmoid")},
    **{f"DuelingDQN-{name}-{n}": dueling_dqn(n, switches) for name, switches in SWITCHES.items() for n in (1, 4)},
    **{
        f"REINFORCE-{space}-{baseline}": Task(
            REINFORCE, env, 4, 8_000, 42, {"n_episodes": 4, "gamma": 0.0, "baseline": baseline}
        )
        for space, env in SPACES.items()
        for baseline in ("none", "value")
    },
    **{f"PPOPenalty-{space}": ppo_penalty(space) for space in ("Discrete", "Box")},
    "A3C": Task(A3C, SPACES["Discrete"], 4, 8_000, 42, {"n_workers": 1, **ROLLOUTS}),
    "GeneticSearch-linear": genetic(identity(IdentityEnv, 5, ep_length=10), "LinearPolicy"),
    "GeneticSearch-Box": genetic(
        identity(IdentityEnvBox, eps=0.2, ep_length=10), "MlpPolicy", policy_kwargs={"net_arch": [8]}
    ),
    "PolicySearch-one-point": policy_search("genetic", crossover="one_point", mutation_std=0.3),
    "PolicySearch-cross-entropy": policy_search("cross_entropy"),
    "QLearning-epsilon": q_learning(),
    "QLearning-bonus": q_learning(exploration_initial_eps=0.0, exploration_bonus=2.0),
}


@pytest.mark.parametrize("task", IDENTITY.values(), ids=IDENTITY.keys())
def test_learns_the_identity_task(task: Task) -> None:
    model = task.make()
    untrained, _ = evaluate_policy(model, model.env, n_eval_episodes=5)
    model.learn(task.steps)
    trained, _ = evaluate_policy(model, model.env, n_eval_episodes=8)
    assert trained > task.reached > untrained


PENDULUM = {
    "gamma": 0.98,
    "gradient_steps": -1,
    "buffer_size": 20_000,
    "learning_starts": 1_000,
    "action_noise": noise(0.1),
    "policy_kwargs": {"net_arch": [64, 64]},
}
CART_POLE = {
    "learning_rate": "lin_0.0023",
    "batch_size": 64,
    "learning_starts": 1000,
    "target_update_interval": 10,
    "train_freq": 256,
    "gradient_steps": 128,
    "exploration_fraction": 0.16,
    "exploration_final_eps": 0.04,
    "policy_kwargs": {"net_arch": [256, 256]},
}
MOUNTAIN_CAR = {
    "learning_rate": "lin_0.5",
    "gamma": 1.0,
    "exploration_initial_eps": 0.0,
    "exploration_final_eps": 0.0,
    "seed": 100,
}


def reinforce(n_envs: int, baseline: str) -> Task:
    arguments = {"learning_rate": "lin_0.01", "n_episodes": 8, "baseline": baseline}
    return Task(REINFORCE, several("CartPole-v1"), n_envs, 100_000, 475, arguments)


def genetic_cart_pole(n_envs: int) -> Task:
    """Ends at the target, within thirty generations."""
    arguments = {"mutation_std": 0.2, "n_eval_episodes": 3, "target_return": 500}
    return Task(GeneticSearch, several("CartPole-v1"), n_envs, 400_000, 490, arguments)


GRID = {"wrapper_class": DiscretizeObservation, "wrapper_kwargs": {"bins": 40}}
REAL = {
    **{f"DDPG-{n}": Task(DDPG, several("Pendulum-v1"), n, 10_000, -250, PENDULUM) for n in (1, 4)},
    **{
        f"DuelingDQN-{name}": Task(DuelingDQN, several("CartPole-v1"), 1, 50_000, 450, {**CART_POLE, **switches})
        for name, switches in SWITCHES.items()
    },
    **{f"REINFORCE-{n}-{baseline}": reinforce(n, baseline) for n, baseline in ((1, "none"), (8, "none"), (8, "value"))},
    **{f"GeneticSearch-{n}": genetic_cart_pole(n) for n in (1, 10)},
    "QLearning": Task(QLearning, several("MountainCar-v0", **GRID), 8, 2_000_000, -150, MOUNTAIN_CAR, "TablePolicy"),
}


@pytest.mark.slow
@pytest.mark.parametrize("task", REAL.values(), ids=REAL.keys())
def test_learns_a_real_task(task: Task) -> None:
    model = task.make().learn(task.steps)
    env = task.env(1)
    env.seed(1000)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=100 if task.algorithm is QLearning else 20)
    assert mean > task.reached
    if task.algorithm is GeneticSearch:
        assert model.generation < 30
