"""Tabular Q-learning as a Stable-Baselines3 algorithm."""

from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import LinearSchedule

from sb3_ext.common.algorithm import CheckedAlgorithm
from sb3_ext.common.arrays import BoolArray, FloatArray, IntArray
from sb3_ext.common.hyperparameters import Rules, number, one_of, positive
from sb3_ext.q_learning.backups import UPDATES, expected_value, value_of
from sb3_ext.q_learning.policies import MlpPolicy, QTablePolicy, TablePolicy

SelfQLearning = TypeVar("SelfQLearning", bound="QLearning")


class QLearning(CheckedAlgorithm):
    """
    Tabular Q-learning, SARSA, expected SARSA and double Q-learning

    Papers: https://link.springer.com/article/10.1007/BF00992698 (Watkins and Dayan, 1992; Q-learning), Rummery and
    Niranjan, 1994 (SARSA), https://doi.org/10.1109/ADPRL.2009.4927542 (van Seijen et al., 2009; expected SARSA),
    https://papers.nips.cc/paper/3964-double-q-learning (van Hasselt, 2010)

    ``Q(s, a) += alpha (r + gamma V(s') - Q(s, a))`` after every step of every environment. ``update`` says what the
    next state is worth: as much as its best action, ``max_a' f(s', a')`` (``"q"``); as the action taken there
    (``"sarsa"``); as the mean over what exploration may do there (``"expected_sarsa"``); or as the action that is best
    in the table to be updated, a coin's choice of two, is worth in the other (``"double_q"``). Here

    - ``alpha = learning_rate / (1 + learning_rate_decay k)``, k the number of updates so far;
    - ``f(s, a) = Q(s, a) + exploration_bonus / (1 + N(s, a))``, N the number of updates of the pair: a count-based
      bonus that also makes states worth a visit from afar. While training, the greedy action maximises f as well; of
      two tables it is the mean that acts.

    Exploration draws a coin for each environment. ``exploration_initial_eps=exploration_final_eps=1`` explores purely
    at random, ``0`` for both relies on the bonus or on optimism, ``policy_kwargs=dict(q_init=...)``.

    An episode cut by a time limit bootstraps; a terminal state has no future. With several environments, all targets of
    a step use the table as it was before the step; updates of the same pair then follow each other.

    States may have different actions: if the environment has a method ``action_masks()`` (the convention of
    sb3-contrib's ``MaskablePPO``), unavailable actions get the value minus infinity and are never taken. Masks must
    depend on the observation alone. ``info["action_mask"]``, if there is one, is used for the last state of a truncated
    episode, which the method can no longer tell.

    :param policy: policy class or its alias (``TablePolicy``, or ``MlpPolicy``, which is the same)
    :param env: environment to learn from, or its id; with ``Discrete`` or ``MultiDiscrete`` observations
        (:class:`sb3_ext.wrappers.DiscretizeObservation` makes such of a ``Box``) and ``Discrete`` actions
    :param learning_rate: share of the error corrected by an update: a number in [0, 1], a schedule of the remaining
        progress (1 to 0), or ``"lin_<number>"`` for a linear decay to 0
    :param learning_rate_decay: decay of the learning rate per update, at least 0
    :param gamma: discount factor, in [0, 1]
    :param exploration_fraction: share of training over which the exploration rate falls, in (0, 1]
    :param exploration_initial_eps: probability of a random action at the start, in [0, 1]
    :param exploration_final_eps: probability of a random action at the end, in [0, 1]
    :param exploration_bonus: the bonus of a pair that was never updated, in units of reward, at least 0
    :param update: ``"q"``, ``"sarsa"``, ``"expected_sarsa"`` or ``"double_q"``
    :param stats_window_size: number of episodes in the logged averages
    :param tensorboard_log: directory for TensorBoard, ``None`` for no log
    :param policy_kwargs: arguments of the policy, see :class:`sb3_ext.q_learning.QTablePolicy`
    :param verbose: 0 for no output, 1 for info messages, 2 for debug messages
    :param seed: seed of the pseudo-random generators
    :param device: accepted as by other algorithms; the table always is in main memory
    :param _init_setup_model: whether to build the table at once (and check the arguments)
    :raises ValueError: if an argument is out of range, or a space is of another kind
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"TablePolicy": TablePolicy, "MlpPolicy": MlpPolicy}
    policy: QTablePolicy
    policy_class: type[QTablePolicy]
    action_space: spaces.Discrete

    def __init__(
        self,
        policy: str | type[QTablePolicy],
        env: GymEnv | str,
        learning_rate: float | str | Schedule = 0.1,
        learning_rate_decay: float = 0.0,
        gamma: float = 0.99,
        exploration_fraction: float = 0.5,
        exploration_initial_eps: float = 1.0,
        exploration_final_eps: float = 0.05,
        exploration_bonus: float = 0.0,
        update: str = "q",
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate,  # type: ignore[arg-type]  # a string becomes a schedule in _setup_lr_schedule
            policy_kwargs=dict(policy_kwargs or {}),
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device="cpu",
            support_multi_env=True,
            seed=seed,
        )
        self.learning_rate_decay = learning_rate_decay
        self.gamma = gamma
        self.exploration_fraction = exploration_fraction
        self.exploration_initial_eps = exploration_initial_eps
        self.exploration_final_eps = exploration_final_eps
        self.exploration_bonus = exploration_bonus
        self.update = update

        if _init_setup_model:
            self._setup_model()

    @property
    def q_table(self) -> FloatArray:
        """See :attr:`sb3_ext.q_learning.QTablePolicy.q_table`."""
        return self.policy.q_table

    @property
    def visit_counts(self) -> IntArray:
        """How often each pair was updated, shape (states, actions); a view."""
        return self.policy.visit_counts

    @property
    def exploration_rate(self) -> float:
        """Probability of a random action at the current progress of training."""
        return float(self._exploration_schedule(self._current_progress_remaining))

    def _rules(self) -> Rules:
        return {
            "learning_rate_decay": number(0),
            "gamma": number(0, 1),
            "exploration_fraction": positive(1),
            "exploration_initial_eps": number(0, 1),
            "exploration_final_eps": number(0, 1),
            "exploration_bonus": number(0),
            "update": one_of(*UPDATES),
        }

    def _setup_lr_schedule(self) -> None:
        super()._setup_lr_schedule()
        if max(self.lr_schedule(1.0), self.lr_schedule(0.0)) > 1:
            raise ValueError(f"QLearning: learning_rate={self.learning_rate!r} is not valid; it must stay in [0, 1].")

    def _setup_model(self) -> None:
        self._check_hyperparameters()
        self._setup_lr_schedule()
        self._exploration_schedule = LinearSchedule(
            self.exploration_initial_eps, self.exploration_final_eps, self.exploration_fraction
        )
        self.set_random_seed(self.seed)
        kwargs = {**self.policy_kwargs, "n_tables": 2 if self.update == "double_q" else 1}
        self.policy = self.policy_class(self.observation_space, self.action_space, self.lr_schedule, **kwargs)
        self._masked = self.env is not None and self.env.has_attr("action_masks")
        self._mask_known = np.zeros(len(self.visit_counts), dtype=np.bool_)
        self._next_choices: IntArray | None = None
        self._td_error_sum, self._td_error_count = 0.0, 0

    def set_random_seed(self, seed: int | None = None) -> None:
        """Set the seed of the exploration too; ``None`` for a random one for the exploration alone."""
        super().set_random_seed(seed)
        self._rng = np.random.default_rng(seed)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """See ``BaseAlgorithm.set_env``."""
        super().set_env(env, force_reset)
        self._next_choices = None
        self._masked = self.env is not None and self.env.has_attr("action_masks")

    def learn(
        self: SelfQLearning,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 100,
        tb_log_name: str = "QLearning",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfQLearning:
        """
        Learn; logs are written every ``log_interval`` episodes, see ``BaseAlgorithm.learn``.

        ``train/td_error`` is the mean absolute temporal difference since the last log.
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        assert self.env is not None and isinstance(self._last_obs, np.ndarray)
        callback.on_training_start(locals(), globals())
        self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
        states = self.policy.state_indices(self._last_obs)
        self._next_choices = None if reset_num_timesteps else self._next_choices
        while self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            self._ask_masks(states)
            choices = self._explore(states, self.exploration_rate) if self._next_choices is None else self._next_choices
            actions = choices + int(self.action_space.start)
            new_obs, rewards, dones, infos = self.env.step(actions)
            assert isinstance(new_obs, np.ndarray)
            self.num_timesteps += self.env.num_envs
            next_states = self.policy.state_indices(new_obs)

            self._update_current_progress_remaining(self.num_timesteps, total_timesteps)
            self._ask_masks(next_states)
            if self.update == "sarsa":
                self._next_choices = self._explore(next_states, self.exploration_rate)
            tables = self._choose_tables(len(states))
            targets = rewards + self.gamma * self._next_values(next_states, dones, infos, tables)
            self._update(tables.tolist(), states.tolist(), choices.tolist(), targets.tolist())
            self._last_obs, states = new_obs, next_states

            callback.update_locals(locals())
            if not callback.on_step():
                break
            if dones.any():
                self._count_episodes(dones, infos, log_interval)
        callback.on_training_end()
        return self

    def _ask_masks(self, states: IntArray) -> None:
        """Mark the unavailable actions of states not met before; each environment must be in its state now."""
        if not self._masked or self._mask_known[states].all():
            return
        assert self.env is not None
        for state, mask in zip(states.tolist(), self.env.env_method("action_masks"), strict=True):
            self._mark_available(state, mask)

    def _mark_available(self, state: int, mask: npt.ArrayLike) -> None:
        available, n_actions = np.asarray(mask, dtype=np.bool_), self.visit_counts.shape[1]
        if available.shape != (n_actions,) or not available.any():
            raise ValueError(
                f"QLearning: action mask {mask!r} is not valid; pass {n_actions} flags, at least one true."
            )
        self.policy.tables[:, state, ~available] = -np.inf
        self._mask_known[state] = True

    def _values(self, states: IntArray, table: IntArray | None = None) -> FloatArray:
        """Q-values with the exploration bonus, shape (n, actions): of a table for each state, or of their mean."""
        values = self.policy.values(states) if table is None else self.policy.tables[table, states]
        if self.exploration_bonus > 0:
            values += self.exploration_bonus / (1 + self.visit_counts[states])
        return values

    def _choose_tables(self, count: int) -> IntArray:
        """The table that each of so many transitions updates."""
        n_tables = len(self.policy.tables)
        return self._rng.integers(n_tables, size=count) if n_tables > 1 else np.zeros(count, dtype=np.int64)

    def _explore(self, states: IntArray, exploration_rate: float) -> IntArray:
        """Choose actions, numbered from 0, with a coin for each state."""
        values = self._values(states)
        actions: IntArray = values.argmax(axis=1)
        if exploration_rate > 0:
            random = self._rng.random(values.shape)
            random[np.isneginf(values)] = -1
            explore = self._rng.random(len(states)) < exploration_rate
            actions[explore] = random.argmax(axis=1)[explore]
        return actions

    def _next_values(
        self,
        next_states: IntArray,
        dones: BoolArray,
        infos: list[dict[str, Any]],
        tables: IntArray,
    ) -> FloatArray:
        """Value of the state that each transition led to; 0 for a terminal one."""
        if not dones.any():
            return self._state_values(next_states, tables, self._next_choices)
        reached, alive = next_states.copy(), ~dones
        for index in np.flatnonzero(dones):
            info = infos[index]
            if info.get("TimeLimit.truncated", False):
                reached[index] = self.policy.state_indices(np.asarray(info["terminal_observation"])[None])[0]
                alive[index] = True
                if self._masked and "action_mask" in info:
                    self._mark_available(int(reached[index]), info["action_mask"])
        choices = self._next_choices
        if choices is not None:
            # No action follows a last state: one is drawn for its value.
            choices = np.where(dones, self._explore(reached, self.exploration_rate), choices)
        return np.where(alive, self._state_values(reached, tables, choices), 0.0)

    def _state_values(self, states: IntArray, tables: IntArray, choices: IntArray | None) -> FloatArray:
        """What states are worth for the update of one of the tables each, shape (n,)."""
        values = self._values(states, tables)
        if choices is not None:
            return value_of(values, choices)
        if self.update == "double_q":
            return value_of(self._values(states, 1 - tables), values.argmax(axis=1))
        return expected_value(values, self.exploration_rate if self.update == "expected_sarsa" else 0.0)

    def _update(self, tables: list[int], states: list[int], actions: list[int], targets: list[float]) -> None:
        """One update for each transition, in the order of the environments."""
        q_tables, visits = self.policy.tables, self.visit_counts
        learning_rate = self.lr_schedule(self._current_progress_remaining)
        for table, state, action, target in zip(tables, states, actions, targets, strict=True):
            error = target - q_tables.item(table, state, action)
            q_tables[table, state, action] += learning_rate / (1 + self.learning_rate_decay * self._n_updates) * error
            visits[state, action] += 1
            self._n_updates += 1
            self._td_error_sum += abs(error)
        self._td_error_count += len(states)

    def _count_episodes(self, dones: BoolArray, infos: list[dict[str, Any]], log_interval: int | None) -> None:
        self._update_info_buffer(infos, dones)
        for _ in range(int(dones.sum())):
            self._episode_num += 1
            if log_interval is not None and self._episode_num % log_interval == 0:
                self.dump_logs()

    def dump_logs(self) -> None:
        """Write the log."""
        learning_rate = self.lr_schedule(self._current_progress_remaining)
        self._record_progress()
        self.logger.record("rollout/exploration_rate", self.exploration_rate)
        self.logger.record("time/episodes", self._episode_num, exclude="tensorboard")
        self.logger.record("train/learning_rate", learning_rate / (1 + self.learning_rate_decay * self._n_updates))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if self._td_error_count > 0:
            self.logger.record("train/td_error", self._td_error_sum / self._td_error_count)
            self._td_error_sum, self._td_error_count = 0.0, 0
        self.logger.dump(step=self.num_timesteps)

    def predict(
        self,
        observation: np.ndarray[Any, Any] | dict[str, np.ndarray[Any, Any]],
        state: tuple[np.ndarray[Any, Any], ...] | None = None,
        episode_start: np.ndarray[Any, Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray[Any, Any], tuple[np.ndarray[Any, Any], ...] | None]:
        """Choose the greedy action, or explore as while training if not ``deterministic``, see ``BaseAlgorithm``."""
        actions, state = self.policy.predict(observation, state, episode_start, deterministic)
        if deterministic:
            return actions, state
        rows = self.policy.state_indices(np.asarray(observation).reshape(actions.size, -1))
        explored = self._explore(rows, self.exploration_rate) + int(self.action_space.start)
        return explored.reshape(actions.shape), state

    def _excluded_save_params(self) -> list[str]:
        derived = ["lr_schedule", "_exploration_schedule", "_rng", "_masked", "_mask_known", "_next_choices"]
        return [*super()._excluded_save_params(), *derived]
