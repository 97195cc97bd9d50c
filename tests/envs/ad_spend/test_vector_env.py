import copy
import math
import pickle
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ad_spend_strategies import (
    EVERYTHING,
    actions_of,
    one_line,
)
from gymnasium.vector import AutoresetMode

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel

IDS = sorted(env_id for env_id in gym.registry if env_id.startswith("AdSpend"))


MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP]


def same(one: Any, other: Any, what: str) -> None:
    """Equal infos: arrays to 1e-12, masks, and what is nested."""
    if isinstance(one, dict):
        for key in one:
            same(one[key], other[key], f"{what}/{key}")
        return
    if np.asarray(other).dtype.hasobject:
        other = np.stack(list(other))
    assert np.shape(one) == np.shape(other), what
    np.testing.assert_allclose(
        np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64), rtol=1e-12, atol=1e-12, err_msg=what
    )


def assert_same_trajectories(mine: gym.vector.VectorEnv, upstream: gym.vector.VectorEnv, seed: Any, steps: int) -> None:
    """Observations, rewards, ends and infos of our campaigns are those of single environments in Gymnasium's loop."""
    assert mine.observation_space == upstream.observation_space
    assert mine.action_space == upstream.action_space
    assert mine.single_observation_space == upstream.single_observation_space
    observations = [envs.reset(seed=seed) for envs in (mine, upstream)]
    same(observations[0][1], observations[1][1], "info of reset")
    np.testing.assert_array_equal(observations[0][0], observations[1][0])
    rng = np.random.default_rng(0)
    low, high = mine.action_space.low.astype(np.float64), mine.action_space.high
    ended = 0
    for step in range(steps):
        # Thrifty and lavish campaigns, and some beyond the bounds.
        share = rng.uniform(-0.05, 1.05, low.shape) * np.linspace(0.4, 1.0, mine.num_envs)[:, None]
        actions = (low + (high - low) * share).astype(np.float32)
        (*arrays, info), (*others, expected) = mine.step(actions), upstream.step(actions)
        for name, array, other in zip(
            ("observation", "reward", "terminated", "truncated"), arrays, others, strict=True
        ):
            assert (array.shape, array.dtype) == (other.shape, other.dtype)
            np.testing.assert_allclose(array, other, rtol=1e-12, atol=1e-12, err_msg=f"{name} {step}")
        same(info, expected, f"info {step}")
        assert {key for key in expected if key.startswith("final")} == {key for key in info if key.startswith("final")}
        ended += bool(arrays[2].all())
    assert ended == 3
    mine.close()
    upstream.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_registered_ids_go_as_single_environments_do(env_id: str, mode: AutoresetMode) -> None:
    mine = gym.make_vec(env_id, num_envs=3, autoreset_mode=mode)
    assert isinstance(mine, AdSpendVectorEnv)
    upstream = gym.make_vec(
        env_id, num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, references=False
    )
    steps = 3 * 28 + (2 if mode is AutoresetMode.NEXT_STEP else 0)
    assert_same_trajectories(mine, upstream, 17, steps)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "changes",
    [
        {"action_mode": "currency", "obs_mode": "partial", "lags": 3},
        {"obs_mode": "spend"},
        {"obs_range": (0.0, 5000.0), "act_range": (100.0, 6000.0), "budget": 5e4},
        {"reward_scale": 10.0, "lags": 12},
    ],
)
def test_options_go_as_single_environments_do(changes: dict[str, Any], mode: AutoresetMode) -> None:
    """With everything random at once, and a list of seeds."""
    mine = AdSpendVectorEnv(4, EVERYTHING, periods=9, autoreset_mode=mode, **changes)
    singles = [lambda: AdSpendEnv(EVERYTHING, periods=9, references=False, **changes)] * 4
    upstream = gym.vector.SyncVectorEnv(singles, autoreset_mode=mode)
    steps = 27 + (2 if mode is AutoresetMode.NEXT_STEP else 0)
    assert_same_trajectories(mine, upstream, [5, 100, 5, 2**40], steps)


def test_a_sales_function_goes_as_in_single_environments() -> None:
    arguments: dict[str, Any] = {
        "sales_function": lambda spend: float(np.sqrt(spend).sum()),
        "act_range": (0.0, 100.0),
        "periods": 5,
        "lags": 1,
    }
    for mode in MODES:
        mine = AdSpendVectorEnv(2, autoreset_mode=mode, **arguments)
        upstream = gym.vector.SyncVectorEnv([lambda: AdSpendEnv(**arguments)] * 2, autoreset_mode=mode)
        assert_same_trajectories(mine, upstream, 1, 15 + (2 if mode is AutoresetMode.NEXT_STEP else 0))


def prices(envs: AdSpendVectorEnv) -> np.ndarray:
    assert envs.scenario.price_shock is not None
    return envs.scenario.price_shock


