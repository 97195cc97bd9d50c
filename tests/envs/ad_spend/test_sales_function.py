from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import (
    ACTION_MODES,
    OBS_MODES,
    assert_clean,
    checked,
    columns,
    diminishing,
    one_line,
    per_channel,
    run,
)

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import AdSpendEnv


@pytest.mark.parametrize("obs_mode", [*OBS_MODES, "money"])
@pytest.mark.parametrize("action_mode", ACTION_MODES)
@pytest.mark.parametrize("function", [diminishing, per_channel])
def test_checkers_with_a_sales_function(function: Callable[..., Any], action_mode: Any, obs_mode: Any) -> None:
    observed = {"obs_range": (0.0, 100.0)} if obs_mode == "money" else {"obs_mode": obs_mode}
    env = AdSpendEnv(sales_function=function, act_range=(0.0, 100.0), action_mode=action_mode, **observed)
    assert_clean(checked(env), action_mode)


def test_sales_function_by_hand() -> None:
    env = AdSpendEnv(sales_function=diminishing, act_range=(0.0, 100.0), periods=2, action_mode="currency")
    assert env.budget == pytest.approx(2 * 2 * 50.0)
    assert env.observation_names == (
        "spend_facebook",
        "spend_instagram",
        "sales",
        "budget_left",
        "pace",
        "time_left",
    )
    observations, rewards, infos = run(env, columns((64, 100), (36, 100)))
    np.testing.assert_allclose(np.array(rewards) * env.reward_scale, [14.0, 2 * np.sqrt(50)])
    np.testing.assert_allclose(observations[1][:4], [0.64, 0.36, 14 / 100, 0.5], rtol=1e-6)
    assert [info["clipped"] for info in infos] == [False, True]
    np.testing.assert_allclose(infos[0]["roas"], [14 / 100])
    assert "optimal_value" not in infos[-1]
    assert infos[-1]["campaign_value"] == pytest.approx(14 + 2 * np.sqrt(50))


def test_sales_function_may_sell_per_channel() -> None:
    env = AdSpendEnv(sales_function=per_channel, act_range=(0.0, 100.0), periods=1, action_mode="currency")
    info = run(env, columns((5,), (15,)))[2][-1]
    np.testing.assert_allclose(info["sales"], [5.0, 7.5])
    np.testing.assert_allclose(info["roas"], [1.0, 0.5])


def test_sales_function_with_budget_names_and_array_ranges() -> None:
    env = AdSpendEnv(
        sales_function=diminishing,
        budget=30.0,
        periods=3,
        act_range=([1, 0, 2], [4, 5, 6]),
        channel_names=("a", "b", "c"),
        action_mode="currency",
    )
    np.testing.assert_array_equal([env.action_space.low, env.action_space.high], [[1, 0, 2], [4, 5, 6]])
    default = AdSpendEnv(sales_function=diminishing, budget=30.0, periods=3, channel_names=("a", "b"))
    np.testing.assert_allclose(default.spend_bounds, [[0, 0], [20, 20]])


def test_sales_function_that_fails_later() -> None:
    env = AdSpendEnv(sales_function=lambda x: np.nan if x[0] > 50 else 1.0, act_range=(0, 100), action_mode="currency")
    env.reset()
    env.step(np.array([10.0, 10.0]))
    with pytest.raises(ValueError) as error:
        env.step(np.array([60.0, 10.0]))
    one_line(error, "sales_function", "nan", "[60.0, 10.0]")
