"""What the algorithms with a replay buffer have in common."""

import pathlib
from typing import Any

import pytest
from algorithm_battery import (
    Case,
    assert_equal_predictions,
    assert_equal_state,
    assert_survives_save_and_load,
    save_and_load,
)
from cases import OFF_POLICY, each
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.her import HerReplayBuffer


@each(OFF_POLICY)
def test_training_by_episodes(case: Case, tmp_path: pathlib.Path) -> None:
    model = case.make(train_freq=(2, "episode"), gradient_steps=-1).learn(60)
    assert model._n_updates == 40  # 3 rollouts of 2 episodes of 10 steps; the first ends with the warm-up
    assert_survives_save_and_load(model, tmp_path)
    with pytest.raises(ValueError, match="needs one environment, not 2"):
        case.make(case.env(2), train_freq=(1, "episode"))


@each(OFF_POLICY)
def test_hindsight_replay_buffer(case: Case, tmp_path: pathlib.Path) -> None:
    continuous = case is OFF_POLICY[0]
    env = make_vec_env(lambda: BitFlippingEnv(n_bits=3, continuous=continuous))
    model = case.make(env, "MultiInputPolicy", replay_buffer_class=HerReplayBuffer, train_freq=1).learn(40)
    assert isinstance(model.replay_buffer, HerReplayBuffer) and model._n_updates == 20
    assert_survives_save_and_load(model, tmp_path, env)


@each(OFF_POLICY)
def test_the_replay_buffer_follows_n_steps_and_gamma_at_load(case: Case, tmp_path: pathlib.Path) -> None:
    options: list[dict[str, Any]] = [{}, {"prioritized_replay": True}] if case is OFF_POLICY[1] else [{}]
    for option in options:
        model = case.make(n_steps=3, gamma=0.9, **option).learn(30)
        assert model.replay_buffer_class is None
        for changes, expected in (({"gamma": 0.5}, (3, 0.5)), ({"n_steps": 5}, (5, 0.9)), ({"n_steps": 1}, (1, 0.9))):
            buffer: Any = save_and_load(model, tmp_path, **changes).replay_buffer
            assert type(buffer) is type(model.replay_buffer)
            assert (buffer.n_steps, buffer.gamma) == expected


@each(OFF_POLICY)
def test_networks_alone_survive_save_and_load(case: Case, tmp_path: pathlib.Path) -> None:
    for options in (case.options["policy"], case.spaces["dictionaries"]):
        policy = case.build(options).learn(30).policy
        for name in {"actor", "critic", "q_net", "q_net_target"} & vars(policy)["_modules"].keys():
            network = getattr(policy, name)
            network.save(str(tmp_path / name))
            loaded = type(network).load(str(tmp_path / name), device="cpu")
            assert_equal_state(network.state_dict(), loaded.state_dict())
            if name != "critic":
                assert_equal_predictions(policy if name in policy.learned else network, loaded)
