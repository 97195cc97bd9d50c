"""
Every public method of SB3's base classes of algorithms does with our classes what it does with SB3's.

The methods are found by inspection: one that a new version of SB3 brings has no call here, and is missed by name.
"""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from algorithm_battery import Case, assert_equal_predictions, assert_equal_state
from cases import CASES, OFF_POLICY, name
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, ConvertCallback
from stable_baselines3.common.logger import Logger, configure
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from upstream_methods import Calls, public

ON_POLICY = [case for case in CASES if issubclass(case.algorithm, OnPolicyAlgorithm)]

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")


class Recorder(BaseCallback):
    """Counts steps and rollouts."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = self.rollouts = 0

    def _on_rollout_start(self) -> None:
        self.rollouts += 1

    def _on_step(self) -> bool:
        self.steps += 1
        return True


def set_logger(model: Any, case: Case, folder: pathlib.Path) -> None:
    given = configure(str(folder), ["csv"])
    model.set_logger(given)
    model.learn(case.steps, log_interval=1)
    assert model.logger is given and "time/total_timesteps" in (folder / "progress.csv").read_text()


def logger(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.learn(1)
    assert isinstance(model.logger, Logger)


def get_env(model: Any, case: Case, folder: pathlib.Path) -> None:
    assert model.get_env() is model.env and isinstance(model.get_env(), VecEnv)
    model.save(folder / "model")
    assert case.algorithm.load(folder / "model").get_env() is None


def get_vec_normalize_env(model: Any, case: Case, folder: pathlib.Path) -> None:
    assert model.get_vec_normalize_env() is None
    normalized = VecNormalize(case.env(1), norm_obs=False)
    assert case.make(normalized).get_vec_normalize_env() is normalized
    model.set_env(normalized)
    assert model.get_vec_normalize_env() is normalized
    model.learn(case.steps)


def set_env(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.learn(case.steps)
    other = case.env(1)
    model.set_env(other)
    assert model.env is other
    model.learn(case.steps, reset_num_timesteps=False)
    with pytest.raises(AssertionError, match="number of environments"):
        model.set_env(case.env(2))
    with pytest.raises(ValueError, match="spaces do not match"):
        model.set_env(gym.make("MountainCarContinuous-v0"))


def learn(model: Any, case: Case, folder: pathlib.Path) -> None:
    recorder, called = Recorder(), []
    assert model.learn(case.steps, [recorder, ConvertCallback(lambda *_: True)], log_interval=None) is model
    assert recorder.steps == model.num_timesteps >= case.steps and recorder.rollouts > 0
    model.learn(case.steps, lambda *given: called.append(given) or True, reset_num_timesteps=False)
    assert len(called) + recorder.steps == model.num_timesteps
    stopped = model.num_timesteps
    model.learn(case.steps, lambda *_: False, reset_num_timesteps=False)
    assert model.num_timesteps == stopped + 1


def predict(model: Any, case: Case, folder: pathlib.Path) -> None:
    observations = model.env.reset()
    for deterministic in (True, False):
        actions, state = model.predict(observations, state=None, episode_start=None, deterministic=deterministic)
        assert len(actions) == 1 and state is None
        action, _ = model.predict(observations[0], deterministic=deterministic)
        assert action.shape == actions.shape[1:] and action in model.action_space


def set_random_seed(model: Any, case: Case, folder: pathlib.Path) -> None:
    drawn = []
    for seed in (5, 5, 6, None):
        model.set_random_seed(seed)
        drawn.append((np.random.random(), float(th.rand(1)), *np.ravel(model.action_space.sample())))
    assert drawn[0] == drawn[1] != drawn[2]


def get_parameters(model: Any, case: Case, folder: pathlib.Path) -> None:
    parameters = model.learn(case.steps).get_parameters()
    assert_equal_state(parameters["policy"], model.policy.state_dict())
    assert all(isinstance(part, dict) for part in parameters.values())


def set_parameters(model: Any, case: Case, folder: pathlib.Path) -> None:
    other = case.make(seed=1).learn(case.steps)
    for given in (other.get_parameters(), folder / "model.zip"):
        other.save(folder / "model")
        model.set_parameters(given, exact_match=True, device="cpu")
        assert_equal_state(model.get_parameters(), other.get_parameters())
        assert_equal_predictions(model, other)
    model.set_parameters({"policy": other.get_parameters()["policy"]}, exact_match=False)
    if len(other.get_parameters()) > 1:
        with pytest.raises(ValueError, match="Names of parameters do not match"):
            model.set_parameters({"policy": other.get_parameters()["policy"]})
    with pytest.raises(ValueError, match="invalid object name"):
        model.set_parameters({"no_such_part": {}}, exact_match=False)
    model.learn(case.steps)


def save(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.note, model.secret = "kept", "not kept"
    model.save(folder / "model", exclude=["secret"], include=["_vec_normalize_env"])
    assert [path.name for path in folder.iterdir()] == ["model.zip"]
    loaded = case.algorithm.load(folder / "model")
    assert loaded.note == "kept" and not hasattr(loaded, "secret")
    with open(folder / "stream", "wb") as file:
        model.save(file)
    with open(folder / "stream", "rb") as file:
        assert_equal_predictions(model, case.algorithm.load(file))


def load(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.learn(case.steps)
    model.save(folder / "model")
    loaded = case.algorithm.load(
        folder / "model.zip", case.env(1), "cpu", {"seed": 7}, print_system_info=True, force_reset=False, verbose=0
    )
    assert loaded.seed == 7 and loaded.num_timesteps == model.num_timesteps
    assert_equal_predictions(model, loaded)
    with pytest.raises(ValueError, match="spaces do not match"):
        case.algorithm.load(folder / "model", gym.make("MountainCarContinuous-v0"))
    with pytest.raises(ValueError, match="policy kwargs do not equal"):
        case.algorithm.load(folder / "model", policy_kwargs={"other": 1})


def dump_logs(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.set_logger(configure(str(folder), ["csv"]))
    model.learn(case.steps, log_interval=None)
    model.dump_logs()
    assert "rollout/ep_rew_mean" in (folder / "progress.csv").read_text()


ALGORITHM: Calls = {
    call.__name__: call
    for call in (
        set_logger,
        logger,
        get_env,
        get_vec_normalize_env,
        set_env,
        learn,
        predict,
        set_random_seed,
        get_parameters,
        set_parameters,
        save,
        load,
        dump_logs,
    )
}


def replay_buffer_files(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.learn(case.steps)
    kept = model.replay_buffer
    for path in (folder / "buffer", str(folder / "other.pkl")):
        model.save_replay_buffer(path)
        model.load_replay_buffer(path, truncate_last_traj=False)
        assert model.replay_buffer is not kept and model.replay_buffer.pos == kept.pos
        np.testing.assert_array_equal(model.replay_buffer.rewards, kept.rewards)
    with open(folder / "stream", "wb") as file:
        model.save_replay_buffer(file)
    with open(folder / "stream", "rb") as file:
        model.load_replay_buffer(file)
    model.learn(case.steps, reset_num_timesteps=False)


def train_off_policy(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.learn(case.steps)
    updates = model._n_updates
    model.train(gradient_steps=3, batch_size=5)
    assert model._n_updates == updates + 3


def collect_off_policy(model: Any, case: Case, folder: pathlib.Path) -> None:
    _, callback = model._setup_learn(10, None)
    frequency = TrainFreq(7, TrainFrequencyUnit.STEP)
    rollout = model.collect_rollouts(
        model.env, callback, frequency, model.replay_buffer, model.action_noise, learning_starts=3, log_interval=4
    )
    assert (rollout.episode_timesteps, model.replay_buffer.size()) == (7, 7) and rollout.continue_training


def collect_on_policy(model: Any, case: Case, folder: pathlib.Path) -> None:
    model.learn(case.steps)
    recorder = Recorder()
    recorder.init_callback(model)
    before = model.num_timesteps
    assert model.collect_rollouts(model.env, recorder, model.rollout_buffer, n_rollout_steps=model.n_steps)
    assert model.num_timesteps == before + recorder.steps and recorder.steps > 0


def train_on_policy(model: Any, case: Case, folder: pathlib.Path) -> None:
    collect_on_policy(model, case, folder)
    updates = model._n_updates
    model.train()
    assert model._n_updates > updates


OFF: Calls = {
    "learn": learn,
    "dump_logs": dump_logs,
    "train": train_off_policy,
    "collect_rollouts": collect_off_policy,
    "save_replay_buffer": replay_buffer_files,
    "load_replay_buffer": replay_buffer_files,
}
ON: Calls = {"learn": learn, "dump_logs": dump_logs, "train": train_on_policy, "collect_rollouts": collect_on_policy}


def algorithm_calls() -> Iterator[Any]:
    for case in CASES:
        calls = {**ALGORITHM, **(OFF if case in OFF_POLICY else ON if case in ON_POLICY else {})}
        for method, call in calls.items():
            if not (method == "load_replay_buffer" and calls["save_replay_buffer"] is call):
                yield pytest.param(case, call, id=f"{name(case)}-{method}")


@pytest.mark.parametrize(("case", "call"), algorithm_calls())
def test_algorithms(case: Case, call: Callable[..., None], tmp_path: pathlib.Path) -> None:
    call(case.make(), case, tmp_path)


def test_no_public_method_is_left_out() -> None:
    assert public(BaseAlgorithm) == ALGORITHM.keys()
    assert public(OffPolicyAlgorithm) == OFF.keys()
    assert public(OnPolicyAlgorithm) == ON.keys()
    assert OFF_POLICY == [case for case in CASES if issubclass(case.algorithm, OffPolicyAlgorithm)]
