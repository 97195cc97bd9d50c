"""Targets, losses, heads, exploration and target networks against calculations by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn
from torch.nn import functional as F

from sb3_ext import DuelingDQN
from sb3_ext.dueling_dqn.exploration import ExponentialSchedule, make_exploration_schedule
from sb3_ext.dueling_dqn.policies import Convolutions, DuelingHead
from sb3_ext.replay.prioritized import PrioritizedReplayBufferSamples


class Table(nn.Module):
    """Q-values by observation number, as a network."""

    def __init__(self, values: list[list[float]]) -> None:
        super().__init__()
        self.values = nn.Parameter(th.tensor(values))

    def forward(self, observations: th.Tensor) -> th.Tensor:
        return self.values[observations[:, 0].long()]


def with_tables(online: list[list[float]], target: list[list[float]], **kwargs: Any) -> DuelingDQN:
    model = DuelingDQN("MlpPolicy", "CartPole-v1", learning_rate=0.5, device="cpu", **kwargs)
    model.q_net, model.q_net_target = Table(online), Table(target)  # type: ignore[assignment]
    model.policy.optimizer = th.optim.SGD(model.q_net.parameters(), lr=0.5)
    model._refresh()
    return model


def batch(discounts: th.Tensor | None = None) -> ReplayBufferSamples:
    return ReplayBufferSamples(
        observations=th.tensor([[0.0], [1.0]]),
        actions=th.tensor([[1], [0]]),
        next_observations=th.tensor([[1.0], [0.0]]),
        dones=th.tensor([[0.0], [1.0]]),
        rewards=th.tensor([[1.0], [2.0]]),
        discounts=discounts,
    )


ONLINE, TARGET = [[1.0, 2.0], [5.0, 3.0]], [[10.0, 20.0], [0.5, 4.0]]


@pytest.mark.parametrize(
    ("double_q", "discounts", "expected"),
    [
        (False, None, [1 + 0.9 * 4 - 2, 2 - 5]),  # the largest value of the target network
        (True, None, [1 + 0.9 * 0.5 - 2, 2 - 5]),  # its value of the online network's choice, action 0
        (True, [[0.5], [0.5]], [1 + 0.5 * 0.5 - 2, 2 - 5]),
    ],
)
def test_td_errors(double_q: bool, discounts: Any, expected: list[float]) -> None:
    model = with_tables(ONLINE, TARGET, double_q=double_q, gamma=0.9)
    _, errors = model._update(batch(None if discounts is None else th.tensor(discounts)))
    np.testing.assert_allclose(errors[:, 0], expected, rtol=1e-6)
    assert not errors.requires_grad


@pytest.mark.parametrize(("loss", "slopes"), [("mse", [-2 * 0.45, 2 * 3.0]), ("huber", [-0.45, 1.0])])
def test_loss_and_step(loss: str, slopes: list[float]) -> None:
    model = with_tables(ONLINE, [[10.0, 20.0], [0.5, 0.5]], gamma=0.9, loss=loss, max_grad_norm=None)
    model._update(batch()._replace(rewards=th.tensor([[2.0], [2.0]])))  # errors 0.45 and -3
    expected = np.array(ONLINE)
    expected[0, 1] -= 0.5 * slopes[0] / 2
    expected[1, 0] -= 0.5 * slopes[1] / 2
    np.testing.assert_allclose(model.q_net.values.detach(), expected, rtol=1e-5)


def test_importance_weights_multiply_the_loss() -> None:
    model = with_tables(ONLINE, TARGET, loss="mse", gamma=0.9, max_grad_norm=None)
    weighted = PrioritizedReplayBufferSamples(
        **batch()._asdict(), indices=np.arange(2), weights=th.tensor([[1.0], [0.25]])
    )
    loss, errors = model._update(weighted)
    assert loss.item() == pytest.approx((0.55**2 + 0.25 * 9) / 2)
    np.testing.assert_allclose(errors[:, 0], [-0.55, -3], rtol=1e-5)
    np.testing.assert_allclose(model.q_net.values[1, 0].item(), 5 - 0.5 * 0.25 * 2 * 3 / 2, rtol=1e-6)


def test_gradient_is_clipped() -> None:
    model = with_tables(ONLINE, TARGET, loss="mse", max_grad_norm=0.1)
    model._update(batch())
    moved = model.q_net.values.detach() - th.tensor(ONLINE)
    assert moved.norm().item() == pytest.approx(0.5 * 0.1, rel=1e-4)


def test_train_hands_td_errors_to_the_replay_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = DuelingDQN("MlpPolicy", "CartPole-v1", learning_starts=20, prioritized_replay=True, seed=0, device="cpu")
    model.learn(60)
    seen: list[Any] = []
    update = type(model._run_update).__call__
    monkeypatch.setattr(
        type(model._run_update),
        "__call__",
        lambda self, batch: seen.append((batch, update(self, batch))) or seen[-1][1],
    )
    model.train(1, 16)
    ((drawn, (_, errors)),) = seen
    buffer: Any = model.replay_buffer
    last = dict(zip(drawn.indices.tolist(), errors[:, 0].abs().tolist(), strict=True))
    expected = [(error + buffer.epsilon) ** buffer.alpha for error in last.values()]
    np.testing.assert_allclose(buffer._priorities[np.array(list(last))], expected, rtol=1e-5)


@given(st.integers(0, 2**31), st.sampled_from([[], [6], [5, 4], [7, 6, 5]]))
def test_dueling_head(seed: int, net_arch: list[int]) -> None:
    th.manual_seed(seed)
    head = DuelingHead(3, 4, net_arch)
    features = th.randn(5, 3)
    q_values = head(features)
    assert q_values.shape == (5, 4)
    shared = head.shared(features)
    value_input = advantage_input = shared
    if head.streams is not None:
        value_input, advantage_input = head.streams(shared).split(net_arch[-1], dim=1)
    np.testing.assert_allclose(
        q_values.mean(dim=1).detach(), head.value(value_input)[:, 0].detach(), rtol=1e-4, atol=1e-5
    )
    differences = head.advantage(advantage_input).diff(dim=1)
    np.testing.assert_allclose(q_values.diff(dim=1).detach(), differences.detach(), rtol=1e-4, atol=1e-5)


def test_the_mean_is_over_actions_not_over_the_batch() -> None:
    head = DuelingHead(2, 3, [4])
    features = th.randn(6, 2)
    np.testing.assert_allclose(head(features)[2:3].detach(), head(features[2:3]).detach(), atol=1e-6)


def test_shared_gradient_is_scaled() -> None:
    th.manual_seed(0)
    head = DuelingHead(3, 2, [4])
    features = th.randn(5, 3, requires_grad=True)
    (scaled,) = th.autograd.grad(head(features).sum(), features)
    streams: Any = head.streams
    value, advantage = streams(features).chunk(2, dim=1)
    advantages = head.advantage(advantage)
    plain = head.value(value) + advantages - advantages.mean(dim=1, keepdim=True)
    (gradient,) = th.autograd.grad(plain.sum(), features)
    np.testing.assert_allclose(scaled, gradient / math.sqrt(2), rtol=1e-5, atol=1e-7)


def test_streams_do_not_mix() -> None:
    head = DuelingHead(3, 2, [4])
    streams: Any = head.streams
    head.value(streams(th.randn(5, 3)).chunk(2, dim=1)[0]).sum().backward()
    gradient = streams[0].weight.grad
    assert gradient[:4].abs().sum() > 0 and gradient[4:].abs().sum() == 0


@pytest.mark.parametrize("shape", [(4, 88, 80), (88, 80, 4)])
def test_convolutions_know_their_size(shape: tuple[int, ...]) -> None:
    space = spaces.Box(0, 255, shape, np.uint8)
    for kwargs in ({}, {"layers": [(32, 5, 5), (64, 5, 5)]}):
        network = Convolutions(space, **kwargs)
        assert network(th.rand(2, *shape)).shape == (2, network.features_dim)
    assert Convolutions(space).features_dim == 64 * 7 * 6


@pytest.mark.parametrize("n_envs", [1, 4])
def test_target_network(n_envs: int) -> None:
    env = make_vec_env("CartPole-v1", n_envs=n_envs)
    hard = DuelingDQN("MlpPolicy", env, target_update_interval=8, learning_starts=1000, device="cpu")
    soft = DuelingDQN("MlpPolicy", env, target_update_interval=1, tau=0.25, learning_starts=1000, device="cpu")
    for model, steps, share in ((hard, 7, 0.0), (hard, 8, 1.0), (soft, 2 * n_envs, 1 - 0.75**2)):
        model._n_calls = 0
        model.set_logger(configure(None, []))
        for parameter, target in zip(model._parameters, model._target_parameters, strict=True):
            parameter.data.fill_(1.0)
            target.data.fill_(0.0)
        for _ in range(steps // n_envs):
            model._on_step()
        assert all(th.allclose(target, th.full_like(target, share)) for target in model._target_parameters)


def test_every_environment_draws_its_own_exploration() -> None:
    env = make_vec_env("CartPole-v1", n_envs=8)
    model = DuelingDQN("MlpPolicy", env, seed=0, device="cpu")
    model.exploration_rate = 0.5
    nn.init.zeros_(model.q_net.q_net.advantage.weight)
    model.q_net.q_net.advantage.bias.data = th.tensor([1.0, 0.0])  # greedy is action 0
    observations = np.zeros((8, 4), dtype=np.float32)
    ones = np.array([model.predict(observations)[0].sum() for _ in range(2000)])
    # Binomial(8, 1/4); with one coin for all half of the sums would be 0
    assert np.mean(ones) == pytest.approx(2, abs=0.1)
    assert np.mean(ones == 0) == pytest.approx(0.75**8, abs=0.03)
    assert not model.predict(observations, deterministic=True)[0].any()


def test_predict_keeps_the_shape_of_its_input() -> None:
    model = DuelingDQN("MlpPolicy", "CartPole-v1", device="cpu")
    for rate in (0.0, 1.0):
        model.exploration_rate = rate
        assert np.shape(model.predict(np.zeros(4, dtype=np.float32))[0]) == ()
        assert np.shape(model.predict(np.zeros((1, 4), dtype=np.float32))[0]) == (1,)
        assert np.shape(model.predict(np.zeros((3, 4), dtype=np.float32))[0]) == (3,)


def test_exploration_schedules() -> None:
    linear = make_exploration_schedule("linear", 1.0, 0.1, 0.5)
    assert [linear(p) for p in (1.0, 0.75, 0.5, 0.0)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    exponential = make_exploration_schedule("exponential", 1.0, 0.01, 0.5)
    assert [exponential(p) for p in (1.0, 0.75, 0.5, 0.0)] == pytest.approx([1.0, 0.1, 0.01, 0.01])
    assert make_exploration_schedule(lambda p: 0.3 * p, 1.0, 0.1, 0.5)(0.5) == pytest.approx(0.15)


@given(st.floats(1e-3, 1), st.floats(1e-3, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_exponential_schedule_stays_between_its_ends(start: float, end: float, share: float, progress: float) -> None:
    value = ExponentialSchedule(start, end, share)(progress)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


def test_huber_is_the_one_of_sb3() -> None:
    x, y = th.randn(50), th.randn(50)
    assert th.equal(F.smooth_l1_loss(x, y), F.huber_loss(x, y))
