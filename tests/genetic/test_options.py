"""What a generation plays, who survives and is the best, and what is saved of it."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import Steady, identity, logged_rows, save_and_load
from genetic_case import make
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize


class Scripted(gym.Env[np.ndarray, int]):
    """Episodes of 4 steps; the reward is an attribute."""

    observation_space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Discrete(2)
    reward = 1.0
    t = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return self.np_random.normal(size=3).astype(np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.t += 1
        return self.np_random.normal(size=3).astype(np.float32), self.reward, self.t == 4, False, {}


def test_saved_file_holds_each_policy_once(tmp_path: pathlib.Path) -> None:
    model = make(population_size=50, n_survivors=2, policy_kwargs={"net_arch": [64, 64]}).learn(300)
    model.save(tmp_path / "model")
    model.policy.save(str(tmp_path / "policy"))
    n_bytes = 4 * model.population.genomes.shape[1]
    assert (tmp_path / "policy").stat().st_size < 2 * n_bytes + 10_000
    assert (tmp_path / "model.zip").stat().st_size < 52 * n_bytes + 50_000


@pytest.mark.parametrize(("size", "n_survivors"), [(4, 3), (12, 5)])
def test_population_can_shrink_and_grow_at_load(size: int, n_survivors: int, tmp_path: pathlib.Path) -> None:
    model = make().learn(60)
    best = model.population.genomes[model.population.ranking()]
    loaded = save_and_load(model, tmp_path, identity(), population_size=size, n_survivors=n_survivors)
    loaded.learn(5)
    assert len(loaded.population) == size
    assert loaded.population.genomes[:n_survivors].equal(best[:n_survivors])


def test_a_generation_of_the_tutorial() -> None:
    model = make(identity(10), population_size=100, n_survivors=20)
    model.learn(500)
    assert (model.generation, model.num_timesteps) == (1, 500)
    assert len(model.population.genomes.unique(dim=0)) == 100
    first = model.population
    model.learn(1, reset_num_timesteps=False)
    assert (model.generation, model.num_timesteps) == (2, 1000)
    assert model.population.genomes[:20].equal(first.genomes[first.ranking()[:20]])
    assert model.population.episodes.tolist() == [2] * 20 + [1] * 80


@pytest.mark.parametrize(("reevaluate", "steps", "episodes"), [(True, 24, [2, 2, 1, 1, 1, 1]), (False, 16, [1] * 6)])
def test_survivors_play_again_if_wanted(reevaluate: bool, steps: int, episodes: list[int]) -> None:
    model = make(Scripted(), reevaluate_survivors=reevaluate).learn(1)
    assert model.num_timesteps == 24
    model.env.envs[0].unwrapped.reward = 0.5  # type: ignore[union-attr]
    model.learn(1, reset_num_timesteps=False)
    assert model.num_timesteps == 24 + steps
    assert model.population.episodes.tolist() == episodes
    assert model.population.fitness.tolist() == [3.0 if reevaluate else 4.0] * 2 + [2.0] * 4


@pytest.mark.parametrize(("n_envs", "steps"), [(1, 72), (5, 80)])
def test_each_policy_plays_its_episodes(n_envs: int, steps: int) -> None:
    model = make(DummyVecEnv([Scripted] * n_envs), n_eval_episodes=3).learn(1)
    assert model.num_timesteps == steps
    assert model.population.episodes.tolist() == [3] * 6
    assert model.population.fitness.tolist() == [4.0] * 6


def test_an_environment_without_end_that_has_nothing_to_play_does_no_harm() -> None:
    lengths = [Steady(50), *(Steady(2) for _ in range(3)), Steady()]
    model = make(DummyVecEnv([lambda e=e: e for e in lengths]), population_size=4, max_episode_steps=50).learn(10)  # type: ignore[misc]
    assert model.generation == 1


def test_target_return_needs_proof() -> None:
    model = make(Scripted(), target_return=4.0, n_proof_episodes=3).learn(10_000)
    assert model.generation == 3
    assert make(Scripted(), target_return=4.1).learn(100).generation > 3
    model = make(Scripted(), target_return=4.0, n_proof_episodes=3, reevaluate_survivors=False).learn(10_000)
    assert model.generation == 1


def test_predict_is_the_greedy_best_policy() -> None:
    model = make(policy=ActorCriticPolicy).learn(200)
    best = model.population.best(10)
    genome = th.nn.utils.parameters_to_vector(model.policy.parameters())
    assert genome.equal(model.population.genomes[best])
    for observation in range(3):
        actions = {int(model.predict(np.array(observation), deterministic=False)[0]) for _ in range(20)}
        assert actions == {int(model.policy.predict(np.array(observation), deterministic=True)[0])}


def test_changing_the_policy_leaves_the_population_alone() -> None:
    model = make().learn(60)
    before = model.population.genomes.clone()
    with th.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(1.0)
    assert model.population.genomes.equal(before)


class Stop(BaseCallback):
    """Ends training at a step, and counts generations begun and ended."""

    def __init__(self, stop_at: int) -> None:
        super().__init__()
        self.stop_at, self.events = stop_at, ""

    def _on_rollout_start(self) -> None:
        self.events += "<"

    def _on_rollout_end(self) -> None:
        self.events += ">"

    def _on_step(self) -> bool:
        assert len(self.locals["dones"]) == self.training_env.num_envs
        return self.num_timesteps < self.stop_at


@pytest.mark.parametrize("stop_at", [2, 26])
def test_interrupted_generation_is_played_again(stop_at: int, tmp_path: pathlib.Path) -> None:
    callback = Stop(stop_at)
    model = make(Scripted()).learn(1000, callback)
    generation = stop_at // 24
    assert (model.num_timesteps, model.generation) == (stop_at, generation)
    assert callback.events == "<>" * generation + "<"
    genomes = model.population.genomes.clone()
    loaded = save_and_load(model, tmp_path, DummyVecEnv([Scripted]))
    for each in (model, loaded):
        each.learn(1, reset_num_timesteps=False)
        assert each.generation == generation + 1
        assert each.population.genomes.equal(genomes)
        assert each.population.fitness.tolist() == [4.0] * 6


def test_upstream_callbacks() -> None:
    env = make_vec_env("CartPole-v1", n_envs=3)
    evaluation = EvalCallback(make_vec_env("CartPole-v1"), n_eval_episodes=2, eval_freq=50, verbose=0)
    model = make(env).learn(10_000, [evaluation, StopTrainingOnMaxEpisodes(max_episodes=10)])
    assert len(evaluation.evaluations_timesteps) == 0
    assert evaluation.best_mean_reward > 0
    assert model.num_timesteps < 10_000


def test_vec_normalize_gives_normalised_observations_and_raw_returns() -> None:
    env = VecNormalize(DummyVecEnv([Scripted, Scripted]), clip_reward=0.1)
    model = make(env).learn(100)
    assert model.population.fitness.tolist() == [4.0] * 6
    assert env.obs_rms.count > 100  # type: ignore[union-attr]


def test_environments_can_change_their_number(tmp_path: pathlib.Path) -> None:
    loaded = save_and_load(make(identity(2)).learn(30), tmp_path, identity(3))
    loaded.learn(30, reset_num_timesteps=False)
    assert (loaded.generation, loaded.num_timesteps) == (2, 60)


@pytest.mark.parametrize("n_envs", [1, 4])
def test_log_is_that_of_the_population(n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(identity(n_envs), mutation_std="lin_0.2")
    *_, last = logged_rows(model, tmp_path, 100)
    assert float(last["genetic/generation"]) == model.generation
    assert float(last["genetic/mean"]) == pytest.approx(float(model.population.fitness.mean()))
    assert float(last["genetic/best_episodes"]) == model.population.episodes.max()
    assert 0 < float(last["genetic/mutation_std"]) < 0.2
