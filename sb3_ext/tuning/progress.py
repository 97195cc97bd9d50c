"""What a search shows while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime

from optuna import Study
from optuna.trial import FrozenTrial
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import failures, reason_of, states


class Progress:
    """A line for every trial that ends and, if asked for, a live display of what runs."""

    def __init__(self, spec: TuningSpec, study: Study, console: Console, live: bool) -> None:
        self._spec = spec
        self._console = console
        self._live = live
        self._shown = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        self._bars = Bars(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)
        self._total = self._bars.add_task("trials", total=None, note="")
        self._tasks: dict[int, TaskID] = {}

    @contextlib.contextmanager
    def running(self) -> Iterator[Progress]:
        """Show the bars for the duration of a block."""
        with self._bars if self._live else contextlib.nullcontext():
            yield self

    def __call__(self, study: Study) -> None:
        """Show what is new."""
        by_state = states(study)
        n_done, n_trials = self._counts(by_state)
        finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
        new = [trial for trial in finished if trial.number not in self._shown]
        for trial in sorted(new, key=lambda trial: trial.datetime_complete or datetime.max):
            self._shown.add(trial.number)
            if "skipped" not in trial.user_attrs:
                self._console.print(f"[{n_done}/{n_trials}] {self._line(trial)}")
        if self._live:
            self._draw(study, by_state, n_done, n_trials)

    def _counts(self, by_state: dict[str, list[FrozenTrial]]) -> tuple[int, int]:
        n_done = len(by_state["complete"]) + len(by_state["pruned"])
        if self._spec.stage == "compare":
            return n_done, n_done + len(by_state["waiting"]) + len(by_state["running"])
        return n_done, self._spec.n_trials

    def _line(self, trial: FrozenTrial) -> str:
        name = f"trial {trial.number}"
        if self._spec.stage == "compare" and trial.params:
            number, seed = trial.params.get("trial"), trial.params.get("seed")
            name = f"{'current block' if number == -1 else f'trial {number}'} with seed {seed}"
        if trial.state.name == "COMPLETE":
            return f"{name}: {trial.value:.6g}"
        if trial.state.name == "PRUNED":
            return f"{name}: pruned after {len(trial.intermediate_values)} of {self._n_steps} evaluations"
        return f"{name}: failed: {reason_of(trial)}"

    @property
    def _n_steps(self) -> int:
        return self._spec.n_evaluations * (self._spec.seeds_per_trial if self._spec.stage == "search" else 1)

    def _draw(self, study: Study, by_state: dict[str, list[FrozenTrial]], n_done: int, n_trials: int) -> None:
        note = f"{n_done} of {n_trials}"
        if by_state["complete"] and self._spec.stage == "search":
            best = max(by_state["complete"], key=lambda trial: trial.value or 0.0)
            note += f", best {best.value:.6g} (trial {best.number})"
        for name, count in (("pruned", len(by_state["pruned"])), ("failed", len(failures(study)))):
            note += f", {count} {name}" if count else ""
        self._bars.update(self._total, completed=n_done, total=n_trials, note=note)
        running = {trial.number: trial for trial in by_state["running"]}
        for number in self._tasks.keys() - running.keys():
            self._bars.remove_task(self._tasks.pop(number))
        for number, trial in running.items():
            if number not in self._tasks:
                self._tasks[number] = self._bars.add_task(f"  trial {number}", total=self._n_steps, note="")
            reported = trial.intermediate_values
            latest = f"{reported[max(reported)]:.6g}" if reported else ""
            self._bars.update(self._tasks[number], completed=len(reported), note=latest)
