"""Policies that learn nothing, and the three-state chapter."""

import numpy as np
from gymnasium import spaces

from docs.tutorials import three_states
from docs.tutorials.baselines import (
    BASELINES,
    Baseline,
    measure_baselines,
    push_along,
    push_towards_the_fall,
)
from sb3_ext.envs.toy_mdp import AVAILABLE
from sb3_ext.evaluation.measure import Rule, random_actions


def test_the_tutorials_rule_pushes_left_if_the_pole_leans_left() -> None:
    observations = np.array([[0, 0, -0.1, 5], [0, 0, 0.1, -5]], dtype=np.float32)
    assert list(push_towards_the_fall(observations)) == [0, 1]


def test_the_car_is_pushed_where_it_moves() -> None:
    assert list(push_along(np.array([[0.3, -0.01], [-0.3, 0.01]]))) == [0, 2]


def test_random_actions_repeat_with_the_seed_and_use_every_action() -> None:
    first, second = (random_actions(spaces.Discrete(3), 7).predict(np.zeros((50, 2)))[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert set(first) == {0, 1, 2}


def test_a_measured_rule_earns_what_the_environment_pays() -> None:
    """Coasting never reaches the goal: -200 in every episode."""
    coast = Baseline("MountainCar-v0", "coast", 12, lambda _: Rule(lambda states: np.ones(len(states), dtype=int)))
    (record,) = measure_baselines("command", [coast])
    assert (record["mean_return"], record["std_return"], record["worst_return"]) == (-200.0, 0.0, -200.0)
    assert record["episodes"] == 12
    assert record["first_evaluation_seed"] == 10_000


def test_the_rule_beats_random_actions_on_cart_pole() -> None:
    random, rule = (
        next(measure_baselines("", [baseline._replace(episodes=20)]))["mean_return"]
        for baseline in BASELINES
        if baseline.env_id == "CartPole-v1"
    )
    assert 15 < random < 30 < rule < 60


def test_exact_values_are_the_tutorials() -> None:
    expected = [[18.91891892, 17.02702702, 13.62162162], [0.0, -np.inf, -4.87971488], [-np.inf, 50.13365013, -np.inf]]
    np.testing.assert_allclose(three_states.exact_q_values(), expected, atol=1e-6)


def test_records_hold_the_exact_values_and_those_at_the_end() -> None:
    tables = np.zeros((2, 3, 3))
    tables[-1] = np.arange(9).reshape(3, 3)
    run = three_states.Learned("random actions", 4, np.array([0, 10]), tables)
    lines = list(three_states.records([run], "command"))
    exact, learned = lines[:6], lines[6:]
    assert {line["method"] for line in exact} == {"exact"}
    assert [line["q_value"] for line in learned] == [0.0, 1.0, 2.0, 3.0, 5.0, 7.0]
    assert {(line["state"], line["action"]) for line in lines} == {tuple(pair) for pair in np.argwhere(AVAILABLE)}
    assert all(line["training_seed"] == 4 and line["training_steps"] == 10 for line in learned)


def test_the_settings_of_the_tutorial_are_learned_with() -> None:
    for exploration in three_states.SETTINGS:
        run = three_states.learn(exploration, seed=0, every=5_000)
        assert list(run.steps) == [0, 5_000, 10_000]
        assert np.array_equal(np.isneginf(run.q_values[-1]), ~AVAILABLE)
        assert list(run.q_values[-1].argmax(axis=1)) == [0, 0, 1]
