"""Searches on real servers: PostgreSQL, a Ray cluster of two nodes, Optuna's gRPC proxy."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from services import TwoNodeRay, free_port, postgres_server

from sb3_ext.app.errors import UserError
from sb3_ext.app.ray import RayOptions, ray_connection, room
from sb3_ext.cli import main
from sb3_ext.tuning import distributed
from sb3_ext.tuning.distributed import run_tasks
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.study import claim_study, open_study
from sb3_ext.tuning.trials import states
from sb3_ext.zoo.storage import loss_explained, open_storage

pytestmark = pytest.mark.xdist_group("servers")


SMALL = ("--algo", "q_learning", "--env", "ThreeStateMDP-v0", "-n", "2000", "--seeds-per-trial", "1")
QUICK = (*SMALL, "--n-trials", "3", "--n-evaluations", "1", "--eval-episodes", "1", "--fresh-seeds", "0")


# The first trial runs through, the others wait within for a file: longer than the worker of a dead node lives.
WAITING_SPACE = """
import os, time

def sample_params(trial, n_actions, n_envs, additional_args):
    learning_rate = trial.suggest_float("learning_rate", 0.01, 0.5)
    while trial.number > 0 and not os.path.exists({go!r}):
        time.sleep(0.05)
    return {{"learning_rate": learning_rate}}
