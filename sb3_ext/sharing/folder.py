"""The files of a shared agent, as RL Zoo3 names them."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from huggingface_sb3 import EnvironmentName, ModelName

from sb3_ext.common.files import atomic_path
from sb3_ext.evaluation.runs import Run
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.sharing.card import interval_of, model_card, plain_yaml
from sb3_ext.zoo.storage import shown


def write_folder(run: Run, comparison: Comparison, folder: Path, has_video: bool) -> list[Path]:
    """Write all but the video, which the card shows if it is there; returns every file."""
    name = EnvironmentName(run.env_id)
    settings = run.folder / name
    copies = {
        ModelName(run.algo, name).filename: run.model_path,
        "args.yml": settings / "args.yml",
        "config.yml": settings / "config.yml",
        "vec_normalize.pkl": settings / "vecnormalize.pkl",
    }
    there = {copy: source for copy, source in copies.items() if source.is_file()}
    for copy, source in there.items():
        with atomic_path(folder / copy) as path:
            shutil.copyfile(source, path)
            if copy == "args.yml":
                path.write_text(shown(source.read_text(encoding="utf-8")), encoding="utf-8")
    with atomic_path(folder / "train_eval_metrics.zip") as path, zipfile.ZipFile(path, "w") as archive:
        for source in (*sorted(run.folder.glob("*.csv")), *run.folder.glob("evaluations.npz")):
            archive.write(source, source.name)
    texts = {
        "env_kwargs.yml": plain_yaml(run.env_kwargs),
        "results.json": json.dumps(_results(comparison), indent=1) + "\n",
        ".gitattributes": "*.mp4 filter=lfs diff=lfs merge=lfs -text\n*.zip filter=lfs diff=lfs merge=lfs -text\n",
        "README.md": model_card(run, comparison, has_video),
    }
    for file, text in texts.items():
        with atomic_path(folder / file) as path:
            path.write_text(text, encoding="utf-8")
    for stale in copies.keys() - there.keys() | (set() if has_video else {"replay.mp4"}):
        # It would belong to another agent.
        (folder / stale).unlink(missing_ok=True)
    return [
        folder / file for file in (*there, "train_eval_metrics.zip", *texts, *(["replay.mp4"] if has_video else []))
    ]


def _results(comparison: Comparison) -> dict[str, Any]:
    (score,) = comparison.runs
    low, high = interval_of(score)
    return {
        "mean_reward": score.mean_return,
        "std_reward": score.std_return,
        "mean_reward_interval": [low, high],
        "worst_reward": score.worst_return,
        "is_deterministic": score.deterministic,
        "n_eval_episodes": score.episodes,
        "first_evaluation_seed": score.first_evaluation_seed,
        "eval_datetime": datetime.now(timezone.utc).isoformat(),
    }
