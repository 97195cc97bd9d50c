import re
from pathlib import Path

import pytest
import yaml
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
from rl_zoo3.utils import ALGOS
from stable_baselines3 import DDPG as UpstreamDDPG

import sb3_ext
from sb3_ext.cli import main
from sb3_ext.zoo import registry as zoo

KEYS = list(zoo.ALGORITHMS)
HYPERPARAMS = Path(__file__).parents[2] / "hyperparams"
OFF_POLICY = ("ddpg_ext", "dqn", "dueling_dqn", "qrdqn", "sac", "td3", "tqc")


def off_policy_blocks() -> list[tuple[str, str, str]]:
    """Algorithm, environment and file of every block with a replay buffer, those of the tutorials too."""
    files = {str(HYPERPARAMS / f"{algo}.yml"): algo for algo in OFF_POLICY}
    for path in HYPERPARAMS.glob("tutorials/*.yml"):
        command = re.match(r"# sb3-ext train --algo (\w+) ", path.read_text())
        assert command is not None, f"{path} has no command in its first line"
        files[str(path)] = command[1]
    return [
        (algo, "PongNoFrameskip-v4" if name == "atari" else name, file)
        for file, algo in sorted(files.items())
        if algo in OFF_POLICY
        for name in yaml.safe_load(Path(file).read_text())
        if name != "default"
    ]


def test_register_adds_our_keys_and_leaves_upstream_ones_alone() -> None:
    before = {key: value for key, value in ALGOS.items() if key not in KEYS}
    zoo.register()
    zoo.register()
    assert ALGOS["ddpg_ext"] is sb3_ext.DDPG
    assert ALGOS["ddpg"] is UpstreamDDPG
    assert {key: value for key, value in ALGOS.items() if key not in KEYS} == before
    for key in KEYS:
        assert callable(HYPERPARAMS_SAMPLER[key])
        assert callable(HYPERPARAMS_CONVERTER[key])


def test_register_refuses_a_taken_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(zoo.ALGORITHMS, "ddpg", zoo.ALGORITHMS["ddpg_ext"])
    with pytest.raises(RuntimeError, match="'ddpg' already stands for"):
        zoo.register()
    assert ALGOS["ddpg"] is UpstreamDDPG


@pytest.mark.parametrize("key", KEYS)
def test_every_algorithm_ships_hyperparameters_the_zoo_can_read(key: str) -> None:
    path = zoo.hyperparams_file(key)
    assert path is not None
    blocks = yaml.safe_load(path.read_text())
    assert "default" in blocks
    for name, block in blocks.items():
        assert block["n_timesteps"] > 0, name
        assert "policy" in block, name


@pytest.mark.parametrize(("algo", "env_id", "file"), off_policy_blocks())
def test_every_block_with_a_replay_buffer_trains(algo: str, env_id: str, file: str, workdir: Path) -> None:
    if env_id.startswith("LunarLander"):
        pytest.importorskip("Box2D")
    early = ["-params", "learning_starts:8", "batch_size:4"]
    if algo in KEYS:
        early.append("compile:False")
    command = ["train", "--algo", algo, "--env", env_id, "--conf-file", file, "--seed", "0", "-n", "40", *early]
    assert main([*command, "--eval-freq", "-1", "--verbose", "0"]) == 0
    model = ALGOS[algo].load(workdir / "logs" / algo / f"{env_id}_1" / f"{env_id}.zip", buffer_size=1)
    assert model._n_updates > 0


def test_no_hyperparameters_for_an_unknown_key() -> None:
    assert zoo.hyperparams_file("no_such_algorithm") is None


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
