import csv
import shutil
from pathlib import Path

import pytest
from tutorial_samples import ROOT, SYSTEMS, q_lines, write

from sb3_ext.cli import main

HYPERPARAMS = """
AdSpend-v0:
  n_timesteps: 400
  policy: MlpPolicy
  learning_starts: 100
  batch_size: 16
  policy_kwargs: "dict(net_arch=[8])"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with few results: PPO on CartPole-v1, and AdSpend-v0 of the one seed that is in `logs`."""
    docs = tmp_path / "repository" / "docs"
    (docs / "templates").mkdir(parents=True)
    (docs / "templates" / "tutorial_systems.yml").write_text(SYSTEMS)
    shutil.copy(ROOT / "docs" / "templates" / "tutorial_systems.md.j2", docs / "templates")
    results = ROOT / "docs" / "results"
    for folder in ("CartPole-v1_ppo", *(path.name for path in results.glob("CliffWalking-v1_*"))):
        shutil.copytree(results / folder, docs / "results" / folder)
    with (ROOT / "docs" / "results" / "AdSpend-v0" / "results.csv").open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["training_seed"] in ("", "7")]
    write(docs / "results" / "AdSpend-v0" / "results.csv", lines)
    shutil.copy(ROOT / "docs" / "results" / "tutorial_baselines.csv", docs / "results")
    lines = q_lines("exact", "", [1, 2, 3]) + q_lines("learned", 0, [1, 5, 3]) + q_lines("learned", 1, [5, 1, 3])
    write(docs / "results" / "three_state_mdp.csv", lines)
    (docs.parent / "scripts" / "docs").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "docs" / "rows.txt", docs.parent / "scripts" / "docs")
    return docs.parent


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log folder of the zoo: one run on AdSpend-v0."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yml").write_text(HYPERPARAMS)
    run = ["--algo", "ddpg_ext", "--env", "AdSpend-v0", "--seed", "7", "-f", str(folder / "logs")]
    settings = ["--conf-file", str(folder / "tiny.yml"), "--verbose", "0", "--eval-freq", "-1"]
    assert main(["train", *run, *settings]) == 0
    return folder / "logs"
