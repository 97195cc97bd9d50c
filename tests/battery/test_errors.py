"""Bad arguments are refused at the door, in one line that says what was given and what is allowed."""

import copy
import pathlib
from typing import Any

import numpy as np
import pytest
from algorithm_battery import Case, Steady, equal
from cases import CASES, WHOLE_EPISODES, each, name
from stable_baselines3.common.vec_env import DummyVecEnv

SAID = r"(^|: ){}=.* is not valid; "


def refusals(case: Case) -> list[Any]:
    """Arguments, bad values, and what the error says."""
    return [
        (argument, value, message[0] if message else SAID.format(argument)) for argument, value, *message in case.bad
    ]


BAD = [
    pytest.param(case, *bad, id=f"{name(case)}-{bad[0]}-{i}") for case in CASES for i, bad in enumerate(refusals(case))
]


@pytest.mark.parametrize(("case", "argument", "value", "message"), BAD)
def test_bad_value(case: Case, argument: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        case.make(**{argument: value})
    assert "\n" not in str(error.value)


@each()
def test_bad_value_at_load(case: Case, tmp_path: pathlib.Path) -> None:
    case.make().save(tmp_path / "model")
    for argument, value, message in refusals(case):
        with pytest.raises(ValueError, match=message):
            case.algorithm.load(tmp_path / "model", **{argument: value})


@each([case for case in CASES if case.unsupported])
def test_unsupported_action_space(case: Case) -> None:
    env = Steady()
    env.action_space = case.unsupported
    with pytest.raises(AssertionError, match="only supports"):
        case.make(env)


@each(WHOLE_EPISODES)
def test_environment_without_end(case: Case) -> None:
    model = case.make(Steady(), max_episode_steps=50)
    with pytest.raises(RuntimeError, match=r"not ended after max_episode_steps=50 steps.*TimeLimit") as error:
        model.learn(10)
    assert "\n" not in str(error.value)
    assert model.num_timesteps == 50


@each(WHOLE_EPISODES)
def test_one_of_several_environments_without_end(case: Case) -> None:
    env = DummyVecEnv([lambda: Steady(3), Steady])
    with pytest.raises(RuntimeError, match="max_episode_steps=20"):
        case.make(env, max_episode_steps=20).learn(10)


@each(WHOLE_EPISODES)
def test_longest_episode_allowed(case: Case) -> None:
    case.make(Steady(50), max_episode_steps=50).learn(100)
    with pytest.raises(RuntimeError, match="max_episode_steps=49"):
        case.make(Steady(50), max_episode_steps=49).learn(100)


@each(WHOLE_EPISODES)
def test_default_bound_ends_within_seconds(case: Case) -> None:
    assert case.make().max_episode_steps <= 50_000


@each([case for case in CASES if case.not_finite])
@pytest.mark.parametrize("reward", [np.nan, np.inf])
def test_what_is_not_finite_is_an_error_that_no_search_skips(case: Case, reward: float) -> None:
    model = case.make(Steady(5, reward))
    policy = copy.deepcopy(model.policy.state_dict())
    state = {name: getattr(model, name) for name in case.state if name != "num_timesteps"}
    with pytest.raises(RuntimeError, match=case.not_finite) as error:
        model.learn(10)
    assert "\n" not in str(error.value)
    assert equal(model.policy.state_dict(), policy)
    assert state == {name: getattr(model, name) for name in state}
