"""The figures of an evaluation. Importing this needs matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sb3_ext.common.wording import period_name
from sb3_ext.envs.ad_spend import AdSpendEnv
from sb3_ext.evaluation.curves import learning_curves
from sb3_ext.evaluation.measure import Measurement
from sb3_ext.evaluation.plots import Campaign, learning_curve, spend_plan
from sb3_ext.evaluation.report import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def spend_plan_figure(evaluation: Evaluation, campaign: AdSpendEnv) -> Figure:
    """
    The first campaign of the median agent against the optimal plan and even pacing.

    :param evaluation: What was measured on an AdSpend environment.
    :param campaign: The environment, for its market.
    :return: The figure.
    """
    order = np.argsort(evaluation.agent_returns, kind="stable")
    agent = evaluation.agents[order[(len(order) - 1) // 2]]
    name = f"{evaluation.algo}, {agent.run.name}"
    assert evaluation.references is not None
    plans = {evaluation.references.optimum_name: "open-loop optimum", "even pacing": "even pacing"}
    return spend_plan(
        _campaign(agent.measured),
        {label: _campaign(evaluation.baselines[key]) for label, key in plans.items() if key in evaluation.baselines},
        campaign.market.names,
        campaign.budget,
        agent_name=name if len(order) == 1 else f"{name}, median of {len(order)} runs",
        title=f"Where the budget goes: {evaluation.env_id}",
        period=period_name(campaign.market.period_days),
    )


def learning_curve_figure(evaluation: Evaluation) -> Figure:
    """
    The learning curves of all agents.

    :param evaluation: What was measured.
    :return: The figure.
    :raises ValueError: If a run has no usable logs.
    """
    curves = learning_curves([agent.run.folder for agent in evaluation.agents])
    if curves is None:
        raise ValueError("evaluations.npz or monitor.csv with at least two points are needed beside every model")
    returns, references, y_label = curves.returns, {}, "mean return"
    scores = evaluation.references
    as_trained = all(agent.run.training_env_kwargs == evaluation.env_kwargs for agent in evaluation.agents)
    # On another problem neither the money nor the best plan are those of the training.
    if as_trained and scores is not None and scores.optimum > 0.0:
        returns, y_label = scores.percent(1.0) * returns, "value, % of the best plan"
        references = {scores.optimum_name: 100.0, "even pacing": 100.0 * scores.even / scores.optimum}
    return learning_curve(
        curves.steps,
        returns,
        references=references,
        title=f"Learning {evaluation.env_id}",
        source=curves.source,
        y_label=y_label,
        label=evaluation.algo,
    )


def _campaign(measured: Measurement) -> Campaign:
    return Campaign(np.array(measured.spend), np.array(measured.sales))