"""


def a_search(storage: str, name: str, search_space: str | None = None) -> TuningSpec:
    block = {"policy": "TablePolicy", "n_timesteps": 2_000}
    few = {"n_trials": 4, "seeds_per_trial": 1, "n_evaluations": 2, "eval_episodes": 1}
    given = {"search_space": search_space, "pruner": "none", **few}
    return TuningSpec("q_learning", "ThreeStateMDP-v0", block, storage, name, **given)


def finished(study: optuna.Study) -> dict[int, float | None]:
    return {trial.number: trial.value for trial in states(study)["complete"]}


def test_study_completes_when_a_node_dies(postgres_url: str, two_nodes: TwoNodeRay, tmp_path: Path) -> None:
    space, go = tmp_path / "space.py", tmp_path / "go"
    space.write_text(WAITING_SPACE.format(go=str(go)))
    spec = a_search(postgres_url, "dying", str(space))
    study = open_study(spec)
    spec = claim_study(spec, study, "")
    before_death: dict[int, float | None] = {}

    def kill_a_node(study: optuna.Study) -> None:
        busy = [trial for trial in states(study)["running"] if trial.params]
        if len(busy) == 2 and finished(study) and not before_death:
            before_death.update(finished(study))
            two_nodes.kill_second_node()
        elif before_death and states(study)["fail"]:
            go.touch()

    options = RayOptions(two_nodes.address)
    with ray_connection(options):
        assert room(options) == 2
        run_tasks(spec, study, 2, kill_a_node, options)
    two_nodes.add_node()

    after = finished(study)
    assert before_death.items() < after.items()
    assert len(after) == spec.n_trials
    by_state = states(study)
    assert not by_state["running"]
    assert not by_state["waiting"]
    (lost,) = by_state["fail"]
    assert "its worker died" in lost.user_attrs["failure"]
    (again,) = [trial for trial in by_state["complete"] if trial.params == lost.params]
    assert "failure" not in again.user_attrs


@pytest.mark.usefixtures("workdir")
def test_laptop_starts_its_own_ray(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--ray-address", "local", "--n-workers", "1", "--study-name", "s", "--storage", "study.log"]
    assert main(["tune", *QUICK, *arguments]) == 0
    assert "1 worker on Ray" in capsys.readouterr().out
    study = optuna.load_study(study_name="s", storage=open_storage("study.log"))
    assert len(finished(study)) == 3
    assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "FAIL"}
    assert Path("tune/s/best.yml").is_file()


@contextlib.contextmanager
def storage_server(database: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "sb3_ext", "storage-server", "--storage", database, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.endswith(f"at grpc://127.0.0.1:{port}; Ctrl-C ends it\n")
        assert "a-secret" not in line
        try:
            yield f"grpc://127.0.0.1:{port}"
            assert server.poll() is None
        finally:
            # Not SIGINT, which a shell lets its background jobs ignore
            server.terminate()


@pytest.mark.usefixtures("workdir")
def test_cluster_shares_a_database_through_the_proxy(
    postgres_url: str, two_nodes: TwoNodeRay, error_line: Callable[..., str]
) -> None:
    with storage_server(postgres_url) as proxy:
        arguments = ["--ray-address", two_nodes.address, "--storage", proxy, "--study-name", "proxied"]
        assert main(["tune", *QUICK, *arguments]) == 0
        port = proxy.rpartition(":")[2]
        assert "cannot listen" in error_line("storage-server", "--storage", postgres_url, "--port", port, code=1)
        through_proxy = open_study(a_search(proxy, "proxied"))

    study = optuna.load_study(study_name="proxied", storage=postgres_url)
    assert len(finished(study)) == 3
    assert not states(study)["running"]

    with pytest.raises(UserError, match=f"--storage: lost '{proxy}': .*; the same command"), loss_explained(proxy):
        through_proxy.enqueue_trial({})


@pytest.mark.usefixtures("workdir")
@pytest.mark.parametrize("scheme", ["postgresql+psycopg://sb3:a-secret@127.0.0.1:{}/sb3", "grpc://127.0.0.1:{}"])
def test_unreachable_storage(scheme: str, error_line: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sb3_ext.zoo.storage._CONNECT_SECONDS", 2)
    storage = scheme.format(free_port())
    commands = ["tune"] if storage.startswith("grpc") else ["tune", "storage-server"]
    for command in commands:
        arguments = QUICK if command == "tune" else ("--port", str(free_port()))
        line = error_line(command, *arguments, "--storage", storage, code=1)
        assert "cannot open" in line
        assert "a-secret" not in line


def test_lost_database() -> None:
    with postgres_server() as url:
        study = open_study(a_search(url, "lost"))
    with pytest.raises(UserError, match=r"--storage: lost .*; the same command") as raised, loss_explained(url):
        study.enqueue_trial({})
    assert "a-secret" not in str(raised.value)
    assert "exceeding" not in str(raised.value)


@pytest.mark.usefixtures("workdir")
def test_unreachable_ray_leaves_the_study_usable(error_line: Callable[..., str]) -> None:
    address = f"127.0.0.1:{free_port()}"
    line = error_line("tune", *QUICK, "--ray-address", address, "--storage", "study.log", "--study-name", "s", code=1)
    assert f"cannot connect to Ray at {address}" in line
    assert not optuna.load_study(study_name="s", storage=open_storage("study.log")).trials


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tune", *QUICK, "--gpus-per-worker", "1"), "give --ray-address"),
        (("tune", *QUICK, "--ray-address", "local", "--cpus-per-worker", "0"), "a positive number"),
        (("tune", *QUICK, "--ray-address", "local", "--cpus-per-worker", "-1"), "no number of CPUs"),
        (("storage-server", "--storage", "study.log"), "is no database"),
        (("storage-server", "--storage", "grpc://127.0.0.1:1"), "is no database"),
    ],
)
@pytest.mark.usefixtures("workdir")
def test_wrong_arguments(arguments: tuple[str, ...], message: str, error_line: Callable[..., str]) -> None:
    assert message in error_line(*arguments, code=2)


@pytest.mark.parametrize("storage", ["study.log", "sqlite:///study.db", "postgresql://sb3@localhost/sb3"])
def test_several_machines_cannot_share_what_is_of_one(storage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # A second machine is more than a test can have.
    monkeypatch.setattr(distributed, "spans_machines", lambda: True)
    study = optuna.create_study()
    with pytest.raises(UserError, match=r"--storage: .*other machines"):
        run_tasks(a_search(storage, "s"), study, 1, lambda _: None, RayOptions("local"))


def test_workers_find_a_file_from_another_folder(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "spans_machines", lambda: False)
    assert distributed._shared(a_search("study.log", "s")).storage == os.path.join(workdir, "study.log")
    assert distributed._shared(a_search("sqlite:///a/b.db", "s")).storage == f"sqlite:///{workdir}/a/b.db"
