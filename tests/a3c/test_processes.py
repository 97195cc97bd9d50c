"""Workers are counted, watched and ended, whatever happens to them or to the parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import Steady, several
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import load_results
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

import sb3_ext.checkpoint
from sb3_ext import A3C
from sb3_ext.vec_env import GymnasiumVecEnv

SMALL: dict[str, Any] = {"seed": 0, "policy_kwargs": {"net_arch": [8]}}
cart_pole = several("CartPole-v1")


def a3c(env: Any = "CartPole-v1", n_workers: int = 2, **more: Any) -> A3C:
    return A3C("MlpPolicy", env, n_workers=n_workers, **{**SMALL, **more})


class Recorder(BaseCallback):
    """What callbacks see of the workers."""

    def __init__(self, stop_at: float = np.inf) -> None:
        super().__init__()
        self.stop_at, self.episodes, self.lengths = stop_at, 0, 0
        self.workers: set[int] = set()

    def _on_step(self) -> bool:
        self.workers |= {child.pid or 0 for child in multiprocessing.active_children()}
        for info in self.locals["infos"]:
            if "episode" in info:
                self.episodes += 1
                self.lengths += info["episode"]["l"]
        return self.num_timesteps < self.stop_at


def test_two_workers_count_together_and_end() -> None:
    recorder = Recorder()
    model = a3c(cart_pole(3)).learn(600, recorder)
    assert len(recorder.workers) == 2
    assert not multiprocessing.active_children()
    assert model.num_timesteps == 600 and model._n_updates == 600 / (3 * 5)
    assert 0 < recorder.lengths <= 600 and recorder.episodes == len(model.ep_info_buffer or ())
    model.learn(300, reset_num_timesteps=False)
    assert model.num_timesteps == 900 and model._n_updates == 60


def test_the_last_rollout_may_go_beyond_the_end_but_not_the_learning_rate() -> None:
    model = a3c(cart_pole(3), n_workers=1, learning_rate="lin_0.1").learn(16)
    assert model.num_timesteps == 30 and model._current_progress_remaining == 0.0


def test_a_callback_ends_the_training_at_once() -> None:
    model = a3c().learn(10_000, Recorder(stop_at=123))
    assert model.num_timesteps == 123 and model._n_updates == 120 / 5
    assert not multiprocessing.active_children()
    model = a3c().learn(10_000, StopTrainingOnMaxEpisodes(3))
    assert len(model.ep_info_buffer or ()) >= 2 and model.num_timesteps < 2_000


class Waits(BaseCallback):
    """The policy stays as it is while a callback is at work."""

    changed = 0

    def _on_step(self) -> bool:
        if self.num_timesteps in (200, 300):
            before = [parameter.clone() for parameter in self.model.policy.parameters()]
            time.sleep(0.3)
            after = list(self.model.policy.parameters())
            self.changed += not all(th.equal(a, b) for a, b in zip(before, after, strict=True))
        return True


def test_the_policy_of_callbacks_does_not_change_under_them(tmp_path: Path) -> None:
    waits = Waits()
    evaluates = EvalCallback(cart_pole(1), n_eval_episodes=2, eval_freq=100, best_model_save_path=str(tmp_path))
    a3c().learn(400, [waits, evaluates])
    assert waits.changed == 0
    assert len(A3C.load(tmp_path / "best_model").policy.optimizer.state) > 0


def test_normalization_is_of_all_workers_and_stays_with_the_model(tmp_path: Path) -> None:
    env = VecNormalize(make_vec_env("Pendulum-v1", 2))
    a3c(env).learn(400)
    # two resets of two environments in the workers, one here; an update may be lost where two meet
    assert 380 < env.obs_rms.count <= 6 + 400 + 2 * 20 + 1  # type: ignore[union-attr]
    assert np.ptp(env.obs_rms.mean) > 0  # type: ignore[union-attr]
    env.save(str(tmp_path / "vec_normalize.pkl"))
    loaded = VecNormalize.load(str(tmp_path / "vec_normalize.pkl"), make_vec_env("Pendulum-v1"))
    np.testing.assert_array_equal(loaded.obs_rms.mean, env.obs_rms.mean)  # type: ignore[union-attr]


def test_episodes_of_all_workers_are_in_the_parents_files(tmp_path: Path) -> None:
    native = GymnasiumVecEnv(gym.make_vec("CartPole-v1", num_envs=2), filename=tmp_path / "native" / "monitor.csv")
    envs = {
        "each": make_vec_env("CartPole-v1", 2, monitor_dir=str(tmp_path / "each")),
        "all": VecMonitor(DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2), str(tmp_path / "all" / "monitor.csv")),
        "native": native,
    }
    for name, env in envs.items():
        recorder = Recorder()
        a3c(env).learn(400, recorder)
        env.close()
        written = load_results(str(tmp_path / name))
        assert len(written) == recorder.episodes > 0 and written["l"].sum() == recorder.lengths


class Ends(Steady):
    """Does something at its twentieth step."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self.t == 20:
            if self.what == "raise":
                raise ValueError("the pole\nbroke")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(action)


