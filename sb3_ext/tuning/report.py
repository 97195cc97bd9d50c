"""The files of a finished search: the best block, a report, and all trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna import Study

from sb3_ext.app.records import write_records
from sb3_ext.app.table import Row, Table
from sb3_ext.common.files import atomic_path
from sb3_ext.tuning.result import SearchResult, seeds_text, train_command
from sb3_ext.tuning.trials import failures, is_of, pair_of, reason_of, states


def write_results(result: SearchResult, folder: Path) -> list[Path]:
    """Write everything that is known about a finished search, and say where."""
    block, trials, fresh, report = (
        folder / name for name in ("best.yml", "trials.csv", "fresh_seeds.csv", "report.md")
    )
    with atomic_path(block) as path:
        path.write_text(result.best_block, encoding="utf-8")
    write_records(_trial_records(result.study), trials)
    written = [block, trials]
    if result.spec.fresh_seeds:
        write_records(_fresh_records(result), fresh)
        written.append(fresh)
    pictures = _write_pictures(result, folder)
    with atomic_path(report) as path:
        path.write_text(markdown(result, pictures), encoding="utf-8")
    return [*written, report, *pictures.values()]


def document(result: SearchResult, written: Sequence[Path]) -> dict[str, Any]:
    """What the report tells, for a script: the trials, and the candidates with the best first."""
    spec = result.spec
    candidates = []
    for candidate in result.candidates:
        gain, low, high = candidate.gain_over(result.current)
        candidates.append(
            {
                "name": candidate.name,
                "settings": candidate.settings,
                "search_score": candidate.search_score,
                "fresh_scores": candidate.scores,
                "iqm": candidate.middle,
                "interval": candidate.interval,
                "worst": candidate.worst,
                "gain": None if candidate is result.current else gain,
                "gain_interval": None if candidate is result.current else (low, high),
            }
        )
    return {
        "algo": spec.algo,
        "environment": spec.env_id,
        "study": spec.study_name,
        "lead": result.lead,
        "candidates": candidates,
        "fresh_seeds": list(spec.fresh_training_seeds),
        "best_block": {spec.env_id: {**spec.block, **result.best.settings}},
        "train": train_command(spec, result.num_threads),
        "trials": _trial_records(result.study),
        "written": [str(path) for path in written],
    }


def _trial_records(study: Study) -> list[dict[str, Any]]:
    """One record per trial, all with the same names, unrounded."""
    trials = study.get_trials(deepcopy=False)
    params = sorted({name for trial in trials for name in trial.params})
    settings = sorted({name for trial in trials for name in trial.user_attrs.get("settings", {})})
    for_good = {trial.number for trial in failures(study)}
    records = []
    for trial in trials:
        evaluations = trial.user_attrs.get("evaluations", [])
        reason = trial.user_attrs.get("skipped", "")
        if trial.state.name == "FAIL" and not reason:
            reason = reason_of(trial) + ("" if trial.number in for_good else " (started again)")
        record: dict[str, Any] = {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            "score": trial.value if trial.state.name == "COMPLETE" else None,
            "evaluations": sum(map(len, evaluations)),
            "seconds": trial.duration and trial.duration.total_seconds(),
            "worker": trial.user_attrs.get("worker", ""),
            "reason": reason,
        }
        record |= {f"param_{name}": trial.params.get(name, "") for name in params}
        record |= {f"setting_{name}": trial.user_attrs.get("settings", {}).get(name, "") for name in settings}
        records.append(record)
    return records


def markdown(result: SearchResult, pictures: dict[str, Path]) -> str:
    """The report; pictures by their titles."""
    spec, by_state, failed = result.spec, states(result.study), failures(result.study)
    lines = [
        f"# {spec.algo} on {spec.env_id}",
        "",
        result.lead,
        "",
        f"{len(by_state['complete'])} trials finished, {len(by_state['pruned'])} were pruned, {len(failed)} failed."
        f" A trial trains {spec.n_timesteps:,} steps with {seeds_text(spec.training_seeds)}."
        " Its score is the mean over them of the evaluations in the last quarter of training."
        f" Sampler {spec.sampler}, pruner {spec.pruner}.",
        "",
        f"## {result.table.title}",
        "",
        result.table.markdown(),
        "",
        "## The best block",
        "",
        "```yaml",
        result.best_block.rstrip(),
        "```",
        "",
        "The same training again:",
        "",
        "```bash",
        train_command(spec, result.num_threads),
        "```",
    ]
    reasons = [Row([str(trial.number), reason_of(trial)]) for trial in failed]
    lacking = {
        (candidate.number, seed): f"{candidate.name}, fresh seed {seed}"
        for candidate in result.candidates
        for seed, score in zip(spec.fresh_training_seeds, candidate.scores, strict=True)
        if math.isnan(score)
    }
    fresh = {pair_of(trial): reason_of(trial) for trial in failures(result.comparison) if is_of(trial, result.study)}
    reasons += [Row([name, fresh[pair]]) for pair, name in lacking.items() if pair in fresh]
    if reasons:
        table = Table("What failed", ["trial", "reason"], reasons, words=frozenset({0, 1}))
        lines += ["", f"## {table.title}", "", table.markdown()]
    for title, path in pictures.items():
        lines += ["", f"## {title}", "", f"![{title}]({path.name})"]
    return "\n".join(lines) + "\n"


def _write_pictures(result: SearchResult, folder: Path) -> dict[str, Path]:
    """Draw what can be drawn; without matplotlib the report has no pictures."""
    try:
        from sb3_ext.tuning.figures import history_figure, importance_figure, learning_curves_figure
    except ImportError:
        return {}
    curves = learning_curves_figure(result.spec, result.candidates)
    figures = {
        "History": ("history.png", history_figure(result.study)),
        "Importance of the hyperparameters": ("importances.png", importance_figure(result.study)),
        "Learning curves on fresh seeds": ("learning_curves.png", curves),
    }
    written = {}
    for title, (name, figure) in figures.items():
        if figure is not None:
            written[title] = folder / name
            with atomic_path(folder / name) as path:
                figure.savefig(path, dpi=150)
    return written


def _fresh_records(result: SearchResult) -> list[dict[str, Any]]:
    return [
        {
            "candidate": candidate.name,
            "seed": seed,
            "score": score,
            "trained_agent": curve[-1],
            **{f"evaluation_{index + 1}": value for index, value in enumerate(curve)},
        }
        for candidate in result.candidates
        for seed, score, curve in zip(
            result.spec.fresh_training_seeds, candidate.scores, candidate.evaluations, strict=True
        )
    ]
