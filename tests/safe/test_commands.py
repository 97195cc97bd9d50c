"""Commands that load agents run nothing of their files, unless told to, and refuse in one line what needs it."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import hostile
import pytest
import yaml
from stable_baselines3.common.vec_env import VecNormalize

from sb3_ext.cli import main

SETTINGS = "Pendulum-v1:\n  {n_timesteps: 60, policy: MlpPolicy, n_steps: 20, batch_size: 20, normalize: true}\n"
PLAY = {
    "enjoy": ("enjoy", "--no-render", "-n", "5"),
    "evaluate": ("evaluate", "-n", "1"),
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log folder with a run whose environment is normalized."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yml").write_text(SETTINGS)
    arguments = ["--algo", "ppo", "--env", "Pendulum-v1", "-f", str(folder / "logs"), "--eval-freq", "-1"]
    assert main(["train", *arguments, "--conf-file", str(folder / "tiny.yml"), "--verbose", "0"]) == 0
    return folder / "logs"


@pytest.fixture
def logs(trained: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(trained, tmp_path / "logs"))


def play(name: str, logs: Path) -> list[str]:
    command, *more = PLAY[name]
    return [command, "--algo", "ppo", "--env", "Pendulum-v1", "-f", str(logs), *more]


def with_code_in_model(run: Path, marker: Path) -> None:
    file = run / "Pendulum-v1.zip"
    file.write_bytes(hostile.with_data(file.read_bytes(), verbose=pickle.dumps(hostile.Touch(marker))))


def with_code_in_normalization(run: Path, marker: Path) -> None:
    (run / "Pendulum-v1" / "vecnormalize.pkl").write_bytes(pickle.dumps(hostile.Touch(marker)))


def with_code_in_settings(run: Path, marker: Path) -> None:
    (run / "Pendulum-v1" / "config.yml").write_text(f"normalize: !!python/object/apply:os.mkdir ['{marker}']\n")


def with_code_in_arguments(run: Path, marker: Path) -> None:
    file = run / "Pendulum-v1" / "args.yml"
    file.write_text(f"env_kwargs: !!python/object/apply:os.mkdir ['{marker}']\nseed: 1\n")


def with_text_to_evaluate(run: Path, marker: Path) -> None:
    (run / "Pendulum-v1" / "config.yml").write_text(
        f"normalize: \"dict(norm_obs=__import__('os').mkdir('{marker}'))\"\n"
    )


def with_a_wrapper_that_runs_a_command(run: Path, marker: Path) -> None:
    (run / "Pendulum-v1" / "config.yml").write_text(
        f"normalize: false\nenv_wrapper:\n  - pydoc.pipepager: {{cmd: 'mkdir {marker}'}}\n"
    )


CHANGES = [
    (with_code_in_model, "its 'verbose' makes an object with 'posix.mkdir'"),
    (with_code_in_normalization, "makes an object with 'posix.mkdir'"),
    (with_code_in_settings, "holds '!!python/object/apply:os.mkdir'"),
    (with_code_in_arguments, "holds '!!python/object/apply:os.mkdir'"),
    (with_text_to_evaluate, "which is no dictionary of plain values"),
    (with_a_wrapper_that_runs_a_command, "holds 'env_wrapper: pydoc.pipepager'"),
]


@pytest.mark.parametrize("name", PLAY)
@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_code_is_refused_in_one_line(
    name: str,
    change: Callable[[Path, Path], None],
    told: str,
    logs: Path,
    marker: Path,
    error_line: Callable[..., str],
) -> None:
    change(logs / "ppo" / "Pendulum-v1_1", marker)
    line = error_line(*play(name, logs), code=1)
    assert told in line
    assert line.count("--no-safe loads what needs code, if you trust it") == 1
    assert not marker.exists()


@pytest.mark.parametrize("name", PLAY)
def test_without_safety_it_runs(name: str, logs: Path, marker: Path) -> None:
    """Else the tests above could not fail."""
    for change, _ in CHANGES[:-1]:
        again = Path(shutil.copytree(logs, logs.with_name(change.__name__)))
        change(again / "ppo" / "Pendulum-v1_1", marker)
        try:
            main([*play(name, again), "--no-safe"])
        except Exception as error:
            assert change is not with_code_in_model, error
        assert marker.is_dir(), change
        marker.rmdir()


@pytest.mark.parametrize("name", PLAY)
def test_a_run_of_ones_own_plays_alike_with_and_without_safety(
    name: str, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loader, load = yaml.UnsafeLoader, VecNormalize.load
    shown = []
    for flags in ((), ("--safe",), ("--no-safe",)):
        assert main([*play(name, logs), *flags]) == 0
        lines = capsys.readouterr().out.splitlines()
        shown.append([line.replace(" ", "") for line in lines if "Loading" not in line and "s " not in line[-4:]])
    assert shown[0] == shown[1] == shown[2]
    assert (yaml.UnsafeLoader, VecNormalize.load) == (loader, load)


@pytest.mark.parametrize("command", ["enjoy", "evaluate", "plan", "record_video", "record_training", "benchmark"])
def test_help_says_what_runs_code(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--safe, --no-safe" in text
    assert "can run any code: only for files you trust" in text


def test_plan_refuses_code_in_its_model(
    model: bytes, marker: Path, tmp_path: Path, error_line: Callable[..., str]
) -> None:
    file = tmp_path / "agent.zip"
    file.write_bytes(hostile.with_data(model, observation_space=pickle.dumps(hostile.Touch(marker))))
    arguments = ["plan", "--market", "adstock", "--budget", "100000", "--periods", "28", "--algo", "dqn"]
    arguments += ["--model", str(file), "--output", str(tmp_path / "plan")]
    line = error_line(*arguments, code=1)
    assert "its 'observation_space' makes an object with 'posix.mkdir'" in line
    assert "--no-safe loads what needs code, if you trust it" in line
    assert not marker.exists()
    error_line(*arguments, "--no-safe", code=2)
    assert marker.exists()
