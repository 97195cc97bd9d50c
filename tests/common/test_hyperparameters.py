"""Rules say what is allowed in the words that an error gives."""

from typing import Any

import pytest

from sb3_ext.common.hyperparameters import (
    Rule,
    check_hyperparameters,
    flag,
    integer,
    number,
    one_of,
    optional,
    positive,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("rule", "allowed", "good", "bad"),
    [
        (integer(2), "an integer >= 2", [2, 3], [1, 2.0, "2", None, True]),
        (number(), "a finite number", [-1, 0.5], [INF, NAN, "1", None, True]),
        (number(0), "a finite number >= 0", [0, 0.5], [-0.1, INF, NAN]),
        (number(0, 1), "a number in [0, 1]", [0, 1], [-0.1, 1.1]),
        (positive(), "a finite number > 0", [0.1, 2], [0, 0.0, -1, INF]),
        (positive(1), "a number in (0, 1]", [0.1, 1], [0, 1.1]),
        (one_of("a", "b", "c"), "'a', 'b' or 'c'", ["a", "c"], ["d", None, ["a"]]),
        (flag(), "True or False", [True, False], [0, 1, None, "yes"]),
        (optional(integer(1)), "None or an integer >= 1", [None, 1], [0, "1"]),
    ],
)
def test_rules(rule: Rule, allowed: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        check_hyperparameters("Owner", {"name": value}, {"name": rule})
    for value in bad:
        with pytest.raises(ValueError) as error:
            check_hyperparameters("Owner", {"name": value}, {"name": rule})
        assert str(error.value) == f"Owner: name={value!r} is not valid; pass {allowed}."


def test_a_rule_that_depends_on_other_arguments() -> None:
    check_hyperparameters("Owner", {"name": 1}, {"name": (True, "2")})
    with pytest.raises(ValueError, match="pass 2"):
        check_hyperparameters("Owner", {"name": 1}, {"name": (False, "2")})
