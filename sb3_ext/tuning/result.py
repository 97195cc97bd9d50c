"""What a finished search tells: the best block, the comparison as a table, and the result in a sentence."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class SearchResult:
    """A finished search."""

    spec: TuningSpec
    study: Study
    comparison: Study
    """The study of the trainings on fresh seeds."""
    candidates: Sequence[Candidate]
    """The best first."""
    command: str
    """As the user typed it."""

    @property
    def best(self) -> Candidate:
        """What did best on fresh seeds, or in the search if there were none."""
        return self.candidates[0]

    @property
    def current(self) -> Candidate:
        """The block that the search started from."""
        return next(candidate for candidate in self.candidates if candidate.number == CURRENT)

    @property
    def num_threads(self) -> int:
        """Threads of PyTorch that the best trial was trained with: the search may have been resumed with others."""
        if self.best is self.current:
            return self.spec.num_threads
        attrs = self.study.get_trials(deepcopy=False)[self.best.number].user_attrs
        return int(attrs.get("num_threads", self.spec.num_threads))

    @property
    def best_block(self) -> str:
        """The best candidate as a YAML block of a hyperparameter file, with where it comes from."""
        spec, best = self.spec, self.best
        where = f"study {spec.study_name!r} in {shown(spec.storage)}"
        lines = [f"{PROVENANCE} {date.today().isoformat()}: {best.name} of {where}", f"  {self.command}"]
        if best is self.current:
            lines.append(
                "  No trial did better on fresh seeds than the block that the search started from: this is it."
            )
        else:
            seeds = seeds_text(spec.training_seeds)
            lines.append(f"  search: {best.search_score:.6g} with {seeds}, mean over the last quarter of training")
            fingerprint = self.study.get_trials(deepcopy=False)[best.number].user_attrs["fingerprints"][0]
            lines.append(f"  weights with seed {spec.seed}: {fingerprint} (--num-threads {self.num_threads})")
        if spec.fresh_seeds:
            low, high = best.interval
            lines.append(
                f"  fresh {seeds_text(spec.fresh_training_seeds)}: IQM {best.middle:.6g} (95 % interval {low:.6g} to"
                f" {high:.6g}), worst {best.worst:.6g}"
            )
        lines.append(f"  {versions_text(versions())}")
        return block_text(spec.env_id, {**spec.block, **best.settings}, lines)

    @property
    def table(self) -> Table:
        """The comparison with a row per candidate, or the best trials if nothing was compared."""
        if not self.spec.fresh_seeds:
            trials = [candidate for candidate in self.candidates if candidate is not self.current]
            rows = [Row([trial.name, _number(trial.search_score)]) for trial in trials]
            return Table("Best trials of the search", ["", "score in the search"], rows)
        title = (
            f"Trained again with fresh {seeds_text(self.spec.fresh_training_seeds)}, mean over the last quarter of "
            f"training, {COMPARISON_EPISODES} fresh episodes an evaluation"
        )
        columns = ["", "IQM", "95 % interval", "worst seed", "trained agent", "gain", "score in the search"]
        return Table(title, columns, [self._row(candidate) for candidate in self.candidates])

    def _row(self, candidate: Candidate) -> Row:
        finals = candidate.evaluations[np.isfinite(candidate.scores), -1]
        failed = len(candidate.scores) - len(candidate.finished)
        gain, low, high = candidate.gain_over(self.current)
        return Row(
            [
                candidate.name + (f" ({failed} of {len(candidate.scores)} failed)" if failed else ""),
                _number(candidate.middle),
                _interval(*candidate.interval),
                _number(candidate.worst),
                _number(float(iqm(finals)) if len(finals) else math.nan),
                "" if candidate is self.current else f"{_number(gain)} ({_interval(low, high)})",
                _number(candidate.search_score),
            ]
        )

    @property
    def lead(self) -> str:
        """What came out, in one to three sentences."""
        best, middle = self.best, _number(self.best.middle)
        if not self.spec.fresh_seeds:
            score = _number(best.search_score)
            return f"The best is {best.name}: {score} in the search. Fresh seeds would say more (--fresh-seeds)."
        if best is self.current:
            return f"No trial did better on fresh seeds than the block that the search started from ({middle})."
        gain, low, high = best.gain_over(self.current)
        if math.isnan(gain):
            return f"The best is {best.name}: {middle} on fresh seeds. Too few trainings finished to tell by how much."
        verdict = "" if low > 0.0 else ", which may be chance"
        return (
            f"The best is {best.name}: {middle} on fresh seeds, {_number(gain)} more than the block that the search"
            f" started from (95 % interval {_interval(low, high)}){verdict}. It was chosen among"
            f" {len(self.candidates)} by these seeds, so its own figure is a little too good."
        )


def train_command(spec: TuningSpec, num_threads: int) -> str:
    """The command that trains the best block as the first training of its trial."""
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
    """E.g. ``"seeds 0 to 2"``."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"


def _number(value: float) -> str:
    """With five digits; a dash if there is none."""
    return f"{value:.5g}" if math.isfinite(value) else "-"


def _interval(low: float, high: float) -> str:
    return f"{low:.5g} to {high:.5g}" if math.isfinite(low) and math.isfinite(high) else "-"
