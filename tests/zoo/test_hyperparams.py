from pathlib import Path

import pytest

from sb3_ext.cli import main
from sb3_ext.zoo import hyperparams as zoo


def test_no_hyperparameters_for_an_unknown_key() -> None:
    assert zoo.hyperparams_file("no_such_algorithm") is None


def test_shipped_files_are_found_by_name_from_anywhere(workdir: Path) -> None:
    name = "hyperparams/tutorials/q_learning_bonus.yml"
    found = Path(zoo.named_file(name))
    assert found.is_absolute() and found.read_text().startswith("# sb3-ext train")
    for unknown in ("hyperparams/nothing.yml", "other/q_learning.yml", "hyperparams/../pyproject.toml"):
        assert zoo.named_file(unknown) == unknown
    (workdir / name).parent.mkdir(parents=True)
    (workdir / name).write_text("{}")
    assert zoo.named_file(name) == name
    train = ["train", "--algo", "q_learning", "--env", "ThreeStateMDP-v0", "-n", "50", "--verbose", "0"]
    (workdir / name).unlink()
    assert main([*train, "--conf-file", name, "--eval-freq", "-1"]) == 0


class TestDefaultHyperparamsFile:
    """Ours first, upstream's where only upstream's knows the environment."""

    @pytest.fixture
    def ours(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        path = tmp_path / "ours.yml"
        monkeypatch.setattr(zoo, "hyperparams_file", lambda algo: path)
        return path

    def test_without_a_file_of_ours(self) -> None:
        assert zoo.default_hyperparams_file("sac", "Pendulum-v1") == zoo.upstream_hyperparams_file("sac")

    def test_our_algorithm(self) -> None:
        assert zoo.default_hyperparams_file("ddpg_ext", "CartPole-v1") == zoo.hyperparams_file("ddpg_ext")

    def test_our_block_wins(self, ours: Path) -> None:
        ours.write_text("Pendulum-v1: {n_timesteps: 1}")
        assert zoo.default_hyperparams_file("ddpg", "Pendulum-v1") == ours

    def test_upstream_block_wins_over_our_default(self, ours: Path) -> None:
        ours.write_text("default: {n_timesteps: 1}")
        assert zoo.default_hyperparams_file("ddpg", "Pendulum-v1") == zoo.upstream_hyperparams_file("ddpg")

    def test_our_default_for_an_environment_upstream_does_not_know(self, ours: Path) -> None:
        ours.write_text("default: {n_timesteps: 1}")
        assert zoo.default_hyperparams_file("ddpg", "AdSpend-v0") == ours

    def test_upstream_where_we_have_nothing(self, ours: Path) -> None:
        ours.write_text("CartPole-v1: {n_timesteps: 1}")
        assert zoo.default_hyperparams_file("ddpg", "AdSpend-v0") == zoo.upstream_hyperparams_file("ddpg")


@pytest.mark.parametrize(
    ("names", "env_id", "expected"),
    [
        (["default", "Pendulum-v1"], "Pendulum-v1", "Pendulum-v1"),
        (["default", "atari"], "Pendulum-v1", "default"),
        (["default", "atari"], "ALE/Pong-v5", "atari"),
        (["default"], "ALE/Pong-v5", None),
        (["atari"], "Pendulum-v1", None),
    ],
)
def test_block_of_an_environment(names: list[str], env_id: str, expected: str | None) -> None:
    import rl_zoo3.import_envs  # noqa: F401

    assert zoo.find_block({name: {} for name in names}, env_id) == expected
