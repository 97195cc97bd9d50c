import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from sb3_ext.evaluation.plots import Campaign, learning_curve, spend_plan


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_spend_plan_shows_every_channel(n_channels: int) -> None:
    rng = np.random.default_rng(0)
    agent, best, even = (Campaign(*rng.uniform(0, 100, size=(2, 7, n_channels))) for _ in range(3))
    names = [f"channel {index}" for index in range(n_channels)]
    figure = spend_plan(agent, {"best": best, "even": even}, names, 5000.0, agent_name="me", title="t", period="week")
    assert labels(figure) == ["me (filled)", "best", "even"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        *(f"{name}: spend per week" for name in names),
        "Cumulative spend",
        "Sales per week, all channels",
    ]
    filled, *lines = figure.axes[0].patches
    np.testing.assert_array_equal(filled.get_data().values, agent.spend[:, 0])
    np.testing.assert_array_equal([line.get_data().values for line in lines], [best.spend[:, 0], even.spend[:, 0]])
    np.testing.assert_allclose(figure.axes[-2].lines[0].get_ydata()[-1], agent.spend.sum())
    np.testing.assert_allclose(figure.axes[-1].patches[0].get_data().values, agent.sales.sum(axis=1))
    assert figure.axes[0].get_ylim()[1] > max(campaign.spend[:, 0].max() for campaign in (agent, best, even))


def test_learning_curve_of_one_run_has_no_band() -> None:
    figure = learning_curve(np.array([1.0, 2.0]), np.array([[3.0, 5.0]]), label="dqn", y_label="return")
    (axes,) = figure.axes
    assert labels(figure) == ["dqn"]
    assert axes.lines[0].get_ydata().tolist() == [3.0, 5.0]
    assert not axes.collections
    assert axes.get_ylabel() == "return"


def test_learning_curve_of_several_runs() -> None:
    steps = np.array([10.0, 20.0, 30.0])
    returns = np.array([[0.0, 50.0, 99.0], [2.0, 60.0, 99.5], [4.0, 40.0, 99.7], [90.0, 55.0, 99.2]])
    figure = learning_curve(steps, returns, references={"optimum": 100.0, "even": 99.1}, label="dqn")
    full, zoomed = figure.axes
    assert labels(figure)[0] == "dqn, interquartile mean of 4 runs"
    assert labels(figure)[-2:] == ["optimum", "even"]
    # (2 + 4) / 2 at the first point
    assert full.lines[4].get_ydata()[0] == 3.0
    assert len(full.collections) == 1
    assert full.get_ylim()[0] < 0.0
    low, high = zoomed.get_ylim()
    assert 98.9 < low < 99.1
    assert 100.0 < high < 100.2


def test_no_second_panel_where_the_references_already_fill_the_first() -> None:
    returns = np.array([[10.0, 90.0]])
    assert len(learning_curve(np.array([1.0, 2.0]), returns, references={"a": 100.0, "b": 0.0}).axes) == 1


def test_figures_can_be_saved(tmp_path: object) -> None:
    import io

    stream = io.BytesIO()
    learning_curve(np.array([1.0, 2.0]), np.ones((3, 2)), references={"a": 1.0}).savefig(stream, format="png")
    assert stream.getvalue().startswith(b"\x89PNG")
