"""The algorithms, and how tests are repeated for them."""

from collections.abc import Iterable, Iterator
from typing import Any

import a3c_case
import ddpg_case
import dueling_dqn_case
import genetic_case
import policy_search_case
import ppo_penalty_case
import pytest
import q_learning_case
import reinforce_case
from algorithm_battery import Case

OFF_POLICY = [ddpg_case.CASE, dueling_dqn_case.CASE]
WHOLE_EPISODES = [reinforce_case.CASE, genetic_case.CASE, policy_search_case.CASE]
CASES = [*OFF_POLICY, *WHOLE_EPISODES, ppo_penalty_case.CASE, q_learning_case.CASE, a3c_case.CASE]


def name(case: Case) -> str:
    return str(case.algorithm.__name__)


def each(cases: Iterable[Case] = CASES) -> pytest.MarkDecorator:
    """Repeat a test for every algorithm."""
    return pytest.mark.parametrize("case", cases, ids=name)


def each_of(table: str) -> pytest.MarkDecorator:
    """Repeat a test for every row of a table of every algorithm."""

    def rows() -> Iterator[Any]:
        for case in CASES:
            for row, options in getattr(case, table).items():
                yield pytest.param(case, options, id=f"{name(case)}-{row}")

    return pytest.mark.parametrize(("case", "options"), rows())
