"""The update, the exploration and the masks, against hand calculations."""

from collections import Counter
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ext.q_learning import QLearning


class Line(gym.Env[np.int64, np.int64]):
    """States 0, 1, 2, ... whatever the action; each step earns the number of the state it leaves plus 1."""

    def __init__(self, length: int = 3, terminates: bool = True, masks: list[list[int]] | None = None) -> None:
        self.observation_space = spaces.Discrete(length + 1)
        self.action_space = spaces.Discrete(2)
        self.length, self.terminates, self.masks = length, terminates, masks
        self.asked: Counter[int] = Counter()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        super().reset(seed=seed)
        self.state = 0
        return np.int64(0), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        assert self.masks is None or self.masks[self.state][action]
        self.state += 1
        last = self.state == self.length
        info = {} if self.masks is None else {"action_mask": np.array(self.masks[self.state], np.int8)}
        return np.int64(self.state), float(self.state), last and self.terminates, last and not self.terminates, info


class MaskedLine(Line):
    def action_masks(self) -> list[int]:
        assert self.masks is not None
        self.asked[self.state] += 1
        return self.masks[self.state]


def make(*envs: gym.Env[Any, Any], **kwargs: Any) -> QLearning:
    defaults = {
        "learning_rate": 0.5,
        "gamma": 0.8,
        "exploration_initial_eps": 0.0,
        "exploration_final_eps": 0.0,
    }
    vec_env = DummyVecEnv([lambda env=env: env for env in envs])
    return QLearning("TablePolicy", vec_env, seed=0, **{**defaults, **kwargs})


def test_terminated_episodes_have_no_future_truncated_ones_have() -> None:
    # Row 3 keeps its initial 10: it is only ever bootstrapped from, if at all.
    for terminates, last in ((True, 0.5 * 3 + 5), (False, 0.5 * (3 + 0.8 * 10) + 5)):
        model = make(Line(terminates=terminates), policy_kwargs={"q_init": 10.0}).learn(3)
        expected = [[5 + 0.5 * (1 + 8), 10], [5 + 0.5 * (2 + 8), 10], [last, 10], [10, 10]]
        np.testing.assert_allclose(model.q_table, expected)
        np.testing.assert_array_equal(model.visit_counts, [[1, 0], [1, 0], [1, 0], [0, 0]])


def test_targets_take_the_best_next_action() -> None:
    model = make(Line())
    model.q_table[1] = [2.0, 7.0]
    model.learn(1)
    assert model.q_table[0, 0] == pytest.approx(0.5 * (1 + 0.8 * 7))


def test_sarsa_targets_take_the_action_that_follows() -> None:
    model = make(Line(length=6), exploration_initial_eps=0.5, exploration_final_eps=0.5, update="sarsa")
    model.q_table[:] = first = np.random.default_rng(0).normal(size=(7, 2))
    table, seen = first.copy(), []
    model.env.envs[0].action_space.seed(0)
    step = model.env.step_wait
    model.env.step_wait = lambda: seen.append(int(model.env.actions[0])) or step()  # type: ignore[method-assign]
    model.learn(5)
    for state, (action, following) in enumerate(zip(seen, [*seen[1:], int(model._next_choices[0])], strict=True)):
        table[state, action] += 0.5 * (state + 1 + 0.8 * first[state + 1, following] - table[state, action])
    np.testing.assert_allclose(model.q_table, table)
    # The action that was valued is the one that is taken, in a second call as well.
    following = int(model._next_choices[0])
    model.learn(1, reset_num_timesteps=False)
    assert seen[-1] == following


@pytest.mark.parametrize("terminates", [True, False])
def test_sarsa_at_the_end_of_an_episode(terminates: bool) -> None:
    model = make(Line(length=1, terminates=terminates), update="sarsa")
    model.q_table[1] = [3.0, 7.0]
    model.learn(1)
    assert model.q_table[0, 0] == pytest.approx(0.5 * (1 + (0 if terminates else 0.8 * 7)))


def test_expected_sarsa_targets_take_the_mean_over_the_actions() -> None:
    model = make(Line(), exploration_initial_eps=0.4, exploration_final_eps=0.4, update="expected_sarsa")
    model.q_table[1] = [2.0, 7.0]
    model.learn(1)
    learned = model.q_table[0].sum()
    assert learned == pytest.approx(0.5 * (1 + 0.8 * (0.6 * 7 + 0.4 * 4.5)))


def test_expected_sarsa_leaves_out_unavailable_actions() -> None:
    env = MaskedLine(masks=[[1, 1], [1, 0], [1, 1], [1, 1]])
    model = make(env, exploration_initial_eps=1.0, exploration_final_eps=1.0, update="expected_sarsa")
    model.q_table[1] = [2.0, 7.0]
    model.learn(1)
    assert model.q_table[0].sum() == pytest.approx(0.5 * (1 + 0.8 * 2))


