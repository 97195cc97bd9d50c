"""The three-state environment follows its published model."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from stable_baselines3.common.env_checker import check_env

import sb3_ext
from sb3_ext.envs.toy_mdp import AVAILABLE, REWARDS, TRANSITIONS, ThreeStateMDP

assert sb3_ext


def test_checks_of_gymnasium_and_sb3() -> None:
    check_gymnasium_env(gym.make("ThreeStateMDP-v0", render_mode="rgb_array").unwrapped)
    check_env(gym.make("ThreeStateMDP-v0"))


@pytest.mark.parametrize(("state", "action"), list(zip(*np.nonzero(AVAILABLE), strict=True)))
def test_transitions_and_rewards_are_those_of_the_model(state: int, action: int) -> None:
    env = ThreeStateMDP()
    env.reset(seed=0)
    counts = np.zeros(3)
    for _ in range(1000):
        env._state = int(state)
        observation, reward, terminated, truncated, info = env.step(np.int64(action))
        assert reward == REWARDS[state, action, observation]
        assert not terminated and not truncated
        np.testing.assert_array_equal(info["action_mask"], AVAILABLE[observation])
        np.testing.assert_array_equal(env.action_masks(), AVAILABLE[observation])
        counts[observation] += 1
    np.testing.assert_allclose(counts / 1000, TRANSITIONS[state, action], atol=0.06)


@pytest.mark.parametrize(("state", "action"), list(zip(*np.nonzero(~AVAILABLE), strict=True)))
def test_an_unavailable_action_changes_nothing(state: int, action: int) -> None:
    env = ThreeStateMDP()
    env.reset(seed=0)
    env._state = int(state)
    assert env.step(np.int64(action))[:4] == (state, 0.0, False, False)


def test_starts_in_state_0_and_is_truncated_after_100_steps() -> None:
    env = gym.make("ThreeStateMDP-v0")
    observation, info = env.reset(seed=1)
    assert observation == 0
    assert info["action_mask"].tolist() == [1, 1, 1]
    ends = [env.step(0)[2:4] for _ in range(100)]
    assert ends == [(False, False)] * 99 + [(False, True)]


def test_seeded_runs_equal() -> None:
    def run(seed: int) -> list[tuple[int, float]]:
        env = gym.make("ThreeStateMDP-v0")
        env.reset(seed=seed)
        return [env.step(int(env.unwrapped.action_masks().argmax()))[:2] for _ in range(50)]

    assert run(3) == run(3) != run(4)


def test_picture_shows_the_state() -> None:
    env = ThreeStateMDP(render_mode="rgb_array")
    env.reset(seed=0)
    env._state = 2
    frame = env.render()
    assert frame is not None and frame.shape == (48, 144, 3)
    assert frame[24, 120].tolist() != frame[24, 24].tolist() == frame[24, 72].tolist()
    assert ThreeStateMDP().render() is None


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="render_mode='human' is not valid"):
        ThreeStateMDP(render_mode="human")
    env = ThreeStateMDP()
    env.reset()
    with pytest.raises(ValueError, match="action=3 is not valid; pass 0, 1 or 2"):
        env.step(3)
