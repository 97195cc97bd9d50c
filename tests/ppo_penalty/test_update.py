"""The penalty against hand calculations: divergences, the loss and its gradient, and the rule for beta."""

from typing import Any

import numpy as np
import pytest
import torch as th
from algorithm_battery import seeded
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnv, IdentityEnvBox
from torch import nn

from sb3_ext.ppo_penalty import PPOPenalty
from sb3_ext.ppo_penalty.ppo_penalty import BETA_RANGE, adapted, mean_kl


def logits(*probabilities: float) -> th.Tensor:
    return th.tensor([probabilities]).log()


def test_divergence_of_gaussians_is_summed_over_dimensions_and_averaged_over_the_batch() -> None:
    old = DiagGaussianDistribution(2).proba_distribution(th.tensor([[0.0, 1.0], [0.0, 0.0]]), th.zeros(2))
    new = DiagGaussianDistribution(2).proba_distribution(
        th.tensor([[1.0, 1.0], [0.0, 0.0]]), th.tensor([0.0, np.log(2)], dtype=th.float32)
    )
    wider = np.log(2) + 1 / 8 - 1 / 2
    np.testing.assert_allclose(mean_kl(old, new).item(), (0.5 + wider + wider) / 2, rtol=1e-6)


def test_divergence_of_discrete_distributions() -> None:
    expected = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    pair = [logits(0.5, 0.5), logits(0.9, 0.1)]
    old, new = (CategoricalDistribution(2).proba_distribution(values) for values in pair)
    np.testing.assert_allclose(mean_kl(old, new).item(), expected, rtol=1e-6)
    old, new = (MultiCategoricalDistribution([2, 2]).proba_distribution(values.repeat(3, 2)) for values in pair)
    np.testing.assert_allclose(mean_kl(old, new).item(), 2 * expected, rtol=1e-6)
    odds = [th.zeros(3, 2), th.full((3, 2), np.log(9.0))]
    old, new = (BernoulliDistribution(2).proba_distribution(values) for values in odds)
    np.testing.assert_allclose(mean_kl(old, new).item(), 2 * expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("kl", "expected"),
    [(0.016, 6.0), (0.015, 3.0), (0.0149, 3.0), (0.01, 3.0), (0.0067, 3.0), (0.0066, 1.5), (0.0, 1.5)],
)
def test_rule_of_the_paper(kl: float, expected: float) -> None:
    assert adapted(3.0, kl, target_kl=0.01) == expected


@given(st.lists(st.floats(0, 1e3), max_size=200))
def test_beta_finds_back_from_any_history(history: list[float]) -> None:
    beta = 1.0
    for kl in history:
        beta = adapted(beta, kl, 0.01)
        assert BETA_RANGE[0] <= beta <= BETA_RANGE[1]
    for _ in range(45):
        beta = adapted(beta, 1.0, 0.01)
    assert beta == BETA_RANGE[1]


def collected(box: bool, **kwargs: Any) -> PPOPenalty:
    """A model with a full rollout, plain gradient descent, and one minibatch an epoch."""
    make_env = (lambda: IdentityEnvBox(ep_length=5)) if box else (lambda: IdentityEnv(3, ep_length=5))
    env = seeded(make_vec_env(make_env, n_envs=2))
    defaults: dict[str, Any] = {
        "n_steps": 6,
        "batch_size": 12,
        "n_epochs": 2,
        "learning_rate": 0.1,
        "initial_beta": 0.7,
        "ent_coef": 0.03,
        "max_grad_norm": 1e9,
        "policy_kwargs": {"net_arch": [], "optimizer_class": th.optim.SGD, "ortho_init": False},
    }
    model = PPOPenalty("MlpPolicy", env, seed=1, device="cpu", **{**defaults, **kwargs})
    _, callback = model._setup_learn(1)
    model.collect_rollouts(env, callback, model.rollout_buffer, model.n_steps)
    return model


def reference_loss(model: PPOPenalty, weights: dict[str, th.Tensor], old: dict[str, th.Tensor], data: Any) -> th.Tensor:
    """The formula for linear networks, in float64."""
    obs, actions, log_probs, advantages, returns = data

    def head(values: dict[str, th.Tensor], name: str) -> th.Tensor:
        return obs @ values[f"{name}.weight"].T + values[f"{name}.bias"]

    if "log_std" in weights:
        mean, old_mean = head(weights, "action_net"), head(old, "action_net")
        std, old_std = weights["log_std"].exp(), old["log_std"].exp()
        log_prob = (-(((actions - mean) / std) ** 2) / 2 - std.log() - np.log(2 * np.pi) / 2).sum(1)
        kl = ((std / old_std).log() + (old_std**2 + (old_mean - mean) ** 2) / (2 * std**2) - 0.5).sum(1)
        entropy = (std.log() + 0.5 + np.log(2 * np.pi) / 2).sum()
    else:
        log_p, log_q = (th.log_softmax(head(values, "action_net"), dim=1) for values in (weights, old))
        log_prob = log_p.gather(1, actions.long()).squeeze(1)
        kl = (log_q.exp() * (log_q - log_p)).sum(1)
        entropy = -(log_p.exp() * log_p).sum(1).mean()
    ratio = (log_prob - log_probs).exp()
    value_error = (head(weights, "value_net").squeeze(1) - returns) ** 2
    penalized = (ratio * advantages - model.initial_beta * kl).mean()
    return -penalized - model.ent_coef * entropy + model.vf_coef * value_error.mean()


