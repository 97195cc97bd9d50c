"""QLearning finds the values of the tutorial, the exact ones, and the optimal path."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.envs.toy_mdp import AVAILABLE, REWARDS, TRANSITIONS
from sb3_ext.mdp import q_value_iteration, toy_text_model, value_iteration
from sb3_ext.q_learning import QLearning

EXACT = q_value_iteration(TRANSITIONS, REWARDS, AVAILABLE, gamma=0.9).q_values
TUTORIAL = np.array([[17.4, 15.6, 12.5], [0.0, -np.inf, -8.9], [-np.inf, 48.4, -np.inf]])
TUTORIAL_SETTINGS = {
    "learning_rate": 0.05,
    "learning_rate_decay": 0.005,
    "gamma": 0.9,
    "exploration_initial_eps": 1.0,
    "exploration_final_eps": 1.0,
}


@pytest.mark.parametrize("seed", [0, 1])
def test_reaches_the_tutorials_values_with_its_settings(seed: int) -> None:
    model = QLearning("TablePolicy", "ThreeStateMDP-v0", seed=seed, **TUTORIAL_SETTINGS).learn(10_000)
    np.testing.assert_array_equal(np.isneginf(model.q_table), ~AVAILABLE)
    error, tolerance = (np.abs(table[AVAILABLE] - EXACT[AVAILABLE]).max() for table in (model.q_table, TUTORIAL))
    assert error < 1.5 * tolerance
    np.testing.assert_allclose(model.q_table[AVAILABLE], TUTORIAL[AVAILABLE], atol=2.5)
    np.testing.assert_array_equal(model.q_table.argmax(axis=1), EXACT.argmax(axis=1))


def test_converges_to_the_exact_values() -> None:
    settings = {**TUTORIAL_SETTINGS, "learning_rate": 0.5, "learning_rate_decay": 0.025}
    env = make_vec_env("ThreeStateMDP-v0", n_envs=8)
    model = QLearning("TablePolicy", env, seed=0, **settings).learn(30_000)
    np.testing.assert_allclose(model.q_table[AVAILABLE], EXACT[AVAILABLE], atol=1.5)


def test_finds_the_optimal_path_by_optimism_alone() -> None:
    model = QLearning(
        "TablePolicy",
        make_vec_env("CliffWalking-v1", env_kwargs={"max_episode_steps": 200}),
        learning_rate=0.5,
        gamma=1.0,
        exploration_initial_eps=0.0,
        exploration_final_eps=0.0,
        seed=0,
    ).learn(8_000)
    mean, _ = evaluate_policy(model, gym.make("CliffWalking-v1", max_episode_steps=50), n_eval_episodes=1, warn=False)
    env = gym.make("CliffWalking-v1").unwrapped
    best = value_iteration(*toy_text_model(env.P), gamma=1.0).values[36]
    assert mean == best == -13
