"""One update against hand calculations in float64; the bookkeeping of episodes."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.reinforce import REINFORCE

RATE = 0.1
GAMMA = 0.8


class Scripted(gym.Env[np.ndarray, int]):
    """Episodes of given lengths, in turn. Observation (t, 1), reward t + 1 if the action is 0 else -2."""

    observation_space = spaces.Box(-100, 100, (2,))
    action_space = spaces.Discrete(3)

    def __init__(self, *lengths: int, truncated: bool = False) -> None:
        self.lengths, self.truncated, self.episode, self.t = lengths, truncated, -1, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode, self.t = self.episode + 1, 0
        return np.array([0, 1], np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = self.t + 1.0 if action == 0 else -2.0
        self.t += 1
        end = self.t == self.lengths[self.episode % len(self.lengths)]
        return (
            np.array([self.t, 1], np.float32),
            reward,
            end and not self.truncated,
            end and self.truncated,
            {"episode": {"r": reward, "l": self.t}} if end else {},
        )


def make(*envs: gym.Env[Any, Any], **kwargs: Any) -> REINFORCE:
    """Linear softmax policy and linear value under plain gradient descent, with weights that matter."""
    env = DummyVecEnv([lambda e=e: e for e in envs])  # type: ignore[misc]
    defaults: dict[str, Any] = {
        "learning_rate": RATE,
        "gamma": GAMMA,
        "n_episodes": 3,
        "policy_kwargs": {"net_arch": [], "optimizer_class": th.optim.SGD},
    }
    model = REINFORCE("MlpPolicy", env, seed=1, device="cpu", **{**defaults, **kwargs})
    with th.no_grad():
        for parameter in model.policy.parameters():
            parameter.copy_(0.3 * th.randn_like(parameter))
    return model


def collect(model: REINFORCE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Play one batch; return observations, actions and returns as SB3 would log them, in float64."""
    _, callback = model._setup_learn(1000)
    callback.on_training_start({}, {})
    assert model.env is not None
    assert model.collect_rollouts(model.env, callback, model.rollout_buffer, 1)
    samples = model.episodes.samples(model.gamma, th.device("cpu"))
    assert isinstance(samples.observations, th.Tensor)
    return samples.observations.numpy().astype(float), samples.actions.numpy(), samples.returns


