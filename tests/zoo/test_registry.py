import re
from pathlib import Path

import pytest
import yaml
from rl_zoo3.hyperparams_opt import HYPERPARAMS_CONVERTER, HYPERPARAMS_SAMPLER
from rl_zoo3.utils import ALGOS
from stable_baselines3 import DDPG as UpstreamDDPG

import sb3_ext
from sb3_ext import zoo
from sb3_ext.cli import main

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
    assert "default" in blocks or key == "ppo_fast", "which has the blocks of ppo, and the zoo's where ours has none"
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
