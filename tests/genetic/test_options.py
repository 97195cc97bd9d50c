"""Every option runs; models survive saving and loading; seeds reproduce runs."""

import copy
import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import (
    assert_equal_predictions,
    assert_equal_state,
    assert_seeded_runs_equal,
    assert_survives_save_and_load,
    hyperparameters,
    save_and_load,
    seeded,
)
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import FakeImageEnv, IdentityEnv, IdentityEnvBox, SimpleMultiObsEnv
from stable_baselines3.common.logger import configure
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from sb3_ext.genetic import GeneticSearch


def identity_vec_env(n_envs: int = 1, box: bool = False) -> VecEnv:
    make_env = (lambda: IdentityEnvBox(ep_length=5)) if box else (lambda: IdentityEnv(3, ep_length=5))
    return seeded(make_vec_env(make_env, n_envs=n_envs))


def make(env: Any = None, policy: Any = "MlpPolicy", seed: int | None = 0, **kwargs: Any) -> GeneticSearch:
    defaults: dict[str, Any] = {"population_size": 6, "n_survivors": 2}
    if policy == "MlpPolicy":
        defaults["policy_kwargs"] = {"net_arch": [8]}
    return GeneticSearch(policy, env or identity_vec_env(), seed=seed, device="cpu", **{**defaults, **kwargs})


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


OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one survivor": {"population_size": 2, "n_survivors": 1},
    "uneven": {"population_size": 7, "n_survivors": 4, "mutation_std": 0.5},
    "evaluation": {"n_eval_episodes": 3, "reevaluate_survivors": False, "max_episode_steps": 5},
    "proof": {"n_proof_episodes": 2, "target_return": 100.0},
    "schedule": {"mutation_std": lambda p: 0.1 + 0.1 * p},
    "linear schedule": {"mutation_std": "lin_0.2"},
    "linear": {"policy": "LinearPolicy", "policy_kwargs": {"with_bias": True}},
    "actor-critic": {"policy": ActorCriticPolicy, "policy_kwargs": {"net_arch": [4], "activation_fn": th.nn.ELU}},
    "other": {"stats_window_size": 7, "seed": None},
}
BOX_OPTIONS: dict[str, dict[str, Any]] = {
    "squashed": {},
    "clipped": {"policy_kwargs": {"squash_output": False}},
    "linear actions": {"policy": "LinearPolicy"},
}
CASES = [(False, kwargs) for kwargs in OPTIONS.values()] + [(True, kwargs) for kwargs in BOX_OPTIONS.values()]


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize(("box", "kwargs"), CASES, ids=[*OPTIONS, *BOX_OPTIONS])
def test_option_runs_and_survives_save_and_load(
    box: bool, kwargs: dict[str, Any], n_envs: int, tmp_path: pathlib.Path
) -> None:
    model = make(identity_vec_env(n_envs, box), **kwargs)
    given = hyperparameters(model)
    model.learn(150)
    assert model.generation > 1
    assert len(model.population) == model.population_size
    assert hyperparameters(model) == given
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize(
    ("make_env", "policy"), [(lambda: FakeImageEnv(2, 36, 36), "CnnPolicy"), (SimpleMultiObsEnv, "MultiInputPolicy")]
)
def test_other_observations(make_env: Any, policy: str, n_envs: int, tmp_path: pathlib.Path) -> None:
    env = make_vec_env(lambda: gym.wrappers.TimeLimit(make_env(), 10), n_envs=n_envs)
    model = make(env, policy, population_size=3, n_survivors=1).learn(40)
    assert model.generation >= 1
    assert_survives_save_and_load(model, tmp_path)


@pytest.mark.parametrize("n_envs", [1, 3])
def test_seeded_runs_equal(n_envs: int) -> None:
    assert_seeded_runs_equal(lambda seed: make(make_vec_env("CartPole-v1", n_envs=n_envs), seed=seed), 400)


def test_training_continues_after_load_as_if_never_saved(tmp_path: pathlib.Path) -> None:
    def more(model: GeneticSearch) -> dict[str, Any]:
        model.set_env(make_vec_env("CartPole-v1", n_envs=2, seed=1))
        model.set_random_seed(1)
        return model.learn(400, reset_num_timesteps=False).get_parameters()

    model = make(make_vec_env("CartPole-v1", n_envs=2)).learn(400)
    loaded = save_and_load(model, tmp_path, make_vec_env("CartPole-v1", n_envs=2))
    assert loaded.generation == model.generation > 1
    assert loaded.num_timesteps == model.num_timesteps
    before = model.generation
    assert_equal_state(more(model), more(loaded))
    assert model.generation > before


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
    loaded = save_and_load(model, tmp_path, identity_vec_env(), population_size=size, n_survivors=n_survivors)
    loaded.learn(5)
    assert len(loaded.population) == size
    assert loaded.population.genomes[:n_survivors].equal(best[:n_survivors])


def test_a_generation_of_the_tutorial() -> None:
    model = make(identity_vec_env(10), population_size=100, n_survivors=20)
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
    loaded = save_and_load(make(identity_vec_env(2)).learn(30), tmp_path, identity_vec_env(3))
    loaded.learn(30, reset_num_timesteps=False)
    assert (loaded.generation, loaded.num_timesteps) == (2, 60)


@pytest.mark.parametrize("n_envs", [1, 4])
def test_logged_keys(n_envs: int, tmp_path: pathlib.Path) -> None:
    model = make(identity_vec_env(n_envs), mutation_std="lin_0.2")
    model.set_logger(configure(str(tmp_path), ["csv", "tensorboard"]))
    model.learn(100)
    header, *_, last = (tmp_path / "progress.csv").read_text().splitlines()
    row = dict(zip(header.split(","), last.split(","), strict=True))
    expected = {f"genetic/{key}" for key in ("generation", "best", "best_episodes", "mean", "mutation_std")}
    expected |= {"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps", "time/total_timesteps"}
    assert expected <= row.keys()
    assert float(row["genetic/generation"]) == model.generation
    assert float(row["genetic/mean"]) == pytest.approx(float(model.population.fitness.mean()))
    assert float(row["genetic/best_episodes"]) == model.population.episodes.max()
    assert 0 < float(row["genetic/mutation_std"]) < 0.2


def test_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    make().learn(30, progress_bar=True)
    captured = capsys.readouterr()
    assert "100%" in captured.out + captured.err


def test_the_callers_dictionary_stays_as_it_was() -> None:
    policy_kwargs = {"net_arch": [8]}
    given = copy.deepcopy(policy_kwargs)
    model = make(policy_kwargs=policy_kwargs).learn(30)
    assert policy_kwargs == given == model.policy_kwargs and model.policy_kwargs is not policy_kwargs


def test_untrained_model_survives(tmp_path: pathlib.Path) -> None:
    model = make()
    assert_equal_predictions(model, save_and_load(model, tmp_path))
    assert save_and_load(model, tmp_path, identity_vec_env()).learn(30).generation == 1