def linear(layer: th.nn.Linear) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy().astype(float)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("normalize_advantage", [False, True])
@pytest.mark.parametrize("baseline", ["none", "mean", "value"])
def test_update_by_hand(baseline: str, normalize_advantage: bool) -> None:
    ent_coef, vf_coef = 0.05, 0.25
    model = make(
        Scripted(3, 1, 4),
        baseline=baseline,
        normalize_advantage=normalize_advantage,
        ent_coef=ent_coef,
        vf_coef=vf_coef,
    )
    s, a, g = collect(model)
    assert len(s) == 8
    w, b = linear(model.policy.action_net)
    v, c = linear(model.policy.value_net)
    values = (s @ v.T + c)[:, 0]
    advantages = g - {"none": 0.0, "mean": g.mean(), "value": values}[baseline]
    if normalize_advantage:
        advantages = (advantages - advantages.mean()) / advantages.std()

    p = softmax(s @ w.T + b)
    log_prob_slope = np.eye(3)[a] - p
    entropy = -(p * np.log(p)).sum(axis=1, keepdims=True)
    entropy_slope = -p * (np.log(p) + entropy)
    logits_ascent = (advantages[:, None] * log_prob_slope + ent_coef * entropy_slope) / len(s)
    value_descent = vf_coef * 2 * (values - g)[:, None] / len(s) if baseline == "value" else np.zeros((len(s), 1))

    model.train()
    for layer, before, ascent in (
        (model.policy.action_net, (w, b), logits_ascent),
        (model.policy.value_net, (v, c), -value_descent),
    ):
        after = linear(layer)
        np.testing.assert_allclose(after[0], before[0] + RATE * ascent.T @ s, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(after[1], before[1] + RATE * ascent.sum(axis=0), rtol=1e-4, atol=1e-6)


def test_policy_gradient_against_finite_differences() -> None:
    model = make(Scripted(3, 1, 4), normalize_advantage=False)
    s, a, g = collect(model)
    w, b = linear(model.policy.action_net)

    def objective(w: np.ndarray) -> float:
        return float((g * np.log(softmax(s @ w.T + b)[np.arange(len(a)), a])).mean())

    gradient = np.zeros_like(w)
    for index in np.ndindex(*w.shape):
        step = np.zeros_like(w)
        step[index] = 1e-5
        gradient[index] = (objective(w + step) - objective(w - step)) / 2e-5
    model.train()
    np.testing.assert_allclose(linear(model.policy.action_net)[0], w + RATE * gradient, rtol=1e-4, atol=1e-6)


def test_returns_are_discounted_within_each_episode() -> None:
    model = make(Scripted(3, 1, 4))
    s, a, g = collect(model)
    rewards = np.where(a == 0, s[:, 0] + 1, -2.0)
    ends = [2, 3, 7]
    expected = np.zeros(8)
    for t in reversed(range(8)):
        expected[t] = rewards[t] + (0 if t in ends else GAMMA * expected[t + 1])
    np.testing.assert_allclose(g, expected, rtol=1e-12)


@pytest.mark.parametrize("baseline", ["none", "mean", "value"])
def test_only_a_learned_value_continues_a_truncated_episode(baseline: str) -> None:
    model = make(Scripted(3, truncated=True), n_episodes=1, baseline=baseline)
    _, a, g = collect(model)
    rewards = np.where(a == 0, np.arange(3) + 1.0, -2.0)
    v, c = linear(model.policy.value_net)
    beyond = (v @ [3.0, 1.0] + c)[0] if baseline == "value" else 0.0
    assert abs(beyond) > 0.01 or baseline != "value"
    expected = [sum(GAMMA**k * r for k, r in enumerate([*rewards[t:], beyond])) for t in range(3)]
    np.testing.assert_allclose(g, expected, rtol=1e-5)


def test_terminated_episode_has_no_future_value() -> None:
    model = make(Scripted(1), n_episodes=2, baseline="value")
    _, a, g = collect(model)
    np.testing.assert_array_equal(g, np.where(a == 0, 1.0, -2.0))


def test_entropy_bonus_flattens_the_policy() -> None:
    entropies = {}
    for ent_coef in (0.0, 10.0):
        model = make(Scripted(3), ent_coef=ent_coef, learning_rate=0.01)
        s, _, _ = collect(model)
        model.train()
        p = softmax(s @ linear(model.policy.action_net)[0].T + linear(model.policy.action_net)[1])
        entropies[ent_coef] = -(p * np.log(p)).sum(axis=1).mean()
    assert entropies[10.0] > entropies[0.0]


def test_max_grad_norm_bounds_the_step() -> None:
    model = make(Scripted(3), max_grad_norm=1e-3, learning_rate=10.0)
    collect(model)
    before = th.nn.utils.parameters_to_vector(model.policy.parameters()).detach()
    model.train()
    after = th.nn.utils.parameters_to_vector(model.policy.parameters()).detach()
    assert (after - before).norm().item() == pytest.approx(1e-2, rel=1e-3)


@pytest.mark.parametrize("normalize_advantage", [False, True])
def test_batch_of_one_step_is_no_nan(normalize_advantage: bool) -> None:
    model = make(Scripted(1), n_episodes=1, normalize_advantage=normalize_advantage)
    collect(model)
    model.train()
    assert all(th.isfinite(parameter).all() for parameter in model.policy.parameters())


class Recorder(BaseCallback):
    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.stop_at = stop_at
        self.dones: list[list[bool]] = []
        self.rollouts: list[str] = []
        self.batches: list[tuple[int, int]] = []

    def _on_rollout_start(self) -> None:
        self.rollouts.append("start")

    def _on_step(self) -> bool:
        self.dones.append(self.locals["dones"].tolist())
        assert {"new_obs", "rewards", "infos", "actions", "clipped_actions", "env", "self"} <= self.locals.keys()
        assert self.num_timesteps == len(self.dones) * self.training_env.num_envs
        return len(self.dones) != self.stop_at

    def _on_rollout_end(self) -> None:
        self.rollouts.append("end")
        assert isinstance(self.model, REINFORCE)
        self.batches.append((self.model.episodes.n_begun, self.model.episodes.n_steps))


def test_one_environment_plays_on_without_a_reset() -> None:
    env, callback = Scripted(3, 1, 4, 2), Recorder()
    model = make(env, n_episodes=2).learn(17, callback)
    assert callback.batches == [(2, 4), (2, 6), (2, 4), (2, 6)]
    assert (model.num_timesteps, model._n_updates, env.episode) == (20, 4, 8)
    assert callback.rollouts == ["start", "end"] * 4


def test_several_environments_take_the_episodes_begun_first() -> None:
    envs, callback = [Scripted(10), Scripted(2), Scripted(3)], Recorder()
    model = make(*envs, n_episodes=4).learn(31, callback)
    assert callback.batches == [(4, 10 + 2 + 3 + 2)] * 2
    assert model.num_timesteps == 60 and len(callback.dones) == 20
    # 5 episodes of length 2 in 10 steps, then a new batch begins with all environments reset
    assert envs[1].episode == 5 + 1 + 5 and envs[2].episode == 3 + 1 + 3
    lengths = [info["l"] for info in model.ep_info_buffer or ()]
    assert sorted(lengths) == [2, 2, 2, 2, 3, 3, 10, 10]


def test_episodes_that_end_together_need_no_reset() -> None:
    envs = [Scripted(4), Scripted(4)]
    make(*envs, n_episodes=4).learn(30)
    assert [env.episode for env in envs] == [4, 4]


def test_batch_is_not_biased_to_short_episodes() -> None:
    class Coin(Scripted):
        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
            result = super().reset(seed=seed)
            self.lengths = (int(self.np_random.choice([2, 20])),)
            return result

    class Count(BaseCallback):
        long = short = 0

        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            samples = self.model.episodes.samples(1.0, th.device("cpu"))  # type: ignore[attr-defined]
            ages = samples.observations[:, 0]
            self.short += int((ages == 0).sum() - (ages == 19).sum())
            self.long += int((ages == 19).sum())

    counter = Count()
    make(*[Coin(1) for _ in range(4)], n_episodes=6, learning_rate=0.0).learn(8_000, counter)
    n = counter.long + counter.short
    assert n > 300
    # Four standard deviations; the first 6 finished would be long in a quarter of the cases
    assert abs(counter.long / n - 0.5) < 4 * 0.5 / np.sqrt(n)


def test_callback_ends_training_in_the_middle_of_a_batch() -> None:
    env, callback = Scripted(5), Recorder(stop_at=7)
    model = make(env, n_episodes=2).learn(100, callback)
    assert (model.num_timesteps, model._n_updates) == (7, 0)
    assert callback.rollouts == ["start"]
    callback = Recorder()
    model.learn(10, reset_num_timesteps=True, callback=callback)
    assert callback.batches == [(2, 10)]


@pytest.mark.parametrize("stop_at", [1, 5, 6, 7])
def test_batch_after_an_interrupted_one_holds_whole_episodes(stop_at: int) -> None:
    model = make(Scripted(5), n_episodes=2)
    model.learn(100, Recorder(stop_at=stop_at))
    model.learn(10, reset_num_timesteps=False)
    samples = model.episodes.samples(1.0, th.device("cpu"))
    assert isinstance(samples.observations, th.Tensor)
    assert samples.observations[:, 0].tolist() == [0, 1, 2, 3, 4] * 2


def test_upstream_callback_that_reads_dones() -> None:
    model = make(Scripted(5), Scripted(5), n_episodes=2)
    model.learn(1000, StopTrainingOnMaxEpisodes(max_episodes=3))
    assert model.num_timesteps == 30  # SB3 counts 3 episodes per environment


def test_tutorial_numbers_reach_the_loss() -> None:
    """Episodes with the tutorial's rewards, whatever the actions, give the tutorial's normalised returns."""

    class Tutorial(Scripted):
        def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            t, episode = self.t, self.episode % 2
            observation, _, terminated, truncated, info = super().step(action)
            return observation, float([[10, 0, -50], [10, 20]][episode][t]), terminated, truncated, info

    model = make(Tutorial(3, 2), n_episodes=2)
    model.set_logger(configure(None, []))
    _, _, g = collect(model)
    np.testing.assert_allclose(g, [-22, -40, -50, 26, 20], rtol=0, atol=1e-7)
    advantages = model._advantages(g, np.zeros(5, np.float32))
    expected = [-0.28435071, -0.86597718, -1.18910299, 1.26665318, 1.0727777]
    np.testing.assert_allclose(advantages, expected, rtol=0, atol=1e-7)


def test_vectorised_environments_of_the_zoo_kind() -> None:
    model = REINFORCE("MlpPolicy", make_vec_env("CartPole-v1", n_envs=3), n_episodes=5, seed=0, device="cpu").learn(500)
    assert model.episodes.n_begun == 5 and model._n_updates >= 1
