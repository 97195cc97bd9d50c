"""What a finished search tells: the best block, the comparison as a table, and the result in a sentence."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from datetime import date

import numpy as np
from optuna import Study

from sb3_ext.app.table import Row, Table
from sb3_ext.app.versions import versions, versions_text
from sb3_ext.evaluation.statistics import iqm
from sb3_ext.tuning.blocks import PROVENANCE, block_text
from sb3_ext.tuning.comparison import Candidate
from sb3_ext.tuning.objective import CURRENT
from sb3_ext.tuning.spec import COMPARISON_EPISODES, TuningSpec
from sb3_ext.zoo.storage import shown


def best_block(spec: TuningSpec, study: Study, found: Sequence[Candidate], command: str) -> str:
    """
    The best candidate as a block of a hyperparameter file, with where it comes from.

    :param spec: The search.
    :param study: Its study.
    :param found: The compared candidates, the best first.
    :param command: What the user typed.
    :return: YAML.
    """
    best = found[0]
    where = f"study {spec.study_name!r} in {shown(spec.storage)}"
    lines = [f"{PROVENANCE} {date.today().isoformat()}: {best.name} of {where}", f"  {command}"]
    if best.number == CURRENT:
        lines.append("  No trial did better on fresh seeds than the block that the search started from: this is it.")
    else:
        seeds = spec.training_seeds
        lines.append(
            f"  search: {best.search_score:.6g} with {seeds_text(seeds)}, mean over the last quarter of training"
        )
        fingerprint = study.get_trials(deepcopy=False)[best.number].user_attrs["fingerprints"][0]
        lines.append(f"  weights with seed {seeds[0]}: {fingerprint} (--num-threads {threads_of(spec, study, best)})")
    if spec.fresh_seeds:
        low, high = best.interval
        lines.append(
            f"  fresh {seeds_text(spec.fresh_training_seeds)}: IQM {best.middle:.6g} (95 % interval {low:.6g} to"
            f" {high:.6g}), worst {best.worst:.6g}"
        )
    lines.append(f"  {versions_text(versions())}")
    return block_text(spec.env_id, {**spec.block, **best.settings}, lines)


def comparison_table(spec: TuningSpec, found: Sequence[Candidate]) -> Table:
    """
    The comparison, or the search if there was none.

    :param spec: The search.
    :param found: The compared candidates, the best first.
    :return: A table with a row per candidate.
    """
    if not spec.fresh_seeds:
        rows = [Row([each.name, number_text(each.search_score)]) for each in found if each.number != CURRENT]
        return Table("Best trials of the search", ["", "score in the search"], rows)
    caption = (
        f"Trained again with fresh {seeds_text(spec.fresh_training_seeds)}, mean over the last quarter of training, "
        f"{COMPARISON_EPISODES} fresh episodes an evaluation"
    )
    titles = ["", "IQM", "95 % interval", "worst seed", "trained agent", "gain", "score in the search"]
    current = _current(found)
    rows = []
    for candidate in found:
        finals = candidate.finals[np.isfinite(candidate.finals)]
        failed = len(candidate.scores) - len(candidate.finished)
        gain, low, high = candidate.gain_over(current)
        cells = [
            candidate.name + (f" ({failed} of {len(candidate.scores)} failed)" if failed else ""),
            number_text(candidate.middle),
            _interval(*candidate.interval),
            number_text(candidate.worst),
            number_text(float(iqm(finals)) if len(finals) else math.nan),
            "" if candidate is current else f"{number_text(gain)} ({_interval(low, high)})",
            number_text(candidate.search_score),
        ]
        rows.append(Row(cells))
    return Table(caption, titles, rows)


def lead(spec: TuningSpec, found: Sequence[Candidate]) -> str:
    """
    What came out, in a few words.

    :param spec: The search.
    :param found: The compared candidates, the best first.
    :return: One to three sentences.
    """
    best = found[0]
    if not spec.fresh_seeds:
        score = number_text(best.search_score)
        return f"The best is {best.name}: {score} in the search. Fresh seeds would say more (--fresh-seeds)."
    current = _current(found)
    middle = number_text(best.middle)
    if best is current:
        return f"No trial did better on fresh seeds than the block that the search started from ({middle})."
    gain, low, high = best.gain_over(current)
    if math.isnan(gain):
        return f"The best is {best.name}: {middle} on fresh seeds. Too few trainings finished to tell by how much."
    verdict = "" if low > 0.0 else ", which may be chance"
    return (
        f"The best is {best.name}: {middle} on fresh seeds, {number_text(gain)} more than the block that the search"
        f" started from (95 % interval {_interval(low, high)}){verdict}. It was chosen among {len(found)} by these"
        " seeds, so its own figure is a little too good."
    )


def threads_of(spec: TuningSpec, study: Study, candidate: Candidate) -> int:
    """
    Threads of PyTorch that a candidate was trained with in the search, which may have been resumed with others.

    :param spec: The search.
    :param study: Its study.
    :param candidate: The candidate.
    :return: The number.
    """
    if candidate.number == CURRENT:
        return spec.num_threads
    attrs = study.get_trials(deepcopy=False)[candidate.number].user_attrs
    return int(attrs.get("num_threads", spec.num_threads))


def train_command(spec: TuningSpec, num_threads: int) -> str:
    """
    The command that trains the best block as the first training of its trial.

    :param spec: The search.
    :param num_threads: Threads of PyTorch of that training.
    :return: The command.
    """
    command = ["sb3-ext", "train", "--algo", spec.algo, "--env", spec.env_id, "--conf-file", "best.yml"]
    command += ["--seed", str(spec.seed), "--num-threads", str(num_threads)]
    if spec.vec_env != "dummy":
        command += ["--vec-env", spec.vec_env]
    if spec.device != "auto":
        command += ["--device", spec.device]
    if spec.gym_packages:
        command += ["--gym-packages", *spec.gym_packages]
    return shlex.join(command)


def seeds_text(seeds: range) -> str:
    """
    Name seeds.

    :param seeds: At least one.
    :return: E.g. ``"seeds 0 to 2"``.
    """
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"


def number_text(value: float) -> str:
    """
    A number with five digits.

    :param value: The number.
    :return: Its text, a dash if there is none.
    """
    return f"{value:.5g}" if math.isfinite(value) else "-"


def _interval(low: float, high: float) -> str:
    return f"{low:.5g} to {high:.5g}" if math.isfinite(low) and math.isfinite(high) else "-"


def _current(found: Sequence[Candidate]) -> Candidate:
    return next(candidate for candidate in found if candidate.number == CURRENT)
