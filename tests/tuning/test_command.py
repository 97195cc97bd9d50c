"""The command line: a whole search, and what it leaves behind."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from folders import inside

from sb3_ext import DDPG
from sb3_ext.cli import main
from sb3_ext.tuning.training import fingerprint
from sb3_ext.zoo.storage import open_storage

ErrorLine = Callable[..., str]

CONF = """\
# My settings
Pendulum-v1:  # short
  n_timesteps: 240
  policy: MlpPolicy
  learning_starts: 100
  batch_size: 16
  noise_type: normal
  noise_std: 0.1
  policy_kwargs: "dict(net_arch=[16])"

# Another environment
MountainCarContinuous-v0:
  n_timesteps: 1000
  policy: MlpPolicy
"""
SPACE = """\
import numpy as np
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise

def sample_params(trial, n_actions, n_envs, additional_args):
    std = trial.suggest_float("noise_std", 0.01, 0.5)
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-6, 1e-2, log=True),
        "action_noise": OrnsteinUhlenbeckActionNoise(np.zeros(n_actions), std * np.ones(n_actions)),
        "policy_kwargs": {"net_arch": [trial.suggest_int("width", 8, 24)], "squash": "tanh"},
    }
"""
TUNE = ("tune", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "--conf-file", "conf.yml", "--search-space", "space.py")
SMALL = (
    "--n-evaluations",
    "4",
    "--eval-episodes",
    "1",
    "--seeds-per-trial",
    "2",
    "--n-workers",
    "2",
    "--num-threads",
    "1",
)
SEARCH = (*TUNE, *SMALL, "--n-trials", "4", "--top-k", "2", "--fresh-seeds", "2", "--write-back", "conf.yml")


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished search."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "conf.yml").write_text(CONF)
    (folder / "space.py").write_text(SPACE)
    with inside(folder):
        assert main(list(SEARCH)) == 0
    return folder


def study_in(folder: Path, name: str = "ddpg_ext_Pendulum-v1") -> optuna.Study:
    storage = open_storage(str(folder / "tune" / "ddpg_ext_Pendulum-v1.log"))
    return optuna.load_study(study_name=name, storage=storage)


def best_number(folder: Path) -> int:
    """Number of the trial that was written."""
    first = (folder / "tune" / "ddpg_ext_Pendulum-v1" / "best.yml").read_text().splitlines()[0]
    return int(first.partition(": trial ")[2].split()[0])


class TestSearch:
    def test_a_script_gets_one_document(self, search: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with inside(search):
            assert main([*SEARCH, "--json"]) == 0
        found = json.loads(capfd.readouterr().out)
        assert {trial["state"] for trial in found["trials"]} <= {"complete", "pruned", "fail"}
        names = [each["name"] for each in found["candidates"]]
        assert names[0] in (f"trial {best_number(search)}", "current block") and "current block" in names
        assert found["best_block"]["Pendulum-v1"]["policy"] == "MlpPolicy"
        assert found["train"].startswith("sb3-ext train --algo ddpg_ext")

    def test_trials_hold_what_they_did(self, search: Path) -> None:
        study = study_in(search)
        assert study.user_attrs["algo"] == "ddpg_ext"
        assert study.user_attrs["env"] == "Pendulum-v1"
        assert [trial.state.name for trial in study.trials].count("RUNNING") == 0
        complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
        assert len(complete) + sum(trial.state.name == "PRUNED" for trial in study.trials) == 4
        for trial in complete:
            curves = trial.user_attrs["evaluations"]
            assert [len(curve) for curve in curves] == [4, 4]
            # A quarter of four evaluations is the last one.
            assert trial.value == pytest.approx(sum(curve[-1] for curve in curves) / 2)
            settings = trial.user_attrs["settings"]
            assert settings["noise_type"] == "ornstein-uhlenbeck"
            assert settings["noise_std"] == trial.params["noise_std"]

    def test_the_written_block_trains_the_same_agent(self, search: Path, workdir: Path) -> None:
        trial = study_in(search).trials[best_number(search)]
        for index, conf in enumerate((search / "tune" / "ddpg_ext_Pendulum-v1" / "best.yml", search / "conf.yml")):
            seed = str(index)
            train = ["train", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "--conf-file", str(conf), "--seed", seed]
            # Its own evaluations must not matter.
            assert main([*train, "--eval-freq", "100", "--num-threads", "1"]) == 0
            model = DDPG.load(workdir / "logs" / "ddpg_ext" / f"Pendulum-v1_{index + 1}" / "Pendulum-v1.zip")
            assert fingerprint(model) == trial.user_attrs["fingerprints"][index]

    def test_a_trial_of_the_study_trains_the_same_agent(self, search: Path, workdir: Path) -> None:
        study = study_in(search)
        trial = next(trial for trial in study.trials if trial.state.name == "COMPLETE")
        (workdir / "conf.yml").write_text(CONF)
        train = ["train", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "--conf-file", "conf.yml", "--seed", "1"]
        storage = str(search / "tune" / "ddpg_ext_Pendulum-v1.log")
        which = ["--storage", storage, "--study-name", study.study_name, "--trial-id", str(trial.number)]
        assert main([*train, *which, "--eval-freq", "-1", "--num-threads", "1"]) == 0
        model = DDPG.load(workdir / "logs" / "ddpg_ext" / "Pendulum-v1_1" / "Pendulum-v1.zip")
        assert fingerprint(model) == trial.user_attrs["fingerprints"][1]

    def test_writes_the_block_back_and_nothing_else(self, search: Path) -> None:
        text = (search / "conf.yml").read_text()
        assert text.startswith("# My settings\n# Found by `sb3-ext tune` on ")
        assert text.endswith(CONF[CONF.index("\n# Another environment") :])
        assert yaml.safe_load(text)["Pendulum-v1"]["noise_type"] == "ornstein-uhlenbeck"

    def test_compares_on_seeds_and_episodes_of_their_own(self, search: Path) -> None:
        with (search / "tune" / "ddpg_ext_Pendulum-v1" / "fresh_seeds.csv").open() as file:
            records = list(csv.DictReader(file))
        assert {record["seed"] for record in records} == {"1000", "1001"}
        assert len(records) == 6
        assert "current block" in {record["candidate"] for record in records}
        assert all(record["score"] == record["evaluation_4"] for record in records)

    def test_the_best_is_the_best_on_fresh_seeds(self, search: Path) -> None:
        with (search / "tune" / "ddpg_ext_Pendulum-v1" / "fresh_seeds.csv").open() as file:
            scores: dict[str, list[float]] = {}
            for record in csv.DictReader(file):
                scores.setdefault(record["candidate"], []).append(float(record["score"]))
        best = max(scores, key=lambda name: sum(scores[name]))
        text = (search / "tune" / "ddpg_ext_Pendulum-v1" / "best.yml").read_text()
        assert f": {best} of study" in text.splitlines()[0]
        assert f"IQM {sum(scores[best]) / 2:.6g}" in text

    def test_agents_of_fresh_seeds_can_be_watched(self, search: Path) -> None:
        agents = search / "tune" / "ddpg_ext_Pendulum-v1" / "agents" / "current"
        enjoy = ["enjoy", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(agents), "--no-render"]
        assert main([*enjoy, "--exp-id", "2", "-n", "200"]) == 0

    def test_all_trials_are_in_the_csv(self, search: Path) -> None:
        with (search / "tune" / "ddpg_ext_Pendulum-v1" / "trials.csv").open() as file:
            records = list(csv.DictReader(file))
        assert [int(record["trial"]) for record in records] == list(range(len(study_in(search).trials)))
        assert all(float(record["param_learning_rate"]) > 0 for record in records if record["state"] == "complete")

    def test_report_has_the_result_and_pictures(self, search: Path) -> None:
        folder = search / "tune" / "ddpg_ext_Pendulum-v1"
        report = (folder / "report.md").read_text()
        for name in ("history.png", "learning_curves.png"):
            assert f"]({name})" in report
            assert (folder / name).read_bytes().startswith(b"\x89PNG")
        assert (folder / "best.yml").read_text().rstrip() in report

    def test_the_same_command_again_trains_nothing(self, search: Path, capfd: pytest.CaptureFixture[str]) -> None:
        before = (len(study_in(search).trials), len(study_in(search, "ddpg_ext_Pendulum-v1-fresh-seeds").trials))
        with inside(search):
            assert main(list(SEARCH)) == 0
        after = (len(study_in(search).trials), len(study_in(search, "ddpg_ext_Pendulum-v1-fresh-seeds").trials))
        assert after == before
        assert (search / "conf.yml").read_text().count("Found by `sb3-ext tune`") == 1
        assert "4 of 4 trials done" in capfd.readouterr().out

    def test_the_zoos_search_does_not_go_on_in_its_study(self, search: Path, error_line: ErrorLine) -> None:
        train = ("train", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "--conf-file", "conf.yml", "--optimize")
        storage = ("--storage", "tune/ddpg_ext_Pendulum-v1.log")
        before = len(study_in(search).trials)
        with inside(search):
            for name in ("ddpg_ext_Pendulum-v1", "ddpg_ext_Pendulum-v1-fresh-seeds"):
                line = error_line(*train, *storage, "--study-name", name, "--n-trials", "1", code=2)
                assert "is one of `sb3-ext tune`: give another --study-name" in line
            assert not Path("logs").exists()
        assert len(study_in(search).trials) == before

    def test_another_search_under_the_same_name_is_refused(self, search: Path, error_line: ErrorLine) -> None:
        storage = ("--storage", str(search / "tune" / "ddpg_ext_Pendulum-v1.log"))
        name = ("--study-name", "ddpg_ext_Pendulum-v1")
        with inside(search):
            line = error_line(*TUNE, *SMALL, *storage, *name, "-n", "77", code=2)
            assert "n_timesteps 240, not 77" in line
            line = error_line("tune", "--algo", "reinforce", "--env", "CartPole-v1", *SMALL, *storage, *name, code=2)
            assert "algo 'ddpg_ext', not 'reinforce'" in line
        assert len(study_in(search).trials) >= 4


def tune_process(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sb3_ext", *TUNE, *SMALL, *arguments]
    # A shell lets its background jobs ignore Ctrl-C, pytest among them, and they hand that on
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, preexec_fn=listen)


def until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(KeyError):
            if value := condition():
                return value
        time.sleep(0.2)
    raise AssertionError("nothing happened")


def running_workers(folder: Path) -> list[int]:
    if not (folder / "tune").is_dir():
        return []
    running = [trial for trial in study_in(folder).trials if trial.state.name == "RUNNING"]
    return [int(trial.user_attrs["worker"].split(":")[1]) for trial in running if "worker" in trial.user_attrs]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_a_killed_command_leaves_no_worker_and_can_be_resumed(workdir: Path) -> None:
    (workdir / "conf.yml").write_text(CONF)
    (workdir / "space.py").write_text(SPACE)
    search = ("--n-trials", "3", "--fresh-seeds", "0", "--pruner", "none", "-n", "400")
    process = tune_process(workdir, *search)
    try:
        pids = until(lambda: len(running_workers(workdir)) == 2 and running_workers(workdir))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not any(is_alive(pid) for pid in pids))
    killed = {trial.number: trial.params for trial in study_in(workdir).trials if trial.state.name == "RUNNING"}
    assert killed
    assert main([*TUNE, *SMALL, *search]) == 0
    trials = study_in(workdir).trials
    assert [trial.state.name for trial in trials].count("COMPLETE") == 3
    assert not [trial for trial in trials if trial.state.name in ("RUNNING", "WAITING")]
    finished = [trial.params for trial in trials if trial.state.name == "COMPLETE"]
    # They were started again with the parameters that had been drawn.
    assert all(any(params.items() <= other.items() for other in finished) for params in killed.values())


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_interrupted_command_leaves_no_running_trial(workdir: Path) -> None:
    (workdir / "conf.yml").write_text(CONF)
    (workdir / "space.py").write_text(SPACE)
    process = tune_process(workdir, "--n-trials", "50", "--fresh-seeds", "0")
    until(lambda: running_workers(workdir))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not [trial for trial in study_in(workdir).trials if trial.state.name == "RUNNING"]


class TestBadInput:
    def test_help_has_examples(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["tune", "--help"]) == 0
        out = capsys.readouterr().out
        assert "last quarter of training" in out
        assert "sb3-ext tune --algo ddpg_ext" in out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--sampler", "magic"), "unknown value 'magic'. Choose from tpe, gp, random"),
            (("--pruner", "media"), "Did you mean 'median'?"),
            (("--n-trials", "0"), "--n-trials is 0: give a number >= 1"),
            (("--n-workers", "0"), "--n-workers is 0"),
            (("--seeds-per-trial", "0"), "--seeds-per-trial is 0"),
            (("--fresh-seeds", "1"), "intervals need 2 or more"),
            (("--seed", "-1"), "--seed is -1"),
            (("--timeout", "0"), "--timeout is 0"),
            (("--storage", "study.db"), "neither a journal file (NAME.log) nor a URL"),
            (("--storage", "grpc://nowhere"), "give grpc://host:port"),
            (("--search-space", "missing.py"), "no Python file 'missing.py'"),
            (("--write-back", "missing.yml"), "no hyperparameter file 'missing.yml'"),
            (("--conf-file", "missing.yml"), "missing.yml"),
            (("-params", "learning_rate"), "NAME:VALUE"),
            (("-n", "-5"), "-n is -5"),
        ],
    )
    def test_one_line(self, workdir: Path, error_line: ErrorLine, arguments: tuple[str, ...], message: str) -> None:
        assert message in error_line("tune", "--algo", "q_learning", "--env", "ThreeStateMDP-v0", *arguments, code=2)
        assert not (workdir / "tune").exists()

    def test_a_file_that_cannot_take_the_winner_is_refused_before_the_search(
        self, workdir: Path, error_line: ErrorLine
    ) -> None:
        Path("broken.yml").write_text("A-v0: [1\n")
        arguments = ("--algo", "q_learning", "--env", "ThreeStateMDP-v0", "--write-back", "broken.yml")
        assert "--write-back: not valid YAML" in error_line("tune", *arguments, code=1)
        assert not (workdir / "tune").exists()

    def test_unknown_names(self, error_line: ErrorLine) -> None:
        assert "Did you mean 'ddpg_ext'?" in error_line("tune", "--algo", "ddpg_ex", "--env", "Pendulum-v1", code=2)
        assert "Did you mean 'Pendulum-v1'?" in error_line("tune", "--algo", "ddpg_ext", "--env", "Pendulun-v1", code=2)

    @pytest.mark.parametrize(
        ("storage", "said"),
        [
            ("grpc://127.0.0.1:9", "grpc://127.0.0.1:9"),
            ("sqlite:////proc/nowhere/study.db", "/proc/nowhere"),
            ("postgresql://me:secret@127.0.0.1:9/studies", "postgresql://me:***@127.0.0.1:9/studies"),
        ],
    )
    @pytest.mark.usefixtures("workdir")
    def test_unreachable_storage(
        self, error_line: ErrorLine, storage: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sb3_ext.zoo.storage._CONNECT_SECONDS", 1)
        line = error_line("tune", "--algo", "q_learning", "--env", "ThreeStateMDP-v0", "--storage", storage, code=1)
        assert said in line
        assert "secret" not in line

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x = 1", "defines no sample_params(trial, n_actions, n_envs, additional_args)"),
            ("import nowhere", "cannot run 'space.py': ModuleNotFoundError"),
            ("def sample_params(trial, n_actions, n_envs, more): return 3", "must return a dictionary"),
            ("def sample_params(trial, n_actions, n_envs, more): return {'gamma': object()}", "cannot hold it"),
            ("def sample_params(trial, n_actions, n_envs, more): return {'gamma': trial.nothing}", "has no attribute"),
        ],
    )
    def test_search_space_of_no_use(self, workdir: Path, error_line: ErrorLine, text: str, message: str) -> None:
        (workdir / "space.py").write_text(text)
        line = error_line(
            "tune", "--algo", "q_learning", "--env", "ThreeStateMDP-v0", "--search-space", "space.py", code=2
        )
        assert message in line

    def test_objective_that_always_fails(self, workdir: Path, error_line: ErrorLine) -> None:
        (workdir / "conf.yml").write_text(CONF)
        (workdir / "space.py").write_text(
            "def sample_params(trial, n_actions, n_envs, additional_args):\n"
            "    return {'gamma': trial.suggest_float('gamma', 2.0, 3.0), 'tau': float(GOOD)}\n"
            "GOOD = 0.01\n"
        )
        search = (*TUNE, *SMALL, "--n-trials", "9", "--fresh-seeds", "0", "--seeds-per-trial", "1")
        line = error_line(*search, code=1)
        assert "no trial succeeded, " in line
        assert "gamma=2." in line
        n_failed = len(study_in(workdir).trials)
        assert 5 <= n_failed <= 6
        # The cause removed, the study goes on.
        text = (workdir / "space.py").read_text().replace("'gamma', 2.0, 3.0", "'gamma', 0.9, 0.95")
        (workdir / "space.py").write_text(text)
        assert main([*search[: search.index("9")], "2", *search[search.index("9") + 1 :]]) == 0
        trials = study_in(workdir).trials
        assert [trial.state.name for trial in trials].count("FAIL") == n_failed
        assert all("failure" in trial.user_attrs for trial in trials[:n_failed])