def test_seeds() -> None:
    envs = AdSpendVectorEnv(3, "shock", periods=2)
    envs.reset(seed=[7, 9, 7])
    first = prices(envs)
    np.testing.assert_array_equal(first[:, 0], first[:, 2])
    assert not np.any(first[:, 0] == first[:, 1])
    envs.reset(seed=7)
    second = prices(envs)
    np.testing.assert_array_equal([second[:, 0], second[:, 2]], [first[:, 0], first[:, 1]])
    envs.reset()
    assert not np.any(prices(envs) == second)
    envs.reset(seed=np.int64(7))
    np.testing.assert_array_equal(prices(envs), second)
    unseeded = [AdSpendVectorEnv(2, "shock", periods=2) for _ in range(2)]
    for one in unseeded:
        one.reset()
    assert np.unique([prices(one) for one in unseeded]).size == 16


def test_none_among_the_seeds_continues_as_in_gymnasium() -> None:
    envs = AdSpendVectorEnv(3, "shock", periods=2)
    upstream = gym.vector.SyncVectorEnv([lambda: AdSpendEnv("shock", periods=2)] * 3)
    for seed in (7, [None, 1, None], None, [None] * 3):
        np.testing.assert_array_equal(envs.reset(seed=seed)[0], upstream.reset(seed=seed)[0])


@pytest.mark.parametrize("market", ["static", "shock"])
def test_seeds_that_no_environment_gave_are_refused(market: str) -> None:
    envs = AdSpendVectorEnv(3, market, periods=2)
    for seed in ([1, 2], [1, 2, 3, 4], []):
        with pytest.raises(ValueError) as error:
            envs.reset(seed=seed)
        one_line(error, "seed", "3", len(seed))


def test_reset_mask_may_only_be_all() -> None:
    envs = AdSpendVectorEnv(3, "shock", periods=2, autoreset_mode=AutoresetMode.DISABLED)
    envs.reset(seed=1)
    envs.step(actions_of(envs))
    with pytest.raises(ValueError) as error:
        envs.reset(options={"reset_mask": np.array([True, False, True])})
    one_line(error, "reset_mask", "all True")
    # A refused reset changes nothing.
    assert envs.step(actions_of(envs))[2].all()
    observation, info = envs.reset(options={"reset_mask": np.ones(3, dtype=np.bool_)})
    np.testing.assert_array_equal(observation[:, envs.observation_names.index("time_left")], 1.0)
    np.testing.assert_array_equal(info["budget_left"], envs.budget)


def test_disabled_autoreset_waits_for_a_reset() -> None:
    envs = AdSpendVectorEnv(2, "shock", periods=2, autoreset_mode="Disabled")
    assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    envs.reset(seed=1)
    first = prices(envs)
    envs.step(actions_of(envs))
    *_, terminated, truncated, info = envs.step(actions_of(envs))
    assert terminated.all() and not truncated.any()
    assert {"campaign_value", "utilization"} <= set(info)
    assert "final_obs" not in info
    with pytest.raises(RuntimeError, match="reset"):
        envs.step(actions_of(envs))
    envs.reset()
    assert not np.any(prices(envs) == first)
    assert not envs.step(actions_of(envs))[2].any()


def test_next_step_ignores_the_action_of_a_reset() -> None:
    envs = AdSpendVectorEnv(2, "shock", periods=1)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    start, _ = envs.reset(seed=1)
    assert envs.step(actions_of(envs))[2].all()
    observation, rewards, terminated, truncated, info = envs.step(actions_of(envs, np.nan))
    assert not np.array_equal(observation, start)
    np.testing.assert_array_equal(rewards, 0.0)
    assert not terminated.any() and not truncated.any()
    np.testing.assert_array_equal(info["budget_left"], envs.budget)
    # A reset of one's own comes instead of the automatic one.
    envs.step(actions_of(envs))
    envs.reset(seed=1)
    assert envs.step(actions_of(envs))[2].all()


def test_final_observations_and_infos() -> None:
    envs = AdSpendVectorEnv(3, "uncertain", periods=2, autoreset_mode=AutoresetMode.SAME_STEP)
    start, _ = envs.reset(seed=1)
    *_, rewards_before, _, _, info = envs.step(actions_of(envs))
    assert "final_obs" not in info
    observation, rewards, terminated, _, info = envs.step(actions_of(envs))
    time_left = envs.observation_names.index("time_left")
    np.testing.assert_array_equal(observation[:, time_left], 1.0)
    np.testing.assert_array_equal(info["final_obs"][:, time_left], 0.0)
    assert terminated.all() and info["_final_obs"].all() and info["_final_info"].all()
    assert "campaign_value" not in info
    final = info["final_info"]
    np.testing.assert_allclose(final["campaign_value"], envs.reward_scale * (rewards + rewards_before))
    np.testing.assert_allclose(final["utilization"], 1 - final["budget_left"] / envs.budget)
    np.testing.assert_array_equal(start, envs.reset(seed=1)[0])


