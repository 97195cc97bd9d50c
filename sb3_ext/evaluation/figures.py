"""Which pictures an evaluation leaves, and those of comparisons. Importing this needs matplotlib."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_ext.common.charts import GRID, INK, money_axis, new_figure, style_axes
from sb3_ext.common.palette import color_of
from sb3_ext.common.wording import period_name
from sb3_ext.evaluation.curves import CurveSet, learning_curves
from sb3_ext.evaluation.evaluate import Played
from sb3_ext.evaluation.measure import Measurement
from sb3_ext.evaluation.plots import Campaign, learning_curve, spend_plan
from sb3_ext.evaluation.references import ad_spend_env
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.evaluation.settings import warn
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, stratified_interval
from sb3_ext.evaluation.suites import performance_profile
from sb3_ext.evaluation.summaries import summaries

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RESAMPLES = 2_000
_PROFILE_POINTS = 101
_PANEL_WIDTH, _PANEL_HEIGHT = 5.2, 3.6
_LINE_STYLES: tuple[Any, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)))
"""Ten colours each, then the next style."""


def figures(comparison: Comparison, played: Sequence[Played]) -> Iterator[tuple[str, Figure]]:
    """A single setting's learning curve and, on AdSpend, spends; else scores, performance profiles and all curves."""
    if comparison.is_single:
        yield from _single(comparison, played)
        return
    yield "scores.png", scores_figure(comparison)
    yield "performance_profile.png", profile_figure(comparison)
    for name, seconds in (("learning_curve.png", False), ("learning_curve_seconds.png", True)):
        try:
            curves = _curves(comparison, played, seconds)
        except ValueError as error:
            warn(f"no {name}: {error}")
            continue
        if curves:
            yield name, curves_figure(curves, comparison.settings, seconds)
        else:
            warn(f"no {name}: evaluations.npz and monitor.csv with at least two points are needed beside every model")


def scores_figure(comparison: Comparison) -> Figure:
    """The interquartile mean of every setting with its interval and its seeds, one panel per environment."""
    lines = list(summaries(comparison))
    settings = comparison.settings
    figure, panels = _panels(comparison.environments, 1.1 + 0.32 * len(settings))
    for environment, axes in panels.items():
        for line in (line for line in lines if line.environment == environment):
            row = settings.index(line.setting)
            color = color_of(row)
            returns = comparison.mean_returns(line.setting, environment)
            axes.plot(returns, np.full(len(returns), row), "o", color=color, alpha=0.4, markersize=4, mew=0)
            axes.plot(
                [line.iqm_low, line.iqm_high], [row, row], color=color, linewidth=6, alpha=0.35, solid_capstyle="butt"
            )
            axes.plot([line.iqm], [row], "|", color=INK, markersize=13, markeredgewidth=2)
        axes.set_yticks(range(len(settings)), settings)
        axes.set_ylim(len(settings) - 0.5, -0.5)
        axes.grid(axis="x", color=GRID, linewidth=0.9)
        axes.set_xlabel("mean return of a seed (dots), IQM and its 95 % interval (bars)")
    return figure


def profile_figure(comparison: Comparison) -> Figure:
    """The share of seeds above every score: normalised and over all environments if possible, else for each."""
    if comparison.normalized:
        panels = {"all environments": {name: comparison.normalized_scores(name) for name in comparison.settings}}
        x_label = "normalised score: 0 random actions, 1 the ceiling"
    else:
        panels = {
            environment: {name: [comparison.mean_returns(name, environment)] for name in comparison.settings}
            for environment in comparison.environments
        }
        x_label = "mean return"
    figure, axes_of = _panels(list(panels), _PANEL_HEIGHT)
    for title, strata_of in panels.items():
        axes = axes_of[title]
        every = np.concatenate([scores for strata in strata_of.values() for scores in strata])
        margin = 0.05 * (np.ptp(every) or 1.0)
        limits = np.linspace(every.min() - margin, every.max() + margin, _PROFILE_POINTS)
        for name, strata in strata_of.items():
            style = _style(comparison.settings.index(name))
            axes.plot(limits, performance_profile(strata, limits), label=name, drawstyle="steps-post", **style)
            if min(map(len, strata)) > 1:
                low, high = stratified_interval(
                    strata, functools.partial(performance_profile, scores=limits), n_resamples=_RESAMPLES
                )
                axes.fill_between(limits, low, high, color=style["color"], alpha=0.13, linewidth=0, step="post")
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel(x_label)
        axes.set_ylabel("share of seeds above")
    _legend(figure, comparison.settings)
    return figure


