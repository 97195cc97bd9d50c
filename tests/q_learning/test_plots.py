"""The picture of Q-values shows what it is given."""

import numpy as np
import pytest

from sb3_ext.q_learning.plots import q_values_over_training

STEPS = np.array([0, 10, 20])
TABLES = np.arange(12.0).reshape(3, 2, 2)
TABLES[1:, 1, 0] = -np.inf
EXACT = np.array([[9.0, 8.0], [-np.inf, 7.0]])


def test_lines_and_limits() -> None:
    figure = q_values_over_training(STEPS, TABLES, EXACT, action_names=["stay", "go"], title="a title")
    first, second = figure.axes
    lines = [list(line.get_ydata()) for line in first.get_lines()]
    assert lines == [[0, 4, 8], [9, 9], [1, 5, 9], [8, 8]]
    assert [list(line.get_ydata()) for line in second.get_lines()] == [[3, 7, 11], [7, 7]]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["state 0", "state 1"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["stay", "go", "exact"]
    assert figure.texts[0].get_text() == "a title"


def test_without_limits() -> None:
    figure = q_values_over_training(STEPS, TABLES)
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["action 0", "action 1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((STEPS[:2], TABLES), r"steps of shape \(2,\)"),
        ((STEPS, TABLES[0]), "pass"),
        ((STEPS[:0], TABLES[:0]), "pass"),
        ((STEPS, TABLES, EXACT[:1]), r"exact values of shape \(1, 2\)"),
        ((STEPS, np.zeros((3, 13, 2))), "13 states: pass a selection"),
    ],
)
def test_bad_shapes(arguments: tuple[np.ndarray, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        q_values_over_training(*arguments)
    with pytest.raises(ValueError, match="1 action names for 2 actions"):
        q_values_over_training(STEPS, TABLES, action_names=["stay"])
