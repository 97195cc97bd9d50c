"""The numbers of raw results, under the names that templates use."""

from __future__ import annotations

import csv
import functools
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from docs.effects import main_effect
from docs.formats import Span
from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.comparison_report import markdown as comparison_page
from sb3_ext.evaluation.report import markdown as results_page
from sb3_ext.evaluation.results import Results, read_results
from sb3_ext.evaluation.scores import Comparison, read_scores
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm, paired_difference
from sb3_ext.evaluation.summaries import Summary, summaries


class Figures:
    """
    The numbers of one algorithm on one environment, for placeholders.

    :param results: what was measured
    :param scale: what a return is multiplied with, e.g. to percent of the best plan
    """

    def __init__(self, results: Results, scale: float = 1.0) -> None:
        self._results = results
        self._scale = scale
        self.returns = [scale * number for number in results.agent_returns]
        """Of every seed."""
        self.policies = {line.name: scale * line.mean_return for line in results.baselines}
        """Mean returns of the baselines."""

    @cached_property
    def percent(self) -> Figures:
        """The same in percent of the best plan."""
        if self._results.references is None:
            raise UserError(f"the results of {self._results.algo} on {self._results.env_id} know no best plan")
        return Figures(self._results, self._results.references.percent(1.0))

    @property
    def knows_a_plan(self) -> bool:
        """Whether there is a best plan to compare with."""
        return self._results.references is not None

    @property
    def seeds(self) -> int:
        """Number of training seeds."""
        return len(self.returns)

    @property
    def training_seeds(self) -> list[int]:
        """The training seeds, in order."""
        return sorted(line.training_seed for line in self._results.agents if line.training_seed is not None)

    @property
    def episodes(self) -> int:
        """Evaluation episodes of each."""
        return len(self._results.seeds)

    @property
    def steps(self) -> str:
        """Steps of the trainings, to thousands: ``20 000``, or ``57 000 to 106 000``."""
        steps = [line.training_steps for line in self._results.agents if line.training_steps is not None]
        shown = [f"{round(number, -3):,}".replace(",", " ") for number in (min(steps), max(steps))]
        return " to ".join(dict.fromkeys(shown))

    @property
    def iqm(self) -> float:
        """Interquartile mean over the seeds."""
        return float(iqm(self.returns))

    @cached_property
    def interval(self) -> Span:
        """Its 95 % interval."""
        return Span(*map(float, bootstrap_interval(self.returns)))

    @property
    def worst(self) -> float:
        """The worst seed."""
        return min(self.returns)

    @property
    def best(self) -> float:
        """The best seed."""
        return max(self.returns)

    def at_least(self, limit: float) -> str:
        """
        Count the seeds at or above a return.

        :param limit: the return
        :return: such as ``8 of 10``
        """
        return f"{sum(number >= limit for number in self.returns)} of {self.seeds}"

    @cached_property
    def lead(self) -> Lead:
        """How far the agents are ahead of the best baseline."""
        best = max(self._results.baselines, key=lambda line: line.mean_return)
        gain, low, high = paired_difference([agent.returns for agent in self._results.agents], best.returns)
        return Lead(best.name, self._scale * gain, Span(self._scale * low, self._scale * high))


class Lead(NamedTuple):
    """A difference from a baseline."""

    name: str
    gain: float
    interval: Span

    @property
    def loss(self) -> float:
        """How far the agents are behind."""
        return -self.gain

    @property
    def loss_interval(self) -> Span:
        """Its interval."""
        return Span(-self.interval.high, -self.interval.low)


class ComparedFigures:
    """
    The numbers of a comparison, for placeholders: ``compared["dueling"].iqm``, with several environments
    ``compared["CartPole-v1, dueling"].iqm``; of an ablation also ``compared.effect("dueling").mean``.

    :param comparison: the scores
    """

    def __init__(self, comparison: Comparison) -> None:
        lines = list(summaries(comparison))
        self.effect = functools.partial(main_effect, comparison)
        single = len({line.environment for line in lines}) == 1
        self._lines = {line.setting if single else f"{line.environment}, {line.setting}": line for line in lines}

    def __getitem__(self, name: str) -> Summary:
        return self._lines[name]


class Coverages:
    """
    How often intervals hold the truth, for placeholders: ``coverage("iqm", "expanded", "normal", 10)``, in percent.

    :param path: what ``docs.coverage`` measured
    """

    def __init__(self, path: Path) -> None:
        keys = ("statistic", "interval", "distribution", "seeds")
        with path.open(newline="", encoding="utf-8") as file:
            self._percent = {
                tuple(record[key] for key in keys): float(record["coverage"]) for record in csv.DictReader(file)
            }

    def distributions(self, statistic: str) -> list[str]:
        """
        Name the distributions that a statistic was measured on.

        :param statistic: the statistic
        :return: their names
        """
        return list(dict.fromkeys(name for measured, _, name, _ in self._percent if measured == statistic))

    def __call__(self, statistic: str, interval: str, distribution: str, seeds: int) -> float:
        return self._percent[statistic, interval, distribution, str(seeds)]


def folder_page(folder: Path) -> str:
    """
    Write the page of a folder of results.

    :param folder: With ``results.csv`` of one algorithm or of a comparison.
    :return: What its ``results.md`` should be.
    :raises UserError: If the folder holds no results.
    """
    if _is_comparison(folder):
        return comparison_page(read_scores(folder / "results.csv"))
    return results_page(read_results(folder))


def figures(folder: Path) -> Figures | ComparedFigures:
    """
    Read the numbers of some results.

    :param folder: With ``results.csv`` of one algorithm or of a comparison.
    :return: The numbers.
    :raises UserError: If the folder holds no results.
    """
    if _is_comparison(folder):
        return ComparedFigures(read_scores(folder / "results.csv"))
    return Figures(read_results(folder))


def _is_comparison(folder: Path) -> bool:
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return "setting" in next(csv.reader(file), [])
