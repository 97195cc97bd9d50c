from pathlib import Path

import numpy as np
import pytest

from sb3_ext.evaluation.curves import learning_curves, read_evaluations, read_training_episodes


def write_monitor(folder: Path, name: str, start: float, episodes: list[tuple[float, int, float]]) -> None:
    folder.mkdir(exist_ok=True)
    rows = [f"{reward},{length},{time}" for reward, length, time in episodes]
    (folder / name).write_text("\n".join([f'#{{"t_start": {start}, "env_id": "x"}}', "r,l,t", *rows]) + "\n")


def write_evaluations(folder: Path, steps: list[int], results: list[list[float]]) -> None:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "evaluations.npz", timesteps=steps, results=results)


def test_evaluations_are_averaged_over_episodes(tmp_path: Path) -> None:
    write_evaluations(tmp_path, [100, 200], [[1.0, 3.0], [5.0, 9.0]])
    curve = read_evaluations(tmp_path)
    assert curve is not None
    assert curve.steps.tolist() == [100.0, 200.0]
    assert curve.returns.tolist() == [2.0, 7.0]


def test_training_episodes_of_parallel_environments_are_merged_by_time(tmp_path: Path) -> None:
    write_monitor(tmp_path, "0.monitor.csv", 1000.0, [(1.0, 10, 1.0), (3.0, 10, 3.0)])
    write_monitor(tmp_path, "1.monitor.csv", 1000.5, [(2.0, 20, 1.0)])
    curve = read_training_episodes(tmp_path)
    assert curve is not None
    assert curve.steps.tolist() == [10.0, 30.0, 40.0]
    assert curve.returns.tolist() == [1.0, 2.0, 3.0]


def test_training_episodes_are_smoothed(tmp_path: Path) -> None:
    write_monitor(tmp_path, "0.monitor.csv", 0.0, [(float(i), 5, float(i)) for i in range(30)])
    curve = read_training_episodes(tmp_path)
    assert curve is not None
    # 30 episodes: a window of 3, whose first mean is (0 + 1 + 2) / 3 after 15 steps.
    assert (curve.steps[0], curve.returns[0], len(curve.steps)) == (15.0, pytest.approx(1.0), 28)


def test_runs_with_the_same_steps_keep_them(tmp_path: Path) -> None:
    write_evaluations(tmp_path / "a", [100, 200], [[1.0], [2.0]])
    write_evaluations(tmp_path / "b", [100, 200], [[3.0], [6.0]])
    curves = learning_curves([tmp_path / "a", tmp_path / "b"])
    assert curves is not None
    assert curves.steps.tolist() == [100.0, 200.0]
    assert curves.returns.tolist() == [[1.0, 2.0], [3.0, 6.0]]


def test_other_steps_are_interpolated_where_all_runs_have_data(tmp_path: Path) -> None:
    write_evaluations(tmp_path / "a", [0, 200], [[0.0], [2.0]])
    write_evaluations(tmp_path / "b", [100, 300], [[10.0], [30.0]])
    curves = learning_curves([tmp_path / "a", tmp_path / "b"])
    assert curves is not None
    assert (curves.steps[0], curves.steps[-1]) == (100.0, 200.0)
    np.testing.assert_allclose(curves.returns[:, [0, -1]], [[1.0, 2.0], [10.0, 20.0]])


def test_training_episodes_stand_in_where_a_run_was_not_evaluated(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_monitor(tmp_path / name, "0.monitor.csv", 0.0, [(1.0, 5, 1.0), (2.0, 5, 2.0)])
    write_evaluations(tmp_path / "a", [100, 200], [[1.0], [2.0]])
    curves = learning_curves([tmp_path / "a", tmp_path / "b"])
    assert curves is not None
    assert "training episodes" in curves.source


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert learning_curves([tmp_path]) is None
    write_evaluations(tmp_path, [100], [[1.0]])
    assert learning_curves([tmp_path]) is None


@pytest.mark.parametrize("text", ["", "r,l,t\n1,2,3\n", '#{"t_start": 0}\nr,l,t\n1,2\n', '#{"t_start": 0}\na,b\n1,2\n'])
def test_damaged_logs(tmp_path: Path, text: str) -> None:
    (tmp_path / "0.monitor.csv").write_text(text)
    with pytest.raises(ValueError, match="no complete log of episodes"):
        read_training_episodes(tmp_path)
    (tmp_path / "evaluations.npz").write_text(text)
    with pytest.raises(ValueError, match="no complete log of evaluations"):
        read_evaluations(tmp_path)
