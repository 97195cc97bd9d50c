"""Which pictures an evaluation leaves. Importing this needs matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sb3_ext.common.wording import period_name
from sb3_ext.evaluation.comparison_figures import curves_figure, profile_figure, scores_figure
from sb3_ext.evaluation.curves import CurveSet, learning_curves
from sb3_ext.evaluation.evaluate import Played
from sb3_ext.evaluation.measure import Measurement
from sb3_ext.evaluation.plots import Campaign, learning_curve, spend_plan
from sb3_ext.evaluation.references import ad_spend_env
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.evaluation.settings import warn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(comparison: Comparison, played: Sequence[Played]) -> Iterator[tuple[str, Figure]]:
    """
    Draw a single setting's learning curve and, on AdSpend, spends; else scores, performance profiles and all curves.

    What cannot be drawn is warned about.

    :param comparison: The scores.
    :param played: The same policies, with what they did; the folders of their runs hold the logs of the training.
    :return: Names of files and figures.
    """
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
    yield (
        "learning_curve.png",
        learning_curve(
            curves.steps,
            returns,
            references=references,
            title=f"Learning {environment}",
            source=curves.source,
            y_label=y_label,
            label=setting,
        ),
    )


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
    folders: dict[tuple[str, str], list[Path]] = {}
    for score, _, run in played:
        if run is not None:
            folders.setdefault((score.environment, score.setting), []).append(run.folder)
    found: dict[str, dict[str, CurveSet]] = {}
    for (environment, setting), of_one in folders.items():
        if (curve := learning_curves(of_one, seconds)) is not None:
            found.setdefault(environment, {})[setting] = curve
    return found
