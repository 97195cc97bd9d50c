"""Every algorithm sees and acts inside of spaces that do not count from 0."""

import copy
import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import (
    Case,
    assert_equal_predictions,
    assert_equal_state,
    save_and_load,
    several,
)
from cases import CASES, OFF_POLICY, each, name
from gymnasium import spaces
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.dqn.policies import DQNPolicy

import sb3_ext.checkpoint
from sb3_ext.common.starts import from_start, from_zero
from sb3_ext.vec_env import GymnasiumVecEnv

DISCRETE = spaces.Discrete(3, start=2)
BELOW = spaces.Discrete(5, start=-2)
MULTI = spaces.MultiDiscrete([3, 4], start=[-1, 7])
BOX = spaces.Box(-1, 1, (2,))
DICT = spaces.Dict({"one": DISCRETE, "several": MULTI, "box": BOX})
OBSERVED: list[spaces.Space[Any]] = [DISCRETE, MULTI, DICT, BOX]
DONE: dict[str, list[spaces.Space[Any]]] = {
    "DDPG": [BOX, BOX, BOX],
    "REINFORCE": [DISCRETE, MULTI, BELOW],
    "PPOPenalty": [MULTI, DISCRETE, BOX, BELOW],
    "QLearning": [BELOW, DISCRETE],
}
"""Spaces of actions to go with the observations of the same place; DISCRETE or BELOW for the algorithms not named."""


class Strict(gym.Env[Any, Any]):
    """Refuses actions outside of its space; the reward is for the action that is the (first) number observed."""

    def __init__(self, observations: spaces.Space[Any], actions: spaces.Space[Any], length: int = 10) -> None:
        self.observation_space, self.action_space = copy.deepcopy(observations), copy.deepcopy(actions)
        self.length = length

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.t = 0
        self.observation = self.observation_space.sample()
        return self.observation, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space, action
        self.t += 1
        reward = float(np.array_equal(np.ravel(action), np.ravel(self.observation)))
        self.observation = self.observation_space.sample()
        return self.observation, reward, False, self.t >= self.length, {}


def strict(observations: spaces.Space[Any], actions: spaces.Space[Any], length: int = 10) -> Any:
    return several(lambda: Strict(observations, actions, length))


def make(case: Case, observations: spaces.Space[Any], actions: spaces.Space[Any], n_envs: int = 1, **more: Any) -> Any:
    policy = "MultiInputPolicy" if observations is DICT else "MlpPolicy"
    if policy == "MultiInputPolicy":
        more["policy_kwargs"] = {"net_arch": [8]}
    return case.make(strict(observations, actions)(n_envs), policy, **more)


def rows() -> list[Any]:
    return [
        pytest.param(case, seen, done, id=f"{name(case)}-{type(seen).__name__}-{type(done).__name__}")
        for case in CASES
        for seen, done in zip(OBSERVED, DONE.get(name(case), [DISCRETE, BELOW, DISCRETE, BELOW]), strict=False)
    ]


def first_actions(case: Case) -> spaces.Space[Any]:
    return BOX if name(case) == "DDPG" else DISCRETE


@pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")
@pytest.mark.parametrize(("case", "seen", "done"), rows())
def test_training_predictions_and_loaded_models_stay_inside(
    case: Case, seen: spaces.Space[Any], done: spaces.Space[Any], tmp_path: pathlib.Path
) -> None:
    model = make(case, seen, done, n_envs=2).learn(40)
    assert model.action_space == done and model.observation_space == seen
    loaded = save_and_load(model, tmp_path, strict(seen, done)(1))
    assert_equal_predictions(model, loaded, 10)
    for predict in (model.predict, loaded.predict, model.policy.predict):
        for deterministic in (True, False):
            actions, _ = predict(model.env.reset(), deterministic=deterministic)
            assert all(action in done for action in actions)
            action, _ = predict(seen.sample(), deterministic=deterministic)
            assert action in done
    evaluate_policy(model, model.env, n_eval_episodes=2)
    evaluate_policy(loaded, Strict(seen, done), n_eval_episodes=1, warn=False)
    loaded.set_env(Strict(seen, done))
    loaded.learn(20, reset_num_timesteps=False)
    if case in OFF_POLICY:
        assert (
            isinstance(done, spaces.Box)
            or np.isin(model.replay_buffer.actions[:20], np.arange(done.n) + done.start).all()
        )