def test_double_q_learning_values_the_choice_of_one_table_by_the_other() -> None:
    model = make(*[Line() for _ in range(64)], learning_rate=0.5, update="double_q")
    tables = model.policy.tables
    tables[:, 1] = [[2.0, 7.0], [5.0, 3.0]]
    model.learn(64)
    # Table 0 would take action 1, worth 3 to table 1; table 1 would take action 0, worth 2 to table 0.
    for table, value in enumerate((1 + 0.8 * 3, 1 + 0.8 * 2)):
        assert 0.99 * value < tables[table, 0, 0] <= value
    np.testing.assert_allclose(model.q_table, tables.mean(axis=0))


def test_double_q_learning_does_not_overestimate() -> None:
    """A choice of 20 actions that are worth 0 and noisy: the maximum looks good to one table, not to two."""

    class Noise(gym.Env[np.int64, np.int64]):
        observation_space, action_space = spaces.Discrete(1), spaces.Discrete(20)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.int64, dict[str, Any]]:
            super().reset(seed=seed)
            return np.int64(0), {}

        def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
            return np.int64(0), self.np_random.normal(), False, self.np_random.random() < 0.1, {}

    values = {}
    for update in ("q", "double_q"):
        model = make(Noise(), learning_rate=0.1, update=update, exploration_initial_eps=1.0, exploration_final_eps=1.0)
        values[update] = model.learn(6000).q_table.max()
    assert values["double_q"] < 0.5 * values["q"]


def test_learning_rate_decays_with_the_updates() -> None:
    model = make(Line(length=1), learning_rate=lambda progress: 0.5 if progress > 0.2 else 0.25, learning_rate_decay=1)
    values, rates = [0.0, 0.0], [0.5, 0.5 / 2, 0.5 / 3, 0.25 / 4]
    for rate in rates:
        action = int(np.argmax(values))
        values[action] += rate * (1 - values[action])
    np.testing.assert_allclose(model.learn(4).q_table[0], values)


def test_environments_update_the_same_pair_one_after_the_other() -> None:
    model = make(Line(), Line(), Line())
    model.q_table[1] = [10.0, 0.0]
    model.learn(3)
    target = 1 + 0.8 * 10
    assert model.q_table[0, 0] == pytest.approx(target * (1 - 0.5**3))
    assert model.visit_counts[0, 0] == 3


def test_bonus_enters_choice_and_target() -> None:
    model = make(Line(), exploration_bonus=6.0, learning_rate=1.0)
    model.visit_counts[:] = [[5, 2], [1, 0], [0, 0], [0, 0]]
    model.q_table[:2] = [[0.9, 0.0], [4.0, 0.0]]
    # State 0: 0.9 + 6/6 < 0 + 6/3. State 1: max(4 + 6/2, 0 + 6/1) = 7.
    model.learn(1)
    assert model.q_table[0].tolist() == pytest.approx([0.9, 1 + 0.8 * 7])
    assert model.visit_counts[0].tolist() == [5, 3]
    assert model.predict(np.int64(1), deterministic=True)[0] == 0


def test_the_coin_is_drawn_for_each_environment() -> None:
    model = make(Line())
    model.q_table[:, 1] = 1.0
    states = np.zeros(8, dtype=np.int64)
    draws = np.array([model._explore(states, 0.5) for _ in range(2000)])
    np.testing.assert_allclose(draws.mean(axis=0), 0.75, atol=0.05)
    assert (draws == 1).all(axis=1).mean() == pytest.approx(0.75**8, abs=0.03)
    assert (model._explore(states, 0.0) == 1).all()


def test_exploration_rate_falls_linearly() -> None:
    model = make(Line(), exploration_initial_eps=0.9, exploration_final_eps=0.1, exploration_fraction=0.5)
    rates = []

    def record(variables: dict[str, Any], _: dict[str, Any]) -> bool:
        rates.append(model.exploration_rate)
        return True

    model.learn(8, callback=record)
    np.testing.assert_allclose(rates, [0.7, 0.5, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1])


def test_masks_are_respected_learned_once_and_used_for_the_last_state() -> None:
    env = MaskedLine(terminates=False, masks=[[1, 0], [0, 1], [1, 1], [0, 1]])
    model = make(env, exploration_initial_eps=1.0, exploration_final_eps=1.0, policy_kwargs={"q_init": 10.0})
    model.q_table[3] = [90.0, 20.0]
    model.learn(30)
    assert np.isneginf(model.q_table).tolist() == [[False, True], [True, False], [False, False], [True, False]]
    assert env.asked == {0: 1, 1: 1, 2: 1}
    assert model.q_table[2].max() == pytest.approx(3 + 0.8 * 20, abs=1)
    assert set(model.predict(np.zeros(100, dtype=np.int64))[0]) == {0}


@pytest.mark.parametrize("mask", [[1], [0, 0], [1, 1, 0]])
def test_bad_masks_are_refused(mask: list[int]) -> None:
    with pytest.raises(ValueError, match=r"action mask .* is not valid; pass 2 flags, at least one true"):
        make(MaskedLine(masks=[mask] * 4)).learn(1)
