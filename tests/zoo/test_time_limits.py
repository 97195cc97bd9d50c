"""Whoever trains where nothing ends an episode is told."""

from pathlib import Path

import pytest

from sb3_ext.cli import main


@pytest.mark.parametrize(
    ("env_id", "arguments", "warns"),
    [
        ("CliffWalking-v1", [], True),
        ("CliffWalking-v1", ["--env-kwargs", "max_episode_steps:9"], False),
        ("CliffWalking-v1", ["-params", "env_kwargs:{'max_episode_steps': 9}"], False),
        ("ThreeStateMDP-v0", [], False),
    ],
)
def test_environments_without_a_time_limit(
    env_id: str, arguments: list[str], warns: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "settings.yml").write_text("default: {n_timesteps: 5, policy: TablePolicy}\n")
    train = ["train", "--algo", "q_learning", "--env", env_id, "--conf-file", str(tmp_path / "settings.yml")]
    assert main([*train, *arguments, "--eval-freq", "-1", "--verbose", "0", "-f", str(tmp_path / "logs")]) == 0
    assert (f"warning: {env_id} has no time limit" in capsys.readouterr().err) == warns
