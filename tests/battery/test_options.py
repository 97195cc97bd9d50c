"""Every option of every algorithm runs, on every kind of space; models survive saving and loading."""

import copy
import pathlib
from typing import Any

import pytest
from algorithm_battery import (
    Case,
    assert_equal_predictions,
    assert_equal_state,
    assert_survives_save_and_load,
    equal,
    hyperparameters,
    save_and_load,
)
from cases import each, each_of

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


@each_of("options")
@pytest.mark.parametrize("n_envs", [1, 2])
def test_option_runs_and_survives_save_and_load(
    case: Case, options: dict[str, Any], n_envs: int, tmp_path: pathlib.Path
) -> None:
    model = case.build(options, n_envs)
    given, before = hyperparameters(model), copy.deepcopy(case.progress(model))
    model.learn(case.steps)
    assert equal(before, case.progress(model)) == (options.get("gradient_steps") == 0)
    if n_envs > 1 and given.get("action_noise") is not None:
        given["action_noise"] = hyperparameters(model)["action_noise"]  # SB3 makes one noise of several
    assert hyperparameters(model) == given
    case.check(model)
    loaded = assert_survives_save_and_load(model, tmp_path)
    for name in case.state:
        assert getattr(loaded, name) == getattr(model, name)


@each_of("spaces")
@pytest.mark.parametrize("n_envs", [1, 2])
def test_spaces(case: Case, options: dict[str, Any], n_envs: int, tmp_path: pathlib.Path) -> None:
    given = copy.deepcopy(options.get("policy_kwargs"))
    model = case.build(options, n_envs).learn(24)
    assert model._n_updates > 0
    assert options.get("policy_kwargs") == given
    assert_survives_save_and_load(model, tmp_path)
    save_and_load(model, tmp_path, policy_kwargs=copy.deepcopy(model.policy_kwargs))


@each()
def test_set_up_twice_changes_no_hyperparameter(case: Case) -> None:
    for options in case.options.values():
        model = case.build(options)
        before = hyperparameters(model)
        model._setup_model()
        assert hyperparameters(model) == before


@each()
def test_the_callers_dictionaries_stay_as_they_were(case: Case) -> None:
    given = copy.deepcopy(case.dictionaries)
    model = case.build(case.dictionaries).learn(30)
    assert case.dictionaries == given
    for name, value in given.items():
        assert getattr(model, name) == value and getattr(model, name) is not case.dictionaries[name]


@each()
def test_policies_alone_survive_save_and_load(case: Case, tmp_path: pathlib.Path) -> None:
    for name in {"defaults", "policy", "the paper", "SB3's policy", "actor-critic", "optimism"} & case.options.keys():
        policy = case.build(case.options[name]).learn(30).policy
        policy.save(str(tmp_path / "policy"))
        loaded = type(policy).load(str(tmp_path / "policy"), device="cpu")
        assert_equal_state(policy.state_dict(), loaded.state_dict())
        assert_equal_predictions(policy, loaded)


@each()
def test_untrained_models_survive(case: Case, tmp_path: pathlib.Path) -> None:
    assert_survives_save_and_load(case.make(), tmp_path)
    assert save_and_load(case.make(), tmp_path, case.env(1)).learn(30).num_timesteps >= 30
