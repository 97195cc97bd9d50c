"""A training that was killed and resumed equals one that was not, to the bit."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from trainings import TRAININGS, Training

import sb3_ext
from sb3_ext import checkpoint
from sb3_ext.checkpoint import CheckpointEvery
from sb3_ext.checkpoint.capture import Capture
from sb3_ext.checkpoint.workers import specials


class Killed(Exception):
    pass


class KillAt(BaseCallback):
    """Ends a training without a chance to save."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.steps:
            raise Killed
        return True


CLOCKS = {"t", "t_start", "_t_start", "episode_times", "time_queue", "episode_start_time", "episode_start_times"}
ARRAYS = ("array", "number", "numbers", "tensor", "torch_generator")


def flat(node: Any, arrays: list[Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """All that a checkpoint holds but for clocks and files, by the place where it stands."""
    if isinstance(node, list):
        for i, item in enumerate(node):
            yield from flat(item, arrays, f"{path}[{i}]")
    elif not isinstance(node, dict):
        yield path, node
    elif "pairs" in node:
        for i, (key, item) in enumerate(node["pairs"]):
            if str(key) not in CLOCKS:
                yield from flat(item, arrays, f"{path}[{i if isinstance(key, dict) else key!r}]")
    else:
        for name, item in node.items():
            if name in ARRAYS:
                yield path, arrays[item].tolist()
            elif name not in ("id", "seen", "bytes", "_logger", *CLOCKS):
                yield from flat(item, arrays, path if name in ("state", "items") else f"{path}.{name}")


def everything(model: BaseAlgorithm) -> dict[str, Any]:
    capture = Capture(specials())
    node = capture.node(model)
    # Nobody seeds the spaces of vector environments, and the model's own show in its actions.
    aside = ("space._np_random", "_cached_spec")
    return {place: value for place, value in flat(node, capture.arrays) if not any(name in place for name in aside)}


def assert_equal_trainings(model: BaseAlgorithm, expected: BaseAlgorithm) -> None:
    for name, value in expected.policy.state_dict().items():
        assert th.equal(model.policy.state_dict()[name], value), name
    found, wanted = everything(model), everything(expected)
    different = {name for name in found.keys() | wanted.keys() if repr(found.get(name)) != repr(wanted.get(name))}
    assert not different, {name: (found.get(name), wanted.get(name)) for name in sorted(different)[:5]}


@pytest.mark.parametrize("name", TRAININGS)
def test_goes_on_as_if_it_had_not_stopped(name: str, tmp_path: Path) -> None:
    training = TRAININGS[name]
    whole = training.make()
    whole.learn(training.steps, callback=CheckpointEvery(training.every, tmp_path / "whole"))

    with pytest.raises(Killed):
        training.make().learn(
            training.steps,
            callback=[CheckpointEvery(training.every, tmp_path / "part"), KillAt(training.steps * 7 // 10)],
        )
    th.rand(3)  # a new process has drawn other numbers
    resumed = checkpoint.load(tmp_path / "part", None if training.made_again else training.make_env())
    assert type(resumed).__name__ == training.algorithm.__name__
    assert isinstance(resumed, training.algorithm)
    assert training.every <= resumed.num_timesteps < training.steps
    np.random.rand(3)
    resumed.learn(
        training.steps - resumed.num_timesteps,
        callback=CheckpointEvery(training.every, tmp_path / "part"),
        reset_num_timesteps=False,
    )
    assert type(resumed) is training.algorithm
    assert_equal_trainings(resumed, whole)


def test_callbacks_go_on_too(tmp_path: Path) -> None:
    def callbacks(folder: str) -> list[BaseCallback]:
        evaluation = EvalCallback(Monitor(gym.make("CartPole-v1")), eval_freq=40, n_eval_episodes=2, verbose=0)
        evaluation.eval_env.seed(1)
        return [CheckpointEvery(50, tmp_path / folder), evaluation]

    whole = TRAININGS["a2c"].make()
    expected = callbacks("whole")
    whole.learn(160, callback=expected)
    with pytest.raises(Killed):
        TRAININGS["a2c"].make().learn(160, callback=[*callbacks("part"), KillAt(130)])
    resumed = checkpoint.load(tmp_path / "part")
    found = callbacks("part")
    resumed.learn(160 - resumed.num_timesteps, callback=found, reset_num_timesteps=False)
    assert_equal_trainings(resumed, whole)
    for name in ("n_calls", "num_timesteps", "best_mean_reward", "last_mean_reward", "evaluations_results"):
        assert getattr(found[1], name, None) == getattr(expected[1], name, None), name


def test_between_two_trainings(tmp_path: Path) -> None:
    model = TRAININGS["sac"].make().learn(80)
    checkpoint.save(model, tmp_path / "saved")
    model.learn(80, reset_num_timesteps=False)
    resumed = checkpoint.load(tmp_path / "saved")
    th.rand(2)
    resumed.learn(80, reset_num_timesteps=False)
    assert_equal_trainings(resumed, model)


def test_a_new_training_of_a_loaded_model_begins_anew(tmp_path: Path) -> None:
    checkpoint.save(TRAININGS["a2c"].make().learn(80), tmp_path / "saved")
    model = checkpoint.load(tmp_path / "saved")
    model.learn(20)
    assert model.num_timesteps == 20


def monitored(path: Path) -> DummyVecEnv:
    return DummyVecEnv([lambda: Monitor(gym.make("CartPole-v1"), str(path))])


def episodes(path: Path) -> list[tuple[str, str]]:
    with path.open() as file:
        next(file)
        return [(line["r"], line["l"]) for line in csv.DictReader(file)]


def test_the_file_of_episodes_goes_on_with_no_line_twice(tmp_path: Path) -> None:
    def make(name: str) -> PPO:
        return PPO("MlpPolicy", monitored(tmp_path / f"{name}.monitor.csv"), n_steps=16, batch_size=16, seed=0)

    make("whole").learn(320)
    with pytest.raises(Killed):
        make("part").learn(320, callback=[CheckpointEvery(100, tmp_path / "part"), KillAt(270)])
    resumed = checkpoint.load(tmp_path / "part", monitored(tmp_path / "part.monitor.csv"))
    resumed.learn(320 - resumed.num_timesteps, reset_num_timesteps=False)
    assert episodes(tmp_path / "part.monitor.csv") == episodes(tmp_path / "whole.monitor.csv")
    assert len(episodes(tmp_path / "whole.monitor.csv")) > 5


SCRIPT = """
import os
import sys
import numpy as np
from sb3_ext import DDPG, checkpoint
from sb3_ext.checkpoint import CheckpointEvery

path, steps = sys.argv[1], int(sys.argv[2])
every = CheckpointEvery(20, path)
try:
    model = checkpoint.load(path)
except FileNotFoundError:
    model = DDPG("MlpPolicy", "Pendulum-v1", policy_kwargs=dict(net_arch=[8]), learning_starts=20, batch_size=8, seed=0)
print("begins", flush=True)
model.learn(steps - model.num_timesteps, callback=every, reset_num_timesteps=False)
model.save(path + "/saving")
os.replace(path + "/saving.zip", path + "/end.zip")
"""


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    """SIGKILL at random moments, in whatever the process does then, writing a checkpoint included."""
    (tmp_path / "train.py").write_text(SCRIPT)
    run = [sys.executable, str(tmp_path / "train.py")]
    subprocess.run([*run, str(tmp_path / "whole"), "4000"], check=True, stdout=subprocess.DEVNULL)
    rng, kills = np.random.default_rng(), 0
    while not (tmp_path / "part" / "end.zip").exists():
        process = subprocess.Popen([*run, str(tmp_path / "part"), "4000"], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"begins\n"
        time.sleep(rng.uniform(0.0, 3.0))
        if process.poll() is None and kills < 50:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        assert process.wait() in (0, -signal.SIGKILL)
        process.stdout.close()
    assert kills >= 3
    expected, found = (sb3_ext.DDPG.load(tmp_path / name / "end") for name in ("whole", "part"))
    for name, value in expected.policy.state_dict().items():
        assert th.equal(found.policy.state_dict()[name], value), name


class HidesItsState(gym.Env[Any, Any]):
    """Its steps lie in an object without attributes, as the state of environments in C does."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.steps = memoryview(bytearray(4))  # has neither attributes nor slots

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps[0] = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps[0] += 1
        return np.zeros(1, np.float32), 1.0, self.steps[0] == 10, False, {}


def test_hidden_state_is_told_and_a_new_episode_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = DQN("MlpPolicy", HidesItsState(), policy_kwargs=dict(net_arch=[4]), seed=0)
    with pytest.raises(Killed):
        model.learn(60, callback=[CheckpointEvery(12, tmp_path), KillAt(50)])
    (line,) = capsys.readouterr().err.splitlines()
    assert "not exact" in line
    assert "steps (" in line
    resumed = checkpoint.load(tmp_path, HidesItsState())
    resumed.learn(8, reset_num_timesteps=False)
    assert resumed.env is not None
    assert resumed.env.get_attr("steps")[0][0] == 8


def test_the_vectorised_emulator_hides_its_state() -> None:
    capture = Capture(specials())
    capture.node(gym.make_vec("ALE/MsPacman-v5", num_envs=1, vectorization_mode="vector_entry_point"))
    assert any("ALEVectorInterface" in hidden for hidden in capture.opaque)


def test_environments_that_cannot_be_made_again_must_be_given(tmp_path: Path) -> None:
    training: Training = TRAININGS["ppo, native"]
    checkpoint.save(training.make(), tmp_path)
    with pytest.raises(ValueError, match="pass env="):
        checkpoint.load(tmp_path)
    with pytest.raises(ValueError):
        checkpoint.load(tmp_path, gym.make("Pendulum-v1"))