@pytest.mark.parametrize("normalize_advantage", [False, True])
@pytest.mark.parametrize("box", [False, True])
def test_two_epochs_by_hand(box: bool, normalize_advantage: bool) -> None:
    model = collected(box, normalize_advantage=normalize_advantage)
    sample = next(iter(model.rollout_buffer.get(12)))
    obs = sample.observations.double()  # type: ignore[union-attr]
    if not box:
        obs = th.nn.functional.one_hot(obs.long().flatten(), 3).double()
    advantages = sample.advantages.double()
    if normalize_advantage:
        advantages = (advantages - advantages.mean()) / advantages.std()
    data = obs, sample.actions.double(), sample.old_log_prob.double(), advantages, sample.returns.double()

    old = {name: value.double().clone() for name, value in model.policy.state_dict().items()}
    weights = {name: value.clone() for name, value in old.items()}
    for _ in range(2):
        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        reference_loss(model, leaves, old, data).backward()  # type: ignore[no-untyped-call]
        weights = {name: value.detach() - 0.1 * value.grad for name, value in leaves.items()}  # type: ignore[operator]
    model.train()
    for name, value in model.policy.state_dict().items():
        assert (value - old[name]).abs().max() > 1e-4, name
        np.testing.assert_allclose(value, weights[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_heavy_penalty_keeps_the_policy_in_place() -> None:
    def change(beta: float) -> float:
        model = collected(False, initial_beta=beta, n_epochs=200, ent_coef=0.0, learning_rate=0.05)
        model.train()
        return float(model.logger.name_to_value["train/kl"])

    changes = [change(beta) for beta in (0.001, 1.0, 20.0)]
    assert changes[0] > changes[1] > 10 * changes[2] > 0


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
def test_logged_divergence_is_that_of_the_whole_rollout_after_the_update() -> None:
    model = collected(True, batch_size=5)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.train()
    observations = th.as_tensor(model.rollout_buffer.observations).reshape(12, -1)
    new = model.policy.get_distribution(observations).distribution
    changed = model.policy.state_dict()
    model.policy.load_state_dict(before)
    old = model.policy.get_distribution(observations).distribution
    model.policy.load_state_dict(changed)
    expected = th.distributions.kl_divergence(old, new).sum(1).mean().item()
    assert model.logger.name_to_value["train/kl"] == pytest.approx(expected, rel=1e-4)
    assert model.logger.name_to_value["train/beta"] == 0.7
    assert model.beta == adapted(0.7, expected, 0.01)


def test_values_change_by_no_more_than_their_clip_range() -> None:
    """The loss of PPO: where values have left the range, nothing draws them further."""
    model = collected(False, clip_range_vf=0.05, n_epochs=1)
    (batch,) = model.rollout_buffer.get(12)
    with th.no_grad():
        model.policy.value_net.bias += 0.08

    def value_loss() -> float:
        limits = {name: th.tensor(limit) for name, limit in model._limits().items()}
        return model._losses(batch, limits)["value_loss"].item()

    values = batch.old_values + 0.05  # all have risen by 0.08
    expected = ((batch.returns - values) ** 2).mean()
    assert value_loss() == pytest.approx(expected.item(), rel=1e-5)
    model.clip_range_vf = lambda progress: 0.1
    expected = ((batch.returns - batch.old_values - 0.08) ** 2).mean()
    assert value_loss() == pytest.approx(expected.item(), rel=1e-5)


def test_it_logs_the_estimate_of_ppo_for_the_divergence() -> None:
    model = collected(True, n_epochs=2, learning_rate=0.01)
    model.train()
    assert model.logger.name_to_value["train/approx_kl"] > 0
    still = collected(True, n_epochs=2, learning_rate=0.0)
    still.train()
    assert still.logger.name_to_value["train/approx_kl"] == pytest.approx(0, abs=1e-6)


def test_the_old_policy_has_the_layers_that_the_user_puts_in() -> None:
    def deeper(model: PPOPenalty) -> None:
        model.policy.action_net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))

    def bent(model: PPOPenalty) -> None:
        model.policy.mlp_extractor.policy_net[1] = nn.Softplus()

    def compiled(model: PPOPenalty) -> None:
        model.policy = th.compile(model.policy, backend="eager")

    model = collected(False, learning_rate=0.0, policy_kwargs={"net_arch": [4], "optimizer_class": th.optim.SGD})
    for change in (deeper, bent, compiled):
        change(model)
        (batch,) = model.rollout_buffer.get(12)
        model.policy.evaluate_actions(batch.observations, batch.actions.flatten())  # leaves a graph behind
        model.train()
        assert model.logger.name_to_value["train/kl"] == pytest.approx(0, abs=1e-6)
        assert model._old_policy.get_distribution(batch.observations) is not model.policy.action_dist