def test_what_was_returned_does_not_change_later() -> None:
    for mode in MODES:
        envs = AdSpendVectorEnv(3, EVERYTHING, periods=3, lags=2, autoreset_mode=mode)
        returned = [envs.reset(seed=1)] + [envs.step(actions_of(envs)) for _ in range(2)]
        kept = copy.deepcopy(returned)
        for _ in range(5):
            envs.step(actions_of(envs, 1.0))
        for before, after in zip(kept, returned, strict=True):
            for one, other in zip(before[:-1], after[:-1], strict=True):
                np.testing.assert_array_equal(one, other)
            same(before[-1], after[-1], "info")


def test_what_was_returned_belongs_to_the_caller() -> None:
    envs, untouched = (AdSpendVectorEnv(3, EVERYTHING, periods=2, autoreset_mode="SameStep") for _ in range(2))

    def spoil(values: Any) -> None:
        for value in values.values() if isinstance(values, dict) else values:
            if isinstance(value, dict):
                spoil(value)
            elif value.flags.writeable:
                value[...] = 0

    for one in (envs, untouched):
        one.reset(seed=1)
    for _ in range(5):
        mine, other = envs.step(actions_of(envs)), untouched.step(actions_of(envs))
        for array, expected in zip(mine[:-1], other[:-1], strict=True):
            np.testing.assert_array_equal(array, expected)
        same(mine[-1], other[-1], "info")
        spoil(mine)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda envs: pickle.loads(pickle.dumps(envs))])
def test_copies_in_the_middle_continue_the_same_path(copied: Any) -> None:
    envs = AdSpendVectorEnv(3, EVERYTHING, periods=3, lags=2)
    envs.reset(seed=1)
    envs.step(actions_of(envs))
    twin = copied(envs)
    for _ in range(8):
        for mine, other in zip(envs.step(actions_of(envs))[:4], twin.step(actions_of(envs))[:4], strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("num_envs", [0, -1, True, 2.0, "3", None, math.nan])
def test_numbers_of_environments_out_of_range(num_envs: Any) -> None:
    with pytest.raises(ValueError) as error:
        AdSpendVectorEnv(num_envs)
    one_line(error, "num_envs", repr(num_envs), ">= 1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"render_mode": "rgb_array"}, ["rgb_array", "AdSpendEnv"]),
        ({"autoreset_mode": "sometimes"}, ["autoreset_mode", "SameStep", "NextStep", "Disabled", "'sometimes'"]),
        ({"budget": -1.0}, ["budget", "-1.0"]),
    ],
)
def test_errors_at_the_door(arguments: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ValueError) as error:
        AdSpendVectorEnv(2, **arguments)
    one_line(error, *said)


@pytest.mark.parametrize("market", ["static", "delivery"])
@pytest.mark.parametrize("action_mode", ["normalized", "currency"])
@pytest.mark.parametrize(
    "action", [np.zeros(2), np.zeros((2, 2)), np.zeros((3, 1)), np.zeros((1, 3, 2)), 0.0, np.nan, np.inf, -np.inf]
)
def test_malformed_actions(market: str, action_mode: Any, action: Any) -> None:
    envs = AdSpendVectorEnv(3, market, action_mode=action_mode)
    envs.reset(seed=1)
    if np.ndim(action) == 0 and action != 0.0:
        spoiled = actions_of(envs)
        spoiled[1, 0] = action
        action = spoiled
    with pytest.raises(ValueError) as error:
        envs.step(action)
    one_line(error, "action")
    # A refused action changes nothing.
    np.testing.assert_array_equal(envs.step(envs.action_space.low)[4]["budget_left"], envs.budget)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_a_step_before_the_first_reset_is_a_programming_error(mode: AutoresetMode) -> None:
    envs = AdSpendVectorEnv(2, "shock", autoreset_mode=mode)
    with pytest.raises(RuntimeError, match="reset"):
        envs.step(actions_of(envs))


@pytest.mark.parametrize("num_envs", [1, 2])
def test_markets_of_one_channel(num_envs: int) -> None:
    market = replace(EVERYTHING, channels=(Channel("a", beta=9000.0, kappa=3000.0, theta=0.8),))
    envs = AdSpendVectorEnv(num_envs, market, 1e4, periods=3, autoreset_mode="SameStep", lags=1)
    singles = gym.vector.SyncVectorEnv(
        [lambda: AdSpendEnv(market, 1e4, periods=3, lags=1, references=False)] * num_envs, autoreset_mode="SameStep"
    )
    assert_same_trajectories(envs, singles, 0, 9)
