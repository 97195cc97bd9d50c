"""Every section measures what it says, in small."""

import importlib
import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecTransposeImage

from benchmarks import contests, frames, pacman, replay
from benchmarks.command import SECTIONS
from benchmarks.groups import Case, measure_group
from sb3_ext.replay.frames import FrameReplayBuffer


def section(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", SECTIONS)
def test_everything_is_measured(name: str) -> None:
    for group in section(name).groups(quick=True):
        results, missing = measure_group(group._replace(slices=1), 1)
        names = [result.name for result in results] + [case.name for case in missing]
        assert len(set(names)) == len(names) > 0
        for result in results:
            # the time of the interpreter alone is subtracted, and varies
            assert math.isfinite(result.median) and (result.median > 0 or name == "imports")
            assert (result.ratio is None) == (result.reference is None)


@pytest.mark.parametrize("name", SECTIONS)
def test_nothing_is_built_before_it_is_measured(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("built too early")

    builders = ((replay, "transitions"), (frames, "play"), (pacman, "sb3_pipeline"), (contests, "Contender"))
    for owner, attribute in builders:
        monkeypatch.setattr(owner, attribute, refuse)
    groups = section(name).groups(quick=False)
    assert len({(group.quantity, group.setting, group.threads) for group in groups}) == len(groups)


def test_frames_per_transition() -> None:
    for group in frames.groups(quick=True):
        if group.quantity == "frames_per_transition":
            (upstream, *option, ours), _ = measure_group(group, 1)
            assert upstream.median == pytest.approx(8.0, abs=0.02)
            assert [result.median for result in option] in ([], [pytest.approx(4.0, abs=0.02)])
            assert 1.0 < ours.median <= 1.15


@pytest.mark.parametrize("n_envs", [1, 2])
def test_made_up_games_are_those_of_a_frame_stack(n_envs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "EPISODE", 3)
    buffer = frames.Setting(n_envs, 1).make(FrameReplayBuffer, 20 * n_envs)
    played = frames.play(n_envs)
    previous = None
    for step in range(1, 10):
        obs, next_obs, actions, rewards, done, infos = next(played)
        buffer.add(obs, next_obs, actions, rewards, done, infos)  # refuses what is not stacked
        assert obs.shape == (n_envs, *frames.SPACES[0].shape) and done.tolist() == [step % 3 == 0] * n_envs
        if previous is None:
            assert not obs[:, :3].any() and obs[:, 3].any()
        else:
            np.testing.assert_array_equal(obs, previous)
        previous = None if done[0] else next_obs


def test_pacman_pipelines_play_the_same_game() -> None:
    upstream, ours = VecTransposeImage(pacman.sb3_pipeline(2)), pacman.vectorised_pipeline(2, num_threads=1)
    assert (upstream.reset().shape, ours.reset().shape) == ((2, 4, 84, 84), (2, 4, 88, 80))  # type: ignore[union-attr]
    assert upstream.action_space == ours.action_space
    upstream.close()
    ours.close()


class TestRivals:
    def measured(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> dict[str, str]:
        original = importlib.import_module

        def import_module(name: str) -> ModuleType:
            if name.split(".")[0] in ("cpprb", "torchrl"):
                raise error
            return original(name)

        monkeypatch.setattr(replay.importlib, "import_module", import_module)
        cases = replay.groups(quick=True)[0].prepare()
        assert [case.name for case in cases if isinstance(case, Case)] == [
            "SB3 ReplayBuffer",
            "PrioritizedReplayBuffer",
        ]
        return {case.name.split()[0]: case.reason for case in cases if not isinstance(case, Case)}

    def test_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reasons = self.measured(monkeypatch, ModuleNotFoundError("No module named 'cpprb'", name="cpprb"))
        assert reasons["cpprb"] == "not installed: pip install cpprb"

    def test_broken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reasons = self.measured(monkeypatch, ImportError("_x.so: undefined symbol\nin torch"))
        assert reasons["torchrl"] == "cannot be used: _x.so: undefined symbol in torch"


def test_prioritized_buffer_is_full_and_draws_by_error() -> None:
    data = replay.transitions(320)
    data["td_errors"][:] = 0.0
    data["td_errors"][7] = 1e6
    batch = replay.prioritized(data)()
    assert np.count_nonzero(batch.indices == 7) > replay.BATCH / 2
    np.testing.assert_array_equal(batch.observations[batch.indices == 7][0], data["observations"][7])
