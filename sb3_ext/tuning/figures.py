"""The pictures of a search. Importing this needs matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import optuna

from sb3_ext.common.charts import ACCENT, MUTED, money_axis, new_figure, style_axes
from sb3_ext.common.palette import color_of
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm
from sb3_ext.tuning.comparison import Candidate
from sb3_ext.tuning.objective import CURRENT
from sb3_ext.tuning.spec import TuningSpec
from sb3_ext.tuning.trials import states

# Behind the import above, which says what to do if matplotlib is missing.
from matplotlib.figure import Figure  # isort: skip

_MOST_BARS = 15


def history_figure(study: optuna.Study) -> Figure:
    """Scores of the finished trials and the best so far; pruned and failed trials are ticks at the bottom."""
    by_state = states(study)
    complete = sorted(by_state["complete"], key=lambda trial: trial.number)
    numbers = [trial.number for trial in complete]
    scores = np.array([trial.value for trial in complete], dtype=np.float64)
    figure = new_figure(7.6, 4.2)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.11, right=0.97, top=0.9, bottom=0.13)
    style_axes(axes, f"Search: {len(complete)} finished, {len(by_state['pruned'])} pruned")
    axes.scatter(numbers, scores, s=22, color=ACCENT, label="finished trials", zorder=3)
    axes.step(numbers, np.maximum.accumulate(scores), where="post", color=ACCENT, linewidth=1.6, label="best so far")
    # A few hopeless trials would squeeze all others into a line.
    low = float(np.quantile(scores, 0.1))
    margin = 0.15 * (float(scores.max()) - low) or 1.0
    axes.set_ylim(min(low, float(scores.max())) - margin, float(scores.max()) + margin)
    for name, color in (("pruned", MUTED), ("fail", color_of(3))):
        ticks = [trial.number for trial in by_state[name]]
        if ticks:
            label = "pruned" if name == "pruned" else "failed"
            at_bottom = axes.get_xaxis_transform()
            axes.plot(ticks, [0.02] * len(ticks), "|", color=color, transform=at_bottom, label=label, markersize=9)
    axes.set_xlabel("trial")
    axes.set_ylabel("score")
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    return figure


def importance_figure(study: optuna.Study) -> Figure | None:
    """Optuna's default estimate, PED-ANOVA; None where too few trials finished to tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importances = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError):
        return None
    names = list(importances)[:_MOST_BARS][::-1]
    if not names:
        return None
    height = 1.2 + 0.28 * len(names)
    figure = new_figure(7.6, height)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.28, right=0.96, top=1.0 - 0.4 / height, bottom=0.5 / height)
    style_axes(axes, "Importance of the hyperparameters")
    axes.grid(visible=False)
    axes.barh(names, [importances[name] for name in names], color=ACCENT, height=0.65)
    axes.set_xlabel("share of the variation")
    return figure


def learning_curves_figure(spec: TuningSpec, found: Sequence[Candidate]) -> Figure | None:
    """IQM of the evaluations, with 95 % bootstrap bands; None without trainings on at least two fresh seeds."""
    drawn = [candidate for candidate in found if len(candidate.finished) > 1]
    if not drawn:
        return None
    figure = new_figure(7.6, 4.6)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.11, right=0.97, top=0.9, bottom=0.12)
    style_axes(axes, f"{spec.algo} on {spec.env_id}, {spec.fresh_seeds} fresh seeds")
    steps = spec.n_timesteps * np.arange(1, spec.n_evaluations + 1) / spec.n_evaluations
    for index, candidate in enumerate(drawn):
        color = MUTED if candidate.number == CURRENT else color_of(index)
        curves = candidate.evaluations[np.isfinite(candidate.scores)].T
        low, high = bootstrap_interval(curves, n_resamples=2_000)
        axes.fill_between(steps, low, high, color=color, alpha=0.16, linewidth=0)
        axes.plot(steps, iqm(curves), color=color, linewidth=2.0, label=candidate.name)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("mean return, IQM and 95 % interval")
    money_axis(axes.xaxis)
    axes.legend(frameon=False, fontsize=8.5, loc="lower right")
    return figure
