"""The model card of an agent: what it does, how well, and how it was made."""

from __future__ import annotations

import re
import shlex

import numpy as np
import yaml
from huggingface_sb3 import EnvironmentName

from sb3_ext.app.versions import versions_text
from sb3_ext.evaluation.report import tables
from sb3_ext.evaluation.runs import Run
from sb3_ext.evaluation.scores import Comparison, Score
from sb3_ext.evaluation.statistics import bootstrap_interval
from sb3_ext.zoo.storage import shown


def model_card(run: Run, comparison: Comparison, has_video: bool) -> str:
    """The card as Markdown, with the Hub's metadata in front."""
    from rl_zoo3.utils import ALGOS

    (score,) = comparison.runs
    algorithm, (low, high) = ALGOS[run.algo].__name__, interval_of(score)
    seeds = f"{score.first_evaluation_seed} to {score.first_evaluation_seed + score.episodes - 1}"
    lines = [
        "---",
        _metadata(algorithm, run.env_id, score).rstrip(),
        "---",
        "",
        f"# **{algorithm}** agent on **{run.env_id}**",
        "",
        f"A {algorithm} agent (`{run.algo}`) trained with `sb3-ext`, which runs"
        " [Stable-Baselines3](https://github.com/DLR-RM/stable-baselines3) and the"
        " [RL Zoo](https://github.com/DLR-RM/rl-baselines3-zoo).",
        "",
        *(['<video controls src="replay.mp4"></video>', ""] if has_video else []),
        f"Mean return {score.mean_return:,.3f}, 95 % interval {low:,.3f} to {high:,.3f} (bootstrap over"
        f" {score.episodes} episodes with the seeds {seeds}), standard deviation {score.std_return:,.3f}, worst episode"
        f" {score.worst_return:,.3f}. It is one training of {score.training_steps:,} steps"
        + ("" if run.training_seed is None else f", with seed {run.training_seed}")
        + ": other seeds may do better or worse.",
    ]
    for table in tables(comparison):
        lines += ["", table.markdown(), *(["", table.notes] if table.notes else [])]
    where = shlex.join(["--algo", run.algo, "--env", run.env_id, "-f", "logs"])
    lines += [
        "",
        "## Use it",
        "",
        "```bash",
        f"sb3-ext load_from_hub {where} -orga OWNER",
        f"sb3-ext enjoy {where}",
        f"sb3-ext evaluate {where}",
        "```",
        "",
        "The model is a zip file of Stable-Baselines3, which holds pickles: `sb3_ext.safe_load` and the commands above"
        " load it without running code in it.",
        "",
        "## Trained and measured with",
        "",
        _fenced("bash", f"{training_command(run)}\n{score.command}"),
        "",
        f"{versions_text(comparison.versions)}.",
        "",
        "## Hyperparameters",
        "",
        _fenced("yaml", plain_yaml({run.env_id: run.hyperparams}).rstrip()),
    ]
    return "\n".join(lines) + "\n"


def interval_of(score: Score) -> tuple[float, float]:
    """95 % bootstrap interval of the mean return over the episodes."""
    low, high = bootstrap_interval(np.array(score.returns), lambda returns: np.mean(returns, axis=-1))
    return float(low), float(high)


def training_command(run: Run) -> str:
    """The command as it was typed, or one that trains with the same settings."""
    saved = run.folder / EnvironmentName(run.env_id) / "command.txt"
    typed = re.search(r"(?:sb3-ext|sb3_ext\S*) (train .*)", saved.read_text("utf-8")) if saved.is_file() else None
    if typed:
        return f"sb3-ext {shown(typed[1])}"
    seed = [] if run.training_seed is None else ["--seed", str(run.training_seed)]
    return shlex.join(["sb3-ext", "train", "--algo", run.algo, "--env", run.env_id, "--conf-file", "config.yml", *seed])


def _metadata(algorithm: str, env_id: str, score: Score) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    result = EvalResult(
        task_type="reinforcement-learning",
        task_name="reinforcement-learning",
        dataset_type=env_id,
        dataset_name=env_id,
        metric_type="mean_reward",
        metric_name="mean_reward",
        metric_value=f"{score.mean_return:.2f} +/- {score.std_return:.2f}",
    )
    tags = [env_id, "deep-reinforcement-learning", "reinforcement-learning", "stable-baselines3", "sb3-ext"]
    data = ModelCardData(library_name="stable-baselines3", tags=tags, model_name=algorithm, eval_results=[result])
    return str(data.to_yaml())


def plain_yaml(content: object) -> str:
    """YAML that holds plain values and nothing to construct: other objects become their text."""
    return yaml.dump(content, Dumper=_PlainDumper, sort_keys=False, width=120)


class _PlainDumper(yaml.SafeDumper):
    """Writes objects that YAML does not know as text."""


_PlainDumper.add_multi_representer(dict, yaml.SafeDumper.represent_dict)
_PlainDumper.add_multi_representer(object, lambda dumper, value: dumper.represent_str(repr(value)))


def _fenced(language: str, text: str) -> str:
    """A block of code that nothing in the text can end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
