"""One worker is A2C, and follows algorithm S3 step by step."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import assert_equal_state
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_ext import A3C

SETTINGS: dict[str, Any] = {"seed": 3, "n_steps": 7, "ent_coef": 0.01, "policy_kwargs": {"net_arch": [8]}}


def cart_poles() -> VecEnv:
    return make_vec_env("CartPole-v1", 2)


def pendulums() -> VecEnv:
    """Episodes that a time limit cuts off."""
    return VecNormalize(make_vec_env("Pendulum-v1", 2, env_kwargs={"max_episode_steps": 10}))


@pytest.mark.parametrize("make_env", [cart_poles, pendulums])
def test_one_worker_is_a2c_bit_by_bit(make_env: Any) -> None:
    theirs = A2C("MlpPolicy", make_env(), LinearSchedule(0.01, 0.0, 1.0), **SETTINGS, device="cpu")
    theirs.get_env().reset()  # type: ignore[union-attr]  # as ours does before its worker does
    ours = A3C("MlpPolicy", make_env(), "lin_0.01", n_workers=1, **SETTINGS)
    seed = int(np.random.RandomState(SETTINGS["seed"]).randint(2**31 - 2))  # the worker's
    ours.learn(140)
    theirs.set_random_seed(seed)
    theirs.learn(140)
    assert_equal_state(ours.policy.state_dict(), theirs.policy.state_dict())
    squares = [
        [model.policy.optimizer.state[parameter]["square_avg"] for parameter in model.policy.parameters()]
        for model in (ours, theirs)
    ]
    assert_equal_state(*squares)
    assert (ours.num_timesteps, ours._n_updates) == (theirs.num_timesteps, theirs._n_updates) == (140, 10)
    assert [info["r"] for info in ours.ep_info_buffer or ()] == [info["r"] for info in theirs.ep_info_buffer or ()]
    if isinstance(ours.env, VecNormalize):
        for name in ("obs_rms", "ret_rms"):
            for part in ("mean", "var", "count"):
                mine, others = (getattr(getattr(model.env, name), part) for model in (ours, theirs))
                np.testing.assert_array_equal(mine, others)


class Walk(gym.Env[np.ndarray, int]):
    """The state is the step, an episode four of them; action 1 earns the state, the other nothing."""

    observation_space = gym.spaces.Box(-10, 10, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return np.full(1, self.t, np.float32), float(action * self.t), self.t == 4, False, {}


class Actions(BaseCallback):
    """What was done, as the rewards tell."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[int] = []

    def _on_step(self) -> bool:
        self.done.append(int(self.locals["rewards"][0] > 0))
        return True


def test_algorithm_s3_step_by_step() -> None:
    gamma, beta, value_weight, alpha, eps, rate, t_max, n_updates = 0.9, 0.05, 0.5, 0.99, 1e-5, 0.02, 3, 6
    model = A3C(
        "MlpPolicy",
        Walk(),
        f"lin_{rate}",
        n_workers=1,
        n_steps=t_max,
        gamma=gamma,
        ent_coef=beta,
        vf_coef=value_weight,
        max_grad_norm=1e9,
        seed=0,
        policy_kwargs={"net_arch": [4]},
    )
    theta = {name: value.double() for name, value in model.policy.state_dict().items()}
    g = {name: th.zeros_like(value) for name, value in theta.items()}
    played = Actions()
    model.learn(t_max * n_updates, played)

    def network(parameters: dict[str, th.Tensor], states: th.Tensor, which: str, head: str) -> th.Tensor:
        hidden = th.tanh(
            states @ parameters[f"mlp_extractor.{which}_net.0.weight"].T
            + parameters[f"mlp_extractor.{which}_net.0.bias"]
        )
        return hidden @ parameters[f"{head}.weight"].T + parameters[f"{head}.bias"]

    T = state = 0
    while T < t_max * n_updates:
        own = {name: value.clone().requires_grad_() for name, value in theta.items()}
        states, actions, rewards, ends = [], [], [], []
        for _ in range(t_max):
            action = played.done[T]
            states.append(state)
            actions.append(action)
            state += 1
            rewards.append(action * state)
            ends.append(state == 4)
            state %= 4
            T += 1
        R = network(own, th.tensor([[state]]).double(), "value", "value_net").item()
        loss = th.zeros((), dtype=th.float64)
        for i in reversed(range(t_max)):
            R = rewards[i] + gamma * (0.0 if ends[i] else R)
            s = th.tensor([[states[i]]]).double()
            log_pi = th.log_softmax(network(own, s, "policy", "action_net"), dim=1)[0]
            V = network(own, s, "value", "value_net")[0, 0]
            entropy = -(log_pi.exp() * log_pi).sum()
            loss = loss - log_pi[actions[i]] * (R - V.item()) - beta * entropy + value_weight * (R - V) ** 2
        (loss / t_max).backward()
        eta = rate * (1 - T / (t_max * n_updates))
        for name, value in own.items():
            assert value.grad is not None
            g[name] = alpha * g[name] + (1 - alpha) * value.grad**2
            theta[name] = theta[name] - eta * value.grad / (g[name].sqrt() + eps)
    for name, value in model.policy.state_dict().items():
        th.testing.assert_close(value.double(), theta[name], atol=2e-6, rtol=1e-4)
