"""The numbers of raw results, under the names that templates use."""

from __future__ import annotations

import csv
import functools
import math
import statistics
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from docs.effects import main_effect
from docs.formats import Span, fixed
from docs.results import read_comparison
from docs.seeds import FIRST
from sb3_ext.app.errors import UserError
from sb3_ext.evaluation.report import markdown
from sb3_ext.evaluation.scores import Comparison
from sb3_ext.evaluation.statistics import bootstrap_interval, iqm
from sb3_ext.evaluation.summaries import lead


class Figures:
    """
    The numbers of a setting on an environment, for placeholders: ``run.iqm``.

    Of a comparison, others than the first go by their names: ``compared["dueling"].iqm``, with several environments
    ``compared["CartPole-v1, dueling"].iqm``; of an ablation there is also ``compared.effect("dueling").mean``.

    :param comparison: the scores
    :param setting: name of the setting; the first one by default
    :param environment: id of the environment; the first one by default
    :param scale: what a return is multiplied with, e.g. to percent of the best plan
    """

    def __init__(self, comparison: Comparison, setting: str = "", environment: str = "", scale: float = 1.0) -> None:
        self._comparison = comparison
        self._key = setting or comparison.settings[0], environment or comparison.environments[0]
        self._scale = scale
        self._runs = comparison.of(*self._key)
        self.returns = [scale * run.mean_return for run in self._runs]
        """Of every seed."""
        self.policies = {each.name: scale * each.mean_return for each in comparison.baselines(self._key[1])}
        """Mean returns of the baselines."""
        self.effect = functools.partial(main_effect, comparison)

    def __getitem__(self, name: str) -> Figures:
        environment, _, setting = name.rpartition(", ")
        found = Figures(self._comparison, setting, environment, self._scale)
        if not found.returns:
            raise KeyError(name)
        return found

    @cached_property
    def percent(self) -> Figures:
        """The same in percent of the best plan."""
        if not self.knows_a_plan:
            raise UserError(f"the results of {' on '.join(self._key)} know no best plan")
        return Figures(self._comparison, *self._key, self._runs[0].references.percent(1.0))

    @property
    def knows_a_plan(self) -> bool:
        """Whether there is a best plan to compare with."""
        return not math.isnan(self._runs[0].references.percent(1.0))

    @property
    def seeds(self) -> int:
        """Number of training seeds."""
        return len(self.returns)

    @property
    def training_seeds(self) -> list[int]:
        """The training seeds, in order."""
        return sorted(run.training_seed for run in self._runs if run.training_seed is not None)

    @property
    def mark(self) -> str:
        """Marks figures of tuning seeds, see docs/protocol.md."""
        return "†" if self.training_seeds[:1] < [FIRST] else ""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.returns)

    @property
    def episodes(self) -> int:
        """Evaluation episodes of each."""
        return self._runs[0].episodes

    @property
    def steps(self) -> str:
        """Steps of the trainings, to thousands: ``20 000``, or ``57 000 to 106 000``."""
        steps = [run.training_steps for run in self._runs if run.training_steps is not None]
        return " to ".join(dict.fromkeys(fixed(round(number, -3), 0) for number in (min(steps), max(steps))))

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
        found = lead(self._comparison, *self._key)
        if found is None:
            raise UserError(f"the results of {' on '.join(self._key)} have no returns of several runs and a baseline")
        return Lead(found.baseline, self._scale * found.gain, Span(self._scale * found.low, self._scale * found.high))


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

    :param folder: What ``sb3-ext evaluate --output`` wrote.
    :return: What its ``results.md`` should be.
    :raises UserError: If the folder holds no results.
    """
    return markdown(read_comparison(folder))


def figures(folder: Path) -> Figures:
    """
    Read the numbers of some results.

    :param folder: What ``sb3-ext evaluate --output`` wrote.
    :return: The numbers.
    :raises UserError: If the folder holds no results.
    """
    return Figures(read_comparison(folder))