def curves_figure(curves: Mapping[str, Mapping[str, CurveSet]], settings: Sequence[str], seconds: bool) -> Figure:
    """Interquartile means of learning curves with their 95 % bands, one panel per environment."""
    figure, panels = _panels(list(curves), _PANEL_HEIGHT)
    for environment, axes in panels.items():
        for name, curve in curves[environment].items():
            style = _style(settings.index(name))
            axes.plot(curve.steps, iqm(curve.returns.T), label=name, **style)
            if len(curve.returns) > 1:
                low, high = bootstrap_interval(curve.returns.T, n_resamples=_RESAMPLES)
                axes.fill_between(curve.steps, low, high, color=style["color"], alpha=0.15, linewidth=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds of training, its evaluations included" if seconds else "environment steps")
        money_axis(axes.xaxis)
        sources = dict.fromkeys(curve.source.partition(" (")[0] for curve in curves[environment].values())
        axes.set_ylabel("mean return of\n" + ",\n".join(sources))
    _legend(figure, settings)
    return figure


def _style(index: int) -> dict[str, Any]:
    return {"color": color_of(index), "linewidth": 2.0, "linestyle": _LINE_STYLES[(index // 10) % len(_LINE_STYLES)]}


def _panels(titles: Sequence[str], height: float) -> tuple[Figure, dict[str, Any]]:
    """A figure with a panel per title, at most three in a row."""
    n_columns = min(3, len(titles))
    n_rows = -(-len(titles) // n_columns)
    figure = new_figure(_PANEL_WIDTH * n_columns + 1.0, height * n_rows + 0.7)
    figure.set_layout_engine("constrained", rect=(0.0, 0.0, 1.0, 1.0))
    panels = {}
    for index, title in enumerate(titles):
        panels[title] = figure.add_subplot(n_rows, n_columns, index + 1)
        style_axes(panels[title], title)
    return figure, panels


def _legend(figure: Figure, settings: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=name, **_style(index)) for index, name in enumerate(settings)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=8.5, labelcolor=INK)


def _single(comparison: Comparison, played: Sequence[Played]) -> Iterator[tuple[str, Figure]]:
    (environment,), (setting,) = comparison.environments, comparison.settings
    runs = [policy.run for policy in played if policy.run is not None]
    known = comparison.references(environment)
    if not math.isnan(known.reward_scale):
        yield "spend_plan.png", _spend_plan(comparison, played)
    try:
        curves = learning_curves([run.folder for run in runs])
    except ValueError as error:
        warn(f"no learning curve: {error}")
        return
    if curves is None:
        warn("no learning curve: evaluations.npz or monitor.csv with at least two points are needed beside every model")
        return
    returns, references, y_label = curves.returns, {}, "mean return"
    # On another problem neither the money nor the best plan are those of the training.
    if known.optimal_value > 0.0 and all(run.evaluated_as_trained for run in runs):
        returns, y_label = known.percent(1.0) * returns, "value, % of the best plan"
        references = {known.optimum_name: 100.0, "even pacing": 100.0 * known.even_value / known.optimal_value}
    labels = {"title": f"Learning {environment}", "source": curves.source, "y_label": y_label, "label": setting}
    yield "learning_curve.png", learning_curve(curves.steps, returns, references=references, **labels)


def _spend_plan(comparison: Comparison, played: Sequence[Played]) -> Figure:
    """The first campaign of the median agent against the optimal plan and even pacing."""
    (environment,) = comparison.environments
    agents = sorted((policy for policy in played if policy.run), key=lambda policy: policy.score.mean_return)
    agent = agents[(len(agents) - 1) // 2]
    assert agent.run is not None
    campaign = ad_spend_env(environment, agent.run.env_kwargs)
    assert campaign is not None
    measured = {policy.score.setting: policy.measured for policy in played if policy.run is None}
    plans = {comparison.references(environment).optimum_name: "open-loop optimum", "even pacing": "even pacing"}
    return spend_plan(
        _campaign(agent.measured),
        {label: _campaign(measured[name]) for label, name in plans.items() if name in measured},
        campaign.market.names,
        campaign.budget,
        agent_name=agent.score.name + (f", median of {len(agents)} runs" if len(agents) > 1 else ""),
        title=f"Where the budget goes: {environment}",
        period=period_name(campaign.market.period_days),
    )


def _campaign(measured: Measurement) -> Campaign:
    return Campaign(np.array(measured.spend), np.array(measured.sales))


def _curves(comparison: Comparison, played: Sequence[Played], seconds: bool) -> dict[str, dict[str, CurveSet]]:
    found: dict[str, dict[str, CurveSet]] = {}
    for environment, setting in itertools.product(comparison.environments, comparison.settings):
        folders = [run.folder for _, _, run in played if run and (run.env_id, run.setting) == (environment, setting)]
        if (curve := learning_curves(folders, seconds)) is not None:
            found.setdefault(environment, {})[setting] = curve
    return found
