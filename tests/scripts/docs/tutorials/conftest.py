from pathlib import Path

import pytest
from tutorial_samples import ROOT, SYSTEMS, agent, q_lines, write


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "tutorial_systems.yml").write_text(SYSTEMS)
    (tmp_path / "tutorial_systems.md.j2").write_bytes((ROOT / "docs" / "tutorial_systems.md.j2").read_bytes())
    write(tmp_path / "results" / "CartPole-v1_ppo" / "results.csv", [agent(seed, seed) for seed in (1, 2, 3, 40)])
    write(tmp_path / "results" / "AdSpend-v0" / "results.csv", [agent(seed, 0.1, 50.0) for seed in (7, 8)])
    baseline = {
        "environment": "CartPole-v1",
        "policy": "at random",
        "mean_return": 22.25,
        "std_return": 1,
        "episodes": 5,
    }
    write(tmp_path / "results" / "tutorial_baselines.csv", [baseline, {**baseline, "environment": "Other-v0"}])
    lines = q_lines("exact", "", [1, 2, 3]) + q_lines("learned", 0, [1, 5, 3]) + q_lines("learned", 1, [5, 1, 3])
    write(tmp_path / "results" / "three_state_mdp.csv", lines)
    return tmp_path
