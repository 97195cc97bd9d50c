"""``sb3-ext train --optimize``, and trainings with what it found."""

import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER

import sb3_ext
from sb3_ext.cli import main
from sb3_ext.zoo import search
from sb3_ext.zoo.storage import open_storage

ErrorLine = Callable[..., str]

STUDY = ("--storage", "study.log", "--study-name", "s")
TRAIN = ("train", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "-n", "60", "--eval-freq", "-1", "--seed", "0", *STUDY)
SEARCH = (*TRAIN, "--optimize", "--n-evaluations", "1", "--eval-episodes", "1", "--no-optim-plots", "--n-trials")


@pytest.fixture(autouse=True)
def temporary(workdir: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, where SB3 would leave its own."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("SB3_LOGDIR")
    return folder


@pytest.fixture(autouse=True)
def _without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna's report needs pandas, an optional dependency; the search itself does not."""

    class Report:
        def to_csv(self, path: str) -> None:
            Path(path).touch()

    monkeypatch.setattr(optuna.Study, "trials_dataframe", lambda self: Report())


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the trials of a search do something first, one after the other, those after them nothing more."""

    def first_do(*actions: Callable[[], object] | None) -> None:
        learn, todo = sb3_ext.DDPG.learn, list(actions)

        def do_and_learn(self: sb3_ext.DDPG, *args: object, **kwargs: object) -> object:
            action = todo.pop(0) if todo else None
            if action is not None:
                action()
            return learn(self, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(sb3_ext.DDPG, "learn", do_and_learn)

    return first_do


def fail(error: Exception) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


def study() -> optuna.Study:
    return optuna.load_study(study_name="s", storage=open_storage("study.log"))


def reports(workdir: Path) -> list[Path]:
    return list((workdir / "logs" / "ddpg_ext").glob("report_*.csv"))


def test_goes_on_with_other_parameters_and_trains_the_best_trial(
    workdir: Path, temporary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main([*SEARCH, "1"]) == 0
    assert "Number of finished trials:  2" in capfd.readouterr().out
    first, second = study().trials
    assert first.params.keys() == second.params.keys()
    assert first.params != second.params
    assert not list((workdir / "logs" / "ddpg_ext").glob("Pendulum-v1_*"))

    def trained(run: int) -> dict[str, object]:
        config = workdir / "logs" / "ddpg_ext" / f"Pendulum-v1_{run}" / "Pendulum-v1" / "config.yml"
        block = dict(yaml.load(config.read_text(), Loader=yaml.UnsafeLoader))
        return {**block, "policy_kwargs": eval(block["policy_kwargs"], {"dict": dict})}  # as the zoo does

    for run, arguments in enumerate(([], ["--trial-id", "0"], ["--trial-id", "1"]), 1):
        assert main([*TRAIN, *arguments]) == 0
        trial = study().best_trial if run == 1 else study().trials[run - 2]
        assert f"Hyperparameters of trial {trial.number} of study 's'" in capfd.readouterr().out
        expected = HYPERPARAMS_CONVERTER["ddpg_ext"](trial.params)
        assert {name: trained(run)[name] for name in expected} == expected
    assert not list(temporary.glob("SB3-*"))


def test_what_there_is_not(error_line: ErrorLine) -> None:
    assert "there is no trial of study 's'" in error_line(*TRAIN, code=1)
    optuna.create_study(study_name="s", storage=open_storage("study.log"))
    assert "there is no complete trial of study 's'" in error_line(*TRAIN, code=1)
    assert "there is no trial 0 of study 's'" in error_line(*TRAIN, "--trial-id", "0", code=1)


def test_failed_trials_are_told_and_the_search_goes_on(
    workdir: Path, trials: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    trials(fail(RuntimeError("a bug")), fail(ValueError("a bad value")), fail(RuntimeError("a bug")))
    assert main([*SEARCH, "4"]) == 0
    told = "3 failed: RuntimeError: a bug (trial 0, 2); ValueError: a bad value (trial 1)"
    assert told in capfd.readouterr().out.splitlines()
    assert [trial.state.name for trial in study().trials] == ["FAIL", "PRUNED", "FAIL", "COMPLETE"]
    assert study().trials[1].user_attrs["failure"] == "ValueError: a bad value"
    assert len(reports(workdir)) == 1


def test_a_search_whose_trials_all_fail_ends(
    workdir: Path, trials: Callable[..., None], error_line: ErrorLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_MOST_FAILURES_IN_A_ROW", 2)
    bug = fail(RuntimeError("a bug"))
    trials(bug, bug, None, bug, bug)
    assert "no trial was completed; 2 failed: RuntimeError: a bug (trial 0, 1)" in error_line(*SEARCH, "5", code=1)
    assert not reports(workdir)
    assert main([*SEARCH, "1"]) == 0
    assert "no trial of this command was completed; 2 failed: Runtime" in error_line(*SEARCH, "5", code=1)
    assert len(reports(workdir)) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_search_writes_its_report(
    workdir: Path, trials: Callable[..., None], number: signal.Signals, code: int
) -> None:
    handler = signal.getsignal(number)
    trials(None, lambda: signal.raise_signal(number))
    assert main([*SEARCH, "3"]) == code
    assert [trial.state.name for trial in study().trials] == ["COMPLETE", "FAIL"]
    assert len(reports(workdir)) == 1
    assert signal.getsignal(number) is handler
