"""Seeds repeat trainings, loaded models go on, and logs say what users of SB3 look for."""

import copy
import pathlib
from typing import Any

import pytest
from algorithm_battery import (
    Case,
    assert_equal_state,
    assert_seeded_runs_equal,
    logged_rows,
    save_and_load,
)
from cases import each, each_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


@each_of("seeded")
@pytest.mark.parametrize("n_envs", [1, 3])
def test_seeded_runs_equal(case: Case, options: dict[str, Any], n_envs: int) -> None:
    assert_seeded_runs_equal(lambda seed: case.build(copy.deepcopy(options), n_envs, seed=seed), case.steps)


@each_of("continued")
def test_training_continues_after_load_as_if_never_saved(
    case: Case, options: dict[str, Any], tmp_path: pathlib.Path
) -> None:
    def more(model: Any) -> dict[str, Any]:
        env = make_env(2)
        env.seed(1)
        model.set_env(env)
        model.set_random_seed(1)
        parameters: dict[str, Any] = model.learn(case.steps, reset_num_timesteps=False).get_parameters()
        return parameters

    make_env = options.get("env", case.env)
    model = case.build(options, 2).learn(case.steps)
    loaded = save_and_load(model, tmp_path, make_env(2))
    if hasattr(model, "replay_buffer"):
        model.save_replay_buffer(tmp_path / "buffer")
        loaded.load_replay_buffer(tmp_path / "buffer")
    before = model.num_timesteps
    assert_equal_state(more(model), more(loaded))
    assert model.num_timesteps == loaded.num_timesteps > before
    for name in case.state:
        assert getattr(loaded, name) == getattr(model, name)


@each()
@pytest.mark.parametrize("n_envs", [1, 3])
def test_the_number_of_environments_may_change_at_load(case: Case, n_envs: int, tmp_path: pathlib.Path) -> None:
    model = case.build({}, 4).learn(case.steps)
    assert save_and_load(model, tmp_path, case.env(n_envs)).learn(case.steps).num_timesteps >= case.steps


@each()
def test_log(case: Case, tmp_path: pathlib.Path) -> None:
    *_, last = logged_rows(case.build(case.log_options), tmp_path, case.steps, log_interval=1)
    for name in ("rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps", "time/time_elapsed", "time/total_timesteps"):
        assert last[name]
    for name, value in case.logged.items():
        assert last[name] if value is None else float(last[name]) == pytest.approx(value)


@each()
def test_runs_are_named_after_the_algorithm(
    case: Case, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = case.make(tensorboard_log=str(tmp_path))
    model.learn(1, progress_bar=True)
    model.learn(1, None, 1, "mine")
    captured = capsys.readouterr()
    assert "100%" in captured.out + captured.err
    assert {path.name for path in tmp_path.iterdir()} == {f"{case.algorithm.__name__}_1", "mine_1"}


@each()
def test_a_second_learn_goes_on_in_the_same_run(
    case: Case, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = case.make(tensorboard_log=str(tmp_path))
    for number in range(2):
        model.learn(case.steps, log_interval=1, reset_num_timesteps=number == 0, progress_bar=True)
        captured = capsys.readouterr()
        assert "100%" in captured.out + captured.err
    [run] = tmp_path.iterdir()
    steps: list[int] = []
    for file in sorted(run.iterdir(), key=lambda path: int(path.suffix[1:])):  # files of a process are numbered
        events = EventAccumulator(str(file))
        events.Reload()
        steps += [event.step for event in events.Scalars("time/fps")]
    assert steps == sorted(set(steps)) and case.steps < steps[-1] <= model.num_timesteps
