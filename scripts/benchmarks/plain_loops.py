"""
DDPG and DQN as one plain PyTorch loop each, in the manner of CleanRL: no classes around them, no callbacks, no logging.

Each is a generator that yields after every environment step, so that it can be stopped and resumed: the return of the
episode if one has ended, else None.
"""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.buffers import ReplayBuffer
from torch import nn
from torch.nn import functional as F

Observation = npt.NDArray[Any]


def ddpg_loop(
    env_id: str,
    hidden: tuple[int, int],
    batch_size: int,
    buffer_size: int,
    learning_starts: int,
    noise: float,
    learning_rate: float = 1e-3,
    gamma: float = 0.99,
    tau: float = 0.005,
) -> Iterator[float | None]:
    """
    Train by DDPG without end: one environment, an update per step.

    :param env_id: Gymnasium id
    :param hidden: units of the hidden layers
    :param batch_size: transitions in a minibatch
    :param buffer_size: transitions in the replay buffer
    :param learning_starts: steps with random actions
    :param noise: standard deviation of the noise on actions, in units of the scaled action range
    :param learning_rate: that of both networks
    :param gamma: discount factor
    :param tau: share of the networks mixed into the targets at each update
    :return: yields after every step, the return of an episode that has ended
    """
    envs = _make_env(env_id)
    space: Any = envs.single_action_space
    low, high = th.as_tensor(space.low), th.as_tensor(space.high)
    observations, actions = int(np.prod(envs.single_observation_space.shape or ())), space.shape[0]
    actor = nn.Sequential(*_layers(observations, hidden, actions), nn.Tanh())
    critic = nn.Sequential(*_layers(observations + actions, hidden, 1))
    actor_target, critic_target = copy.deepcopy(actor), copy.deepcopy(critic)
    actor_optimizer = th.optim.Adam(actor.parameters(), lr=learning_rate)
    critic_optimizer = th.optim.Adam(critic.parameters(), lr=learning_rate)
    buffer = _make_buffer(envs, buffer_size)

    obs, _ = envs.reset(seed=0)
    for step in itertools.count():
        if step < learning_starts:
            action = envs.action_space.sample()
        else:
            with th.no_grad():
                scaled = actor(th.as_tensor(obs))
                scaled = (scaled + noise * th.randn_like(scaled)).clamp(-1.0, 1.0)
                action = (low + 0.5 * (scaled + 1.0) * (high - low)).numpy()
        obs, episode_return = _step(envs, buffer, obs, action)
        if step >= learning_starts:
            data = buffer.sample(batch_size)
            with th.no_grad():
                next_action = low + 0.5 * (actor_target(data.next_observations) + 1.0) * (high - low)
                next_q = critic_target(th.cat([data.next_observations, next_action], 1))
                target = data.rewards + (1 - data.dones) * gamma * next_q
            critic_loss = F.mse_loss(critic(th.cat([data.observations, data.actions], 1)), target)
            critic_optimizer.zero_grad()
            critic_loss.backward()  # type: ignore[no-untyped-call]
            critic_optimizer.step()

            chosen = low + 0.5 * (actor(data.observations) + 1.0) * (high - low)
            actor_loss = -critic(th.cat([data.observations, chosen], 1)).mean()
            actor_optimizer.zero_grad()
            actor_loss.backward()
            actor_optimizer.step()

            for network, target_network in ((actor, actor_target), (critic, critic_target)):
                for parameter, slow in zip(network.parameters(), target_network.parameters(), strict=True):
                    slow.data.copy_(tau * parameter.data + (1 - tau) * slow.data)
        yield episode_return


def dqn_loop(
    env_id: str,
    hidden: tuple[int, int],
    batch_size: int,
    buffer_size: int,
    learning_starts: int,
    train_freq: int,
    target_update_interval: int,
    learning_rate: float = 1e-4,
    gamma: float = 0.99,
    epsilon: float = 0.05,
) -> Iterator[float | None]:
    """
    Train by DQN without end: one environment, a constant exploration rate.

    :param env_id: Gymnasium id
    :param hidden: units of the hidden layers
    :param batch_size: transitions in a minibatch
    :param buffer_size: transitions in the replay buffer
    :param learning_starts: steps before the first update
    :param train_freq: steps between updates
    :param target_update_interval: steps between copies of the network to its target
    :param learning_rate: learning rate
    :param gamma: discount factor
    :param epsilon: probability of a random action
    :return: yields after every step, the return of an episode that has ended
    """
    envs = _make_env(env_id)
    space: Any = envs.single_action_space
    q_network = nn.Sequential(*_layers(int(np.prod(envs.single_observation_space.shape or ())), hidden, int(space.n)))
    target_network = copy.deepcopy(q_network)
    optimizer = th.optim.Adam(q_network.parameters(), lr=learning_rate)
    buffer = _make_buffer(envs, buffer_size)

    obs, _ = envs.reset(seed=0)
    for step in itertools.count():
        if step < learning_starts or np.random.rand() < epsilon:
            action = envs.action_space.sample()
        else:
            with th.no_grad():
                action = q_network(th.as_tensor(obs)).argmax(1).numpy()
        obs, episode_return = _step(envs, buffer, obs, action)
        if step >= learning_starts and step % train_freq == 0:
            data = buffer.sample(batch_size)
            with th.no_grad():
                next_q = target_network(data.next_observations).amax(1, keepdim=True)
                target = data.rewards + (1 - data.dones) * gamma * next_q
            loss = F.smooth_l1_loss(q_network(data.observations).gather(1, data.actions), target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(q_network.parameters(), 10.0)
            optimizer.step()
        if step % target_update_interval == 0:
            target_network.load_state_dict(q_network.state_dict())
        yield episode_return


def _make_env(env_id: str) -> SyncVectorEnv:
    make = lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(env_id))  # noqa: E731
    envs = SyncVectorEnv([make], autoreset_mode=AutoresetMode.SAME_STEP)
    envs.action_space.seed(0)
    return envs


def _layers(inputs: int, hidden: tuple[int, int], outputs: int) -> list[nn.Module]:
    sizes = (inputs, *hidden)
    layers = [(nn.Linear(before, after), nn.ReLU()) for before, after in itertools.pairwise(sizes)]
    return [*itertools.chain.from_iterable(layers), nn.Linear(hidden[-1], outputs)]


def _make_buffer(envs: SyncVectorEnv, size: int) -> ReplayBuffer:
    spaces = (envs.single_observation_space, envs.single_action_space)
    return ReplayBuffer(size, *spaces, "cpu", handle_timeout_termination=False)


def _step(
    envs: SyncVectorEnv, buffer: ReplayBuffer, obs: Observation, action: npt.NDArray[Any]
) -> tuple[Observation, float | None]:
    """Step and store the transition."""
    next_obs, reward, terminated, truncated, infos = envs.step(action)
    last_obs, episode_return = next_obs, None
    if terminated[0] or truncated[0]:
        last_obs, episode_return = np.stack(infos["final_obs"]), float(infos["final_info"]["episode"]["r"][0])
    buffer.add(obs, last_obs, action, reward, terminated, [{}])
    return next_obs, episode_return