def test_a_worker_that_fails_ends_the_training_with_its_traceback() -> None:
    model = a3c(Ends("raise"))
    with pytest.raises(RuntimeError, match=r"^A3C: worker \d failed: ValueError: the pole broke$") as error:
        model.learn(1_000)
    assert 'raise ValueError("the pole\\nbroke")' in str(error.value.__cause__)
    assert not multiprocessing.active_children() and 0 < model._n_updates <= 8


def test_a_worker_that_is_killed_ends_the_training() -> None:
    with pytest.raises(RuntimeError, match=r"^A3C: worker \d was killed \(SIGKILL\)\.$"):
        a3c(Ends("kill")).learn(1_000)
    assert not multiprocessing.active_children()


def test_ctrl_c_keeps_what_was_learned() -> None:
    class Interrupt(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 200:
                os.kill(os.getpid(), signal.SIGINT)
            return True

    model = a3c()
    before = model.policy.parameters_to_vector()
    with pytest.raises(KeyboardInterrupt):
        model.learn(10_000, Interrupt())
    assert not multiprocessing.active_children()
    assert not hasattr(model, "_elsewhere"), "checkpoints that follow have all of the training"
    assert 35 <= model._n_updates <= 40 and not np.array_equal(before, model.policy.parameters_to_vector())
    model.learn(50, reset_num_timesteps=False)


def test_checkpoints_say_that_workers_hide_their_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a3c().learn(200, sb3_ext.checkpoint.CheckpointEvery(100, tmp_path))
    assert "not exact: .model" not in (said := capsys.readouterr().err) and "a resumed training begins" in said
    model = sb3_ext.checkpoint.load(tmp_path)
    assert model.num_timesteps == 200
    [first, *_] = sorted(tmp_path.iterdir())
    resumed = sb3_ext.checkpoint.load(first)
    left = 200 - resumed.num_timesteps
    assert left > 0
    resumed.learn(left, sb3_ext.checkpoint.CheckpointEvery(100, tmp_path), reset_num_timesteps=False)
    assert resumed.num_timesteps == 200


SCRIPT = """
import os, sys
from sb3_ext import A3C
from stable_baselines3.common.callbacks import BaseCallback

class Tell(BaseCallback):
    def _on_step(self):
        if self.num_timesteps == 100:
            print("learning", flush=True)
        return True

if __name__ == "__main__":
    model = A3C("MlpPolicy", "CartPole-v1", n_workers=2, start_method=sys.argv[1])
    model.learn(int(sys.argv[2]), Tell())
    print("learned", model._n_updates, flush=True)
"""


def processes_of(marker: str) -> list[int]:
    """Processes that were started with a variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"A3C_TEST={marker}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            pass
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
@pytest.mark.parametrize("kill", [False, True])
def test_no_process_is_left(start_method: str, kill: bool, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    environment = {**os.environ, "A3C_TEST": str(tmp_path)}
    steps = "1000000" if kill else "200"
    command = [sys.executable, str(tmp_path / "train.py"), start_method, steps]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "learning\n"
        assert len(processes_of(str(tmp_path))) >= 3
        if kill:
            process.kill()
        else:
            assert process.stdout.readline() == "learned 40\n"
    deadline = time.monotonic() + 20
    while processes_of(str(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(str(tmp_path))