@each()
def test_policies_alone_stay_inside(case: Case, tmp_path: pathlib.Path) -> None:
    for seen in (DISCRETE, BOX):
        if name(case) == "QLearning" and seen is BOX:
            continue
        done = first_actions(case)
        policy = make(case, seen, done).learn(30).policy
        policy.save(str(tmp_path / "policy"))
        loaded = type(policy).load(str(tmp_path / "policy"), device="cpu")
        assert type(loaded) is type(policy)
        assert_equal_predictions(policy, loaded)
        for other in (loaded, copy.deepcopy(policy)):
            assert all(other.predict(seen.sample())[0] in done for _ in range(20))


@each()
def test_a_start_changes_nothing_but_the_numbers(case: Case) -> None:
    """The same training with a start of 0 takes the same course."""
    done = first_actions(case)
    zero = done if done is BOX else spaces.Discrete(3)
    models = [
        make(case, *given, n_envs=2).learn(case.steps) for given in ((DISCRETE, done), (spaces.Discrete(3), zero))
    ]
    assert_equal_state(models[0].get_parameters(), models[1].get_parameters())
    shifted, plain = (
        model.predict(start + np.arange(3), deterministic=True)[0] for model, start in zip(models, (2, 0), strict=True)
    )
    np.testing.assert_array_equal(shifted, plain if done is BOX else plain + 2)


def test_dueling_dqn_acts_alike_in_numpy_compiled_with_sb3s_policy_and_prioritized() -> None:
    case = OFF_POLICY[1]
    plain = make(case, BOX, DISCRETE).learn(60)
    layers = plain.policy.plain_layers()
    assert layers
    observations = np.stack([BOX.sample() for _ in range(8)])
    np.testing.assert_array_equal(plain._act(observations), plain.predict(observations, deterministic=True)[0])
    for options in ({"policy": DQNPolicy, "dueling": False}, {"prioritized_replay": True, "n_steps": 3}):
        policy = options.pop("policy", "MlpPolicy")
        model = case.make(strict(DISCRETE, DISCRETE)(2), policy, **options).learn(60)
        assert set(model.predict(DISCRETE.start + np.arange(3), deterministic=True)[0]) <= {2, 3, 4}


@pytest.mark.slow
@each(OFF_POLICY)
def test_compiled_updates(case: Case) -> None:
    done = first_actions(case)
    models = [make(case, DICT, done, compile=compile).learn(60) for compile in (False, True)]
    for plain, compiled in zip(*(model.policy.state_dict().values() for model in models), strict=True):
        th.testing.assert_close(plain, compiled, atol=1e-4, rtol=1e-3)


@each()
def test_checkpoints_go_on_exactly(case: Case, tmp_path: pathlib.Path) -> None:
    done = first_actions(case)
    model = make(case, DISCRETE, done).learn(60)
    sb3_ext.checkpoint.save(model, tmp_path / "checkpoint")
    resumed = sb3_ext.checkpoint.load(tmp_path / "checkpoint", env=strict(DISCRETE, done)(1))
    for one in (model, resumed):
        one.learn(60, reset_num_timesteps=False)
    assert_equal_state(model.get_parameters(), resumed.get_parameters())


@each([case for case in CASES if name(case) != "DDPG"])
def test_gymnasiums_vector_environments(case: Case) -> None:
    env = gym.vector.SyncVectorEnv([lambda: Strict(DISCRETE, DISCRETE) for _ in range(2)])
    model = case.make(GymnasiumVecEnv(env)).learn(60)
    evaluate_policy(model, model.env, n_eval_episodes=2)


def test_counting() -> None:
    numbers = th.tensor([[-1, 7], [1, 10]])
    assert th.equal(from_zero(numbers, MULTI), th.tensor([[0, 0], [2, 3]]))
    assert th.equal(from_start(from_zero(numbers, MULTI), MULTI), numbers)
    assert from_zero(th.tensor([-2, 2]), BELOW).tolist() == [0, 4]
    assert from_zero(numbers, spaces.MultiDiscrete([5, 20])) is numbers
    assert from_start(numbers, spaces.MultiBinary(2)) is numbers
