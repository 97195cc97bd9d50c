"""Pictures show what was logged."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from docs.tutorials import pictures
from docs.tutorials.mountain_car import plan_mountain_car
from sb3_ext.evaluation.curves import Curve
from sb3_ext.evaluation.runs import find_runs

SCRIPT = Path(__file__).resolve().parents[4] / "scripts" / "measure.py"


def test_an_animation_plays_for_ever_and_shows_what_it_was_given(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 10), "white") for _ in range(3)]
    for position, frame in enumerate(frames):
        frame.putpixel((position, 0), (0, 0, 0))
    pictures.save_gif(frames, 80, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (3, (20, 10), 0, 80)
        gif.seek(2)
        dark = np.argwhere(np.asarray(gif.convert("L")) < 128)
    assert dark.tolist() == [[0, 2]]


def test_the_moving_average_is_that_of_the_last_hundred_episodes(tmp_path: Path) -> None:
    rows = [f"{r},{2},{r}" for r in range(150)]
    (tmp_path / "0.monitor.csv").write_text('#{"t_start": 0.0, "env_id": "x"}\nr,l,t\n' + "\n".join(rows) + "\n")
    curve = pictures.moving_average(tmp_path)
    assert curve is not None
    assert (curve.steps[0], curve.returns[0]) == (20.0, np.mean(range(10)))
    assert (curve.steps[-1], curve.returns[-1]) == (300.0, np.mean(range(50, 150)))


def test_a_training_is_drawn_with_its_losses() -> None:
    curve = Curve(np.arange(3000.0), np.arange(3000.0))
    figure = pictures.training_figure([curve] * 2, {"train/value_loss": [curve]}, "Training")
    assert [axes.get_title(loc="left") for axes in figure.axes][1:] == ["value loss"]
    assert len(figure.axes[0].lines) == 2


def test_losses_are_read_from_every_log_that_has_them(tmp_path: Path) -> None:
    for run, values in enumerate(([0.5, 0.25], [4.0])):
        with SummaryWriter(str(tmp_path / "tensorboard" / f"A_{run}")) as writer:
            for step, value in enumerate(values):
                writer.add_scalar("train/loss", value, 100 * step)
    with SummaryWriter(str(tmp_path / "other")) as writer:
        writer.add_scalar("time/fps", 1.0, 0)
    first, second = pictures.logged(tmp_path, "train/loss")
    assert (first.steps.tolist(), first.returns.tolist()) == ([0.0, 100.0], [0.5, 0.25])
    assert second.returns.tolist() == [4.0]


def test_a_whole_campaign_is_filmed(logs: Path) -> None:
    run = find_runs("ddpg_ext", "AdSpend-v0", str(logs), None)[0][0]
    frames, milliseconds = pictures.record_episode(run, seed=3, width=120)
    assert len(frames) == 28
    assert {frame.size for frame in frames} == {(120, 80)}
    assert milliseconds == 250
    assert np.asarray(frames[0]).tobytes() != np.asarray(frames[-1]).tobytes()


def test_the_way_of_the_planned_car_ends_at_the_goal() -> None:
    figure = pictures.mountain_car_figure(plan_mountain_car(60))
    (way, start) = figure.axes[0].lines
    assert start.get_xdata()[0] == way.get_xdata()[0] == -0.5
    assert way.get_xdata()[-1] >= 0.5


def test_the_command_films_what_the_logs_hold(root: Path, logs: Path, tmp_path: Path) -> None:
    """AdSpend-v0 has results of the seed that the log folder holds; PPO's logs are not there."""
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "AdSpend-v0").symlink_to(logs)
    command = [sys.executable, str(SCRIPT), "tutorials", "--root", str(root), "--logs", str(tmp_path / "trained")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "no new pictures of CartPole-v1_ppo" in done.stderr
    drawn = {path.name for path in (root / "docs" / "images" / "tutorials").iterdir()}
    assert drawn == {"AdSpend-v0.gif", "AdSpend-v0.png"}
