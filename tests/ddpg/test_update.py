"""One update against hand calculations in float64."""

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import assert_equal_state
from gymnasium import spaces
from stable_baselines3.common.logger import configure
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn

from sb3_ext.ddpg import DDPG

ACTOR_RATE, CRITIC_RATE = 0.05, 0.1


class CountingEnv(gym.Env[np.ndarray, np.ndarray]):
    """Observation (t, t), reward 2 ** t; the episode ends after ``length`` steps, as a terminal state or by a limit."""

    observation_space = spaces.Box(-100, 100, (2,))
    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, length: int, terminal: bool) -> None:
        self.length, self.terminal, self.t = length, terminal, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return np.full(2, self.t, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = 2.0**self.t
        self.t += 1
        end = self.t == self.length
        return np.full(2, self.t, np.float32), reward, end and self.terminal, end and not self.terminal, {}


class BatchNormExtractor(BaseFeaturesExtractor):
    def __init__(self, observation_space: spaces.Box) -> None:
        super().__init__(observation_space, 2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        out: th.Tensor = self.norm(observations)
        return out


def make(env: gym.Env[Any, Any] | None = None, **kwargs: Any) -> DDPG:
    """Linear nets (mu = tanh(w s + b), Q = v [s, a] + c) under plain gradient descent, targets unlike the nets."""
    policy_kwargs = {"net_arch": [], "optimizer_class": th.optim.SGD, **kwargs.pop("policy_kwargs", {})}
    defaults: dict[str, Any] = {
        "learning_rate": ACTOR_RATE,
        "critic_learning_rate": CRITIC_RATE,
        "buffer_size": 100,
        "gamma": 0.9,
    }
    model = DDPG(
        "MlpPolicy",
        env or CountingEnv(5, terminal=True),
        policy_kwargs=policy_kwargs,
        seed=1,
        device="cpu",
        **{**defaults, **kwargs},
    )
    model.set_logger(configure(None, []))
    with th.no_grad():
        for network in (model.actor_target, model.critic_target):
            for parameter in network.parameters():
                parameter.add_(0.3 * th.randn_like(parameter))
    return model


def make_batch(n: int = 6, discounts: th.Tensor | None = None) -> ReplayBufferSamples:
    generator = th.Generator().manual_seed(2)
    observations, next_observations = th.randn(2, n, 2, generator=generator)
    return ReplayBufferSamples(
        observations=observations,
        actions=th.rand(n, 1, generator=generator) * 2 - 1,
        next_observations=next_observations,
        dones=(th.arange(n) % 2).float()[:, None],
        rewards=3 * th.randn(n, 1, generator=generator),
        discounts=discounts,
    )


def weights(network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Weight row vector and bias of the only layer, in float64."""
    weight, bias = (parameter.detach().numpy().astype(np.float64) for parameter in network.parameters())
    return weight, bias


def mu(actor: tuple[np.ndarray, np.ndarray], observations: np.ndarray) -> np.ndarray:
    return np.tanh(observations @ actor[0].T + actor[1])


def q(critic: tuple[np.ndarray, np.ndarray], observations: np.ndarray, actions: np.ndarray) -> np.ndarray:
    return np.hstack([observations, actions]) @ critic[0].T + critic[1]


def td_errors(model: DDPG, batch: ReplayBufferSamples, discounts: Any) -> np.ndarray:
    """Q(s, a) - y with y = r + discount (1 - d) Q'(s', mu'(s'))."""
    s, a, s2, d, r = (np.asarray(part, np.float64) for part in batch[:5])
    next_q = q(weights(model.critic_target), s2, mu(weights(model.actor_target), s2))
    return q(weights(model.critic), s, a) - (r + discounts * (1 - d) * next_q)


@pytest.mark.parametrize("n_step", [False, True])
@pytest.mark.parametrize("critic_loss", ["mse", "huber"])
def test_critic_loss_and_step(critic_loss: str, n_step: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    discounts = th.tensor([0.9, 0.81, 0.729, 0.9, 0.81, 0.729])[:, None] if n_step else None
    model, batch = make(critic_loss=critic_loss, gamma=0.8), make_batch(discounts=discounts)
    monkeypatch.setattr(model.replay_buffer, "sample", lambda batch_size, env: batch)
    delta = td_errors(model, batch, 0.8 if discounts is None else discounts.numpy())
    assert (np.abs(delta) > 1).any() and (np.abs(delta) < 1).any()
    if critic_loss == "mse":
        loss, slope = np.mean(delta**2), 2 * delta
    else:
        loss = np.mean(np.where(np.abs(delta) <= 1, delta**2 / 2, np.abs(delta) - 0.5))
        slope = np.clip(delta, -1, 1)
    inputs = np.hstack([batch.observations, batch.actions])
    weight, bias = weights(model.critic)

    model.train(gradient_steps=1, batch_size=6)

    assert model.logger.name_to_value["train/critic_loss"] == pytest.approx(loss, rel=1e-5)
    new_weight, new_bias = weights(model.critic)
    np.testing.assert_allclose(new_weight, weight - CRITIC_RATE * np.mean(slope * inputs, 0, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(new_bias, bias - CRITIC_RATE * np.mean(slope), rtol=1e-4)


@pytest.mark.parametrize(("terminal", "last_done"), [(True, 1.0), (False, 0.0)])
def test_terminal_states_have_no_future_but_time_limits_do(terminal: bool, last_done: float) -> None:
    env = CountingEnv(5, terminal) if terminal else gym.wrappers.TimeLimit(CountingEnv(99, True), 5)
    model = make(env, learning_starts=10)
    model.learn(10)
    assert model.replay_buffer is not None
    batch = model.replay_buffer.sample(500)
    last = batch.next_observations[:, 0] == 5
    assert last.any() and not last.all()
    assert (batch.dones[last] == last_done).all() and (batch.dones[~last] == 0).all()


def test_n_step_returns_reach_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(CountingEnv(5, terminal=True), n_steps=3, gamma=0.5, learning_starts=5)
    model.learn(5)
    seen: list[ReplayBufferSamples] = []
    update = type(model._run_update).__call__
    monkeypatch.setattr(
        type(model._run_update), "__call__", lambda self, batch: seen.append(batch) or update(self, batch)
    )
    model.train(1, 200)
    batch = seen[0]
    # rewards 1, 2, 4, 8, 16: each discounted reward equals the first of its window
    for t, (steps, done) in enumerate([(3, 0), (3, 0), (3, 1), (2, 1), (1, 1)]):
        rows = batch.observations[:, 0] == t
        assert rows.any()
        assert (batch.rewards[rows] == steps * 2.0**t).all()
        assert (batch.dones[rows] == done).all()
        assert (batch.discounts[rows] == 0.5**steps).all()


def test_actor_gradient_equals_finite_differences_and_raises_q() -> None:
    model, batch = make(critic_learning_rate=0.0), make_batch()
    s, critic, actor = batch.observations.numpy().astype(np.float64), weights(model.critic), weights(model.actor)

    def value(flat: np.ndarray) -> float:
        return float(np.mean(q(critic, s, mu((flat[None, :2], flat[2:]), s))))

    flat, eps = np.concatenate([actor[0].ravel(), actor[1]]), 1e-5
    gradient = np.array([(value(flat + eps * e) - value(flat - eps * e)) / (2 * eps) for e in np.eye(3)])

    _, actor_loss = model._update(batch)

    assert actor_loss.item() == pytest.approx(-value(flat), rel=1e-5)
    moved = np.concatenate([part.ravel() for part in weights(model.actor)])
    np.testing.assert_allclose(moved - flat, ACTOR_RATE * gradient, rtol=1e-3)
    assert value(moved) > value(flat)


@pytest.mark.parametrize("rises", [False, True])
@pytest.mark.parametrize("bias", [-20.0, -1.0, 0.5, 20.0])
@pytest.mark.parametrize("squash", ["tanh", "sigmoid"])
def test_inverted_gradients_fall_with_the_distance_to_the_bound_ahead(squash: str, bias: float, rises: bool) -> None:
    policy_kwargs = {"squash": squash, "invert_gradients": True}
    model, batch = make(critic_learning_rate=0.0, policy_kwargs=policy_kwargs), make_batch()
    slope = 3.0 if rises else -3.0
    nn.init.constant_(model.actor.mu[0].bias, bias)
    with th.no_grad():
        model.critic.q_net[0].weight[0, 2] = slope
    s, (weight, start) = batch.observations.numpy().astype(np.float64), weights(model.actor)
    x = s @ weight.T + start
    actions = np.tanh(x if squash == "tanh" else x / 2)
    gradient = slope * ((1 - actions) if rises else (1 + actions))

    with th.no_grad():
        np.testing.assert_allclose(model.actor(batch.observations).numpy(), actions, rtol=1e-5, atol=1e-6)
    model._update(batch)

    new_weight, new_bias = weights(model.actor)
    np.testing.assert_allclose(new_bias - start, ACTOR_RATE * gradient.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new_weight - weight, ACTOR_RATE * gradient.T @ s / len(s), rtol=1e-4, atol=1e-6)
    if abs(bias) == 20:
        assert (abs(new_bias - start) > 0.1) == (rises == (bias < 0)), "only the way back from the bound is open"


def test_actor_climbs_the_critic_just_updated() -> None:
    model, batch = make(), make_batch()
    actor = weights(model.actor)
    _, actor_loss = model._update(batch)
    s = batch.observations.numpy().astype(np.float64)
    assert actor_loss.item() == pytest.approx(-np.mean(q(weights(model.critic), s, mu(actor, s))), rel=1e-5)


def test_actor_step_leaves_the_critics_gradients_alone() -> None:
    model, batch = make(policy_kwargs={"net_arch": [4]}), make_batch()
    with th.no_grad():
        next_q = model.critic_target(batch.next_observations, model.actor_target(batch.next_observations))
        target = batch.rewards + 0.9 * (1 - batch.dones) * next_q
    loss = ((model.critic(batch.observations, batch.actions) - target) ** 2).mean()
    expected = th.autograd.grad(loss, list(model.critic.parameters()))
    model._update(batch)
    for parameter, gradient in zip(model.critic.parameters(), expected, strict=True):
        assert parameter.grad is not None
        th.testing.assert_close(parameter.grad, gradient)


@pytest.mark.parametrize("tau", [0.005, 0.7, 1.0])
def test_targets_move_by_tau_and_statistics_are_copied(tau: float) -> None:
    model = make(tau=tau, policy_kwargs={"net_arch": [4], "features_extractor_class": BatchNormExtractor})
    model.policy.set_training_mode(True)
    pairs = [(model.actor, model.actor_target), (model.critic, model.critic_target)]
    old = [copy.deepcopy(target) for _, target in pairs]
    model._update(make_batch())
    for (online, target), before in zip(pairs, old, strict=True):
        for p, new, start in zip(online.parameters(), target.parameters(), before.parameters(), strict=True):
            th.testing.assert_close(new, (1 - tau) * start + tau * p)
            assert not th.equal(new, start)
        online_norm, target_norm = online.features_extractor.norm, target.features_extractor.norm
        assert not th.equal(target_norm.running_mean, th.zeros(2))
        assert th.equal(target_norm.running_mean, online_norm.running_mean)
        assert th.equal(target_norm.running_var, online_norm.running_var)
        assert not target_norm.training


def test_targets_start_as_copies_and_never_train() -> None:
    policy_kwargs = {"net_arch": [4], "features_extractor_class": BatchNormExtractor}
    env = CountingEnv(5, terminal=True)
    model = DDPG("MlpPolicy", env, buffer_size=10, policy_kwargs=policy_kwargs, device="cpu")
    for online, target in ((model.actor, model.actor_target), (model.critic, model.critic_target)):
        assert_equal_state(online.state_dict(), target.state_dict())
        assert not {id(p) for p in online.parameters()} & {id(p) for p in target.parameters()}
        for mode in (True, False):
            model.policy.set_training_mode(mode)
            assert online.features_extractor.training == mode
            assert not any(module.training for module in target.modules())


def test_batch_normalisation_learns_while_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(policy_kwargs={"features_extractor_class": BatchNormExtractor})
    monkeypatch.setattr(model.replay_buffer, "sample", lambda batch_size, env: make_batch())
    norm = model.actor.features_extractor.norm
    model.predict(np.ones(2))
    assert th.equal(norm.running_mean, th.zeros(2))
    model.train(1, 6)
    assert not th.equal(norm.running_mean, th.zeros(2))


def test_weight_decay_is_l2_on_the_critic_only() -> None:
    decay, batch = 0.2, make_batch()
    plain, decayed = make(), make(critic_weight_decay=decay)
    start = [p.clone() for p in decayed.critic.parameters()]
    plain._update(batch)
    decayed._update(batch)
    for p, free, before in zip(decayed.critic.parameters(), plain.critic.parameters(), start, strict=True):
        th.testing.assert_close(p, free - CRITIC_RATE * decay * before)
    assert decayed.actor.optimizer.param_groups[0]["weight_decay"] == 0
    frozen = make(critic_weight_decay=decay, learning_rate=0.0)
    before_actor = weights(frozen.actor)
    frozen._update(batch)
    np.testing.assert_array_equal(weights(frozen.actor)[0], before_actor[0])


def test_weight_decay_zero_keeps_the_optimizers_own() -> None:
    policy_kwargs = {"optimizer_kwargs": {"weight_decay": 0.3}}
    for decay, expected in ((0.0, 0.3), (0.1, 0.1)):
        model = make(critic_weight_decay=decay, policy_kwargs=policy_kwargs)
        assert model.critic.optimizer.param_groups[0]["weight_decay"] == expected
        assert model.actor.optimizer.param_groups[0]["weight_decay"] == 0.3


def test_max_grad_norm_bounds_the_step_of_each_network() -> None:
    limit = 1e-3
    model = make(max_grad_norm=limit)
    before = {name: weights(getattr(model, name)) for name in ("actor", "critic")}
    model._update(make_batch())
    for name, rate in (("actor", ACTOR_RATE), ("critic", CRITIC_RATE)):
        after = weights(getattr(model, name))
        step = np.concatenate([(new - old).ravel() for new, old in zip(after, before[name], strict=True)])
        assert np.linalg.norm(step) == pytest.approx(rate * limit, rel=1e-2)


def test_learning_rates_follow_their_own_schedules() -> None:
    model = make(learning_rate=lambda p: p, critic_learning_rate="lin_0.4", learning_starts=0, batch_size=2)
    assert (model.actor.optimizer.param_groups[0]["lr"], model.critic.optimizer.param_groups[0]["lr"]) == (1.0, 0.4)
    model.learn(5)
    model._current_progress_remaining = 0.5
    model.train(1, 2)
    assert (model.actor.optimizer.param_groups[0]["lr"], model.critic.optimizer.param_groups[0]["lr"]) == (0.5, 0.2)


def test_critic_rate_none_follows_the_actors() -> None:
    model = make(learning_rate=lambda p: 0.2 + p, critic_learning_rate=None)
    assert model.critic.optimizer.param_groups[0]["lr"] == 1.2


@pytest.mark.parametrize(("critic_rate", "expected"), [(None, 0.3), (0.4, 0.4)])
def test_a_new_schedule_moves_all_rates_that_are_not_the_critics_own(critic_rate: Any, expected: float) -> None:
    model = make(critic_learning_rate=critic_rate, learning_starts=0, batch_size=2)
    model.learn(5)
    model.lr_schedule = lambda progress: 0.3
    model.train(1, 2)
    assert model.actor.optimizer.param_groups[0]["lr"] == 0.3
    assert model.critic.optimizer.param_groups[0]["lr"] == expected


def test_fused_adam_equals_plain_adam() -> None:
    models = [
        make(policy_kwargs={"net_arch": [8], "optimizer_class": th.optim.Adam, "optimizer_kwargs": kwargs})
        for kwargs in ({}, {"fused": False})
    ]
    assert [model.critic.optimizer.param_groups[0]["fused"] for model in models] == [True, False]
    for _ in range(5):
        for model in models:
            model._update(make_batch())
    for a, b in zip(models[0].policy.parameters(), models[1].policy.parameters(), strict=True):
        th.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_non_finite_loss_is_an_error_that_no_search_skips(reward: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = make(), make_batch()
    batch.rewards[0] = reward
    monkeypatch.setattr(model.replay_buffer, "sample", lambda batch_size, env: batch)
    with pytest.raises(RuntimeError, match=r"critic loss (nan|inf).*after 1 updates"):
        model.train(1, 6)


def test_final_init_bounds_both_output_layers_and_nothing_else() -> None:
    policy = make(policy_kwargs={"net_arch": [40, 30], "final_init": 3e-3}).policy
    for network, layers in ((policy.actor, policy.actor.mu[:-1]), (policy.critic, policy.critic.q_net)):
        for parameter in layers[-1].parameters():
            assert 0 < parameter.abs().max() <= 3e-3
        assert layers[-1].weight.abs().max() > 2e-3
        assert next(network.parameters()).abs().max() > 0.1


@pytest.mark.parametrize("squash", ["tanh", "sigmoid"])
def test_untrained_actor_starts_around_the_initial_action(squash: str) -> None:
    model = make(policy_kwargs={"squash": squash, "final_init": 1e-6, "initial_action": -0.5})
    th.testing.assert_close(model.actor(th.randn(9, 2)), th.full((9, 1), -0.5), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("action_layer", "expected"), [(0, [(40, 3), (30, 40), (1, 30)]), (1, [(40, 2), (30, 41), (1, 30)])]
)
def test_action_enters_at_its_layer(action_layer: int, expected: list[tuple[int, int]]) -> None:
    model = make(policy_kwargs={"net_arch": [40, 30], "action_layer": action_layer})
    critic = model.critic
    shapes = [tuple(module.weight.shape) for module in critic.modules() if isinstance(module, nn.Linear)]
    assert shapes == expected
    actions = th.zeros(1, 1, requires_grad=True)
    critic(th.ones(1, 2), actions).sum().backward()
    assert actions.grad is not None and actions.grad.abs().sum() > 0


def test_sigmoid_actor_equals_tanh_of_half() -> None:
    observations = th.randn(9, 2)
    outputs = {}
    for squash in ("tanh", "sigmoid"):
        model = make(policy_kwargs={"squash": squash})
        nn.init.constant_(model.actor.mu[0].weight, 2.0 if squash == "sigmoid" else 1.0)
        nn.init.constant_(model.actor.mu[0].bias, 0.2 if squash == "sigmoid" else 0.1)
        outputs[squash] = model.actor(observations)
    th.testing.assert_close(outputs["sigmoid"], outputs["tanh"])
