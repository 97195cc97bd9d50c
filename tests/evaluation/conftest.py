from pathlib import Path

import pytest

from sb3_ext.cli import main

HYPERPARAMS = """
AdSpend-v0:
  n_timesteps: 300
  policy: MlpPolicy
  learning_starts: 100
  batch_size: 16
  policy_kwargs: "dict(net_arch=[8])"
Pendulum-v1:
  n_timesteps: 400
  policy: MlpPolicy
  n_steps: 50
  batch_size: 50
  n_epochs: 1
  normalize: true
  policy_kwargs: "dict(net_arch=[8])"
"""


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log folder of the zoo: two runs on AdSpend-v0, one of them evaluated while training, and one on Pendulum-v1."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yml").write_text(HYPERPARAMS)

    def train(algo: str, env_id: str, seed: int, *more: str) -> None:
        arguments = ["train", "--algo", algo, "--env", env_id, "--seed", str(seed), "-f", str(folder / "logs")]
        assert main([*arguments, "--conf-file", str(folder / "tiny.yml"), "--verbose", "0", *more]) == 0

    train("ddpg_ext", "AdSpend-v0", 7, "--eval-freq", "100", "--eval-episodes", "1")
    train("ddpg_ext", "AdSpend-v0", 8, "--eval-freq", "-1")
    train("ppo", "Pendulum-v1", 9, "--eval-freq", "-1")
    return folder / "logs"
