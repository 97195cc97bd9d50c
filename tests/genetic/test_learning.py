"""Genetic search learns."""

import pytest
from algorithm_battery import seeded
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import IdentityEnv, IdentityEnvBox
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_ext.genetic import GeneticSearch


@pytest.mark.parametrize(("box", "policy"), [(False, "LinearPolicy"), (True, "MlpPolicy")])
def test_learns_the_identity_task(box: bool, policy: str) -> None:
    make = (lambda: IdentityEnvBox(eps=0.2, ep_length=10)) if box else (lambda: IdentityEnv(5, ep_length=10))
    env = seeded(make_vec_env(make, n_envs=5))
    kwargs = {"net_arch": [8]} if policy == "MlpPolicy" else {}
    model = GeneticSearch(policy, env, 20, 4, mutation_std=0.3, n_eval_episodes=2, policy_kwargs=kwargs, seed=0)
    untrained, _ = evaluate_policy(model, env, n_eval_episodes=10)
    model.learn(6_000)
    trained, _ = evaluate_policy(model, env, n_eval_episodes=10)
    assert trained > 9 > 5 > untrained


@pytest.mark.slow
@pytest.mark.parametrize("n_envs", [1, 10])
def test_solves_cartpole(n_envs: int) -> None:
    env = make_vec_env("CartPole-v1", n_envs=n_envs)
    model = GeneticSearch("MlpPolicy", env, mutation_std=0.2, n_eval_episodes=3, target_return=500, seed=0)
    model.learn(400_000)
    mean, _ = evaluate_policy(model, make_vec_env("CartPole-v1", seed=1000), n_eval_episodes=20)
    assert mean > 490
    assert model.generation < 30
