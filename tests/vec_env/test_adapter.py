"""Gymnasium's vector environments behave under SB3 as SB3's own do."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import vector as vectors
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import DDPG, DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecMonitor, VecNormalize

from sb3_ext.vec_env import GymnasiumVecEnv

MODES = list(AutoresetMode)


class Scripted(gym.Env):
    """Ends after a number of steps; a dictionary observation and the given infos."""

    def __init__(self, length: int = 3, infos: tuple[dict[str, Any], ...] = ({},), truncates: bool = False) -> None:
        parts = {"t": spaces.Box(0, 100, (2,), np.float32), "parity": spaces.Discrete(2)}
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Discrete(3)
        self.length, self.infos, self.truncates = length, infos, truncates
        self.begun = 0

    def _observe(self) -> dict[str, Any]:
        return {"t": np.full(2, self.t, np.float32), "parity": self.t % 2}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        self.begun += 1
        return self._observe(), {"begun": self.begun}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        ends = self.t == self.length
        info = dict(self.infos[self.t % len(self.infos)])
        return self._observe(), 0.1 * self.t, ends and not self.truncates, ends and self.truncates, info

    def double(self, number: int) -> int:
        return 2 * number


class Counters(VectorEnv):
    """Counts steps in one array; episode ``i`` lasts ``i + 2`` steps. Infos and observations as Gymnasium asks."""

    def __init__(self, num_envs: int = 3, mode: AutoresetMode | None = AutoresetMode.SAME_STEP, masks: bool = True):
        self.num_envs, self.mode, self.masks = num_envs, mode, masks
        self.metadata = {"autoreset_mode": mode} if mode else {}
        self.single_observation_space = spaces.Box(0, 100, (1,), np.float32)
        self.single_action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.count = np.zeros((num_envs, 1), np.float32)
        self.calls = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        mask = (options or {}).get("reset_mask") if self.masks else None
        self.count[slice(None) if mask is None else mask] = 0
        return self.count, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        assert actions.dtype == np.float32
        self.count += 1
        done = self.count[:, 0] == np.arange(self.num_envs) + 2
        infos: dict[str, Any] = {"doubled": 2 * self.count[:, 0]}
        if self.mode is AutoresetMode.SAME_STEP and done.any():
            final = {"doubled": infos["doubled"], "_doubled": done}
            infos = {"final_obs": self.count.copy(), "_final_obs": done, "final_info": final, "_final_info": done}
            self.count[done] = 0
        return self.count, np.ones(self.num_envs), done, np.zeros_like(done), infos

    def call_me(self) -> int:
        self.calls += 1
        return self.calls


def scripted(n: int, adapted: bool, mode: AutoresetMode = AutoresetMode.SAME_STEP, **kwargs: Any) -> VecEnv:
    makers = [lambda i=i: Scripted(length=i + 2, truncates=bool(i % 2), **kwargs) for i in range(n)]
    if adapted:
        return GymnasiumVecEnv(SyncVectorEnv(makers, autoreset_mode=mode), all_infos=True)
    return DummyVecEnv([lambda maker=maker: Monitor(maker()) for maker in makers])


def assert_same_trajectory(ours: VecEnv, theirs: VecEnv, steps: int, scale: int = 1) -> None:
    """Both step alike from the same seed, with infos equal at episode ends (everywhere, if the adapter gives all)."""
    for env in (ours, theirs):
        env.seed(7)
        env.action_space.seed(7)
    compare(ours.reset(), theirs.reset())
    n_ends = 0
    for _ in range(steps):
        actions = scale * np.stack([theirs.action_space.sample() for _ in range(theirs.num_envs)])
        observations, rewards, dones, infos = ours.step(actions)
        expected = theirs.step(actions)
        compare(observations, expected[0])
        assert (rewards.dtype, dones.dtype) == (np.float32, np.bool_)
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        compare(ours.reset_infos, theirs.reset_infos)
        for done, info, expected_info in zip(dones, infos, expected[3], strict=True):
            if "episode" in expected_info:
                assert info["episode"].pop("t") >= 0 and expected_info["episode"].pop("t") >= 0
            if done or (isinstance(ours, GymnasiumVecEnv) and ours.all_infos):
                compare(info, expected_info)
            else:
                assert info == {}
            n_ends += bool(done)
    assert n_ends > 3
    ours.close()
    theirs.close()


def compare(given: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert given.keys() == expected.keys()
        for key in expected:
            compare(given[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            compare(one, other)
    elif isinstance(expected, np.ndarray):
        assert given.dtype == expected.dtype and given.shape == expected.shape
        np.testing.assert_array_equal(given, expected)
    else:
        assert given == expected


class TestAgainstDummyVecEnv:
    @pytest.mark.parametrize("mode", MODES)
    def test_cart_pole(self, mode: AutoresetMode) -> None:
        kwargs = {"max_episode_steps": 15}
        vector = gym.make_vec("CartPole-v1", 3, "sync", vector_kwargs={"autoreset_mode": mode}, **kwargs)
        assert_same_trajectory(GymnasiumVecEnv(vector), make_vec_env("CartPole-v1", 3, env_kwargs=kwargs), 60)

    @pytest.mark.parametrize("mode", MODES)
    def test_continuous_actions_are_passed_unclipped(self, mode: AutoresetMode) -> None:
        kwargs = {"max_episode_steps": 5}
        vector = gym.make_vec("Pendulum-v1", 2, "sync", vector_kwargs={"autoreset_mode": mode}, **kwargs)
        assert_same_trajectory(GymnasiumVecEnv(vector), make_vec_env("Pendulum-v1", 2, env_kwargs=kwargs), 20, scale=3)

    @pytest.mark.parametrize("mode", MODES)
    def test_dictionary_observations_and_all_infos(self, mode: AutoresetMode) -> None:
        infos = ({"a": 1, "nested": {"b": 2.5}}, {"c": "text", "array": np.arange(3)}, {})
        assert_same_trajectory(
            scripted(3, adapted=True, mode=mode, infos=infos), scripted(3, adapted=False, infos=infos), 12
        )

    def test_processes_of_their_own(self) -> None:
        kwargs = {"max_episode_steps": 6}
        vector = gym.make_vec("CartPole-v1", 2, "async", **kwargs)
        assert_same_trajectory(GymnasiumVecEnv(vector), make_vec_env("CartPole-v1", 2, env_kwargs=kwargs), 20)

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "integer": st.integers(-9, 9),
                    "number": st.floats(-9, 9),
                    "truth": st.booleans(),
                    "text": st.text(max_size=3),
                    "_hidden": st.integers(0, 3),
                    "nested": st.fixed_dictionaries({}, optional={"x": st.integers(0, 3), "y": st.booleans()}),
                },
            ).filter(lambda info: info.get("nested") != {}),
            min_size=1,
            max_size=5,
        )
    )
    def test_infos_of_any_kind(self, infos: list[dict[str, Any]]) -> None:
        """Except that Gymnasium's batched form knows no empty dictionaries."""
        assert_same_trajectory(
            scripted(2, adapted=True, infos=tuple(infos)), scripted(2, adapted=False, infos=tuple(infos)), 8
        )


class TestNative:
    """Environments that step in one array."""

    def test_cart_pole_is_the_cart_pole(self) -> None:
        """Its own dynamics, episode for episode, so no action is ever ignored."""
        vector = gym.make_vec("CartPole-v1", 5, "vector_entry_point", max_episode_steps=15)
        ours, theirs = GymnasiumVecEnv(vector), make_vec_env("CartPole-v1", 5, env_kwargs={"max_episode_steps": 15})
        ours.seed(3)
        observations = ours.reset()
        theirs.reset()
        rng = np.random.default_rng(0)
        restarted, ends = np.ones(5, bool), {True: 0, False: 0}
        for _ in range(80):
            for i in np.flatnonzero(restarted):
                assert np.abs(observations[i]).max() <= 0.05
                theirs.envs[i].unwrapped.state = vector.state[:, i].copy()
            actions = rng.integers(0, 2, 5)
            observations, rewards, dones, infos = ours.step(actions)
            expected, expected_rewards, expected_dones, expected_infos = theirs.step(actions)
            np.testing.assert_array_equal(dones, expected_dones)
            np.testing.assert_array_equal(rewards, expected_rewards)
            np.testing.assert_allclose(observations[~dones], expected[~dones], atol=1e-6)
            for i in np.flatnonzero(dones):
                terminal, expected_terminal = (x[i].pop("terminal_observation") for x in (infos, expected_infos))
                np.testing.assert_allclose(terminal, expected_terminal, atol=1e-6)
                assert infos[i]["episode"].pop("t") > 0 and expected_infos[i]["episode"].pop("t") > 0
                assert infos[i] == expected_infos[i]
                ends[infos[i]["TimeLimit.truncated"]] += 1
            restarted = dones
        assert min(ends.values()) > 2

    @pytest.mark.parametrize("mode", MODES)
    def test_counters(self, mode: AutoresetMode) -> None:
        env = GymnasiumVecEnv(Counters(mode=mode))
        first = env.reset()
        seen = [env.step(np.zeros((3, 1))) for _ in range(5)]
        assert first.tolist() == [[0], [0], [0]], "a copy, though the environment reuses its array"
        assert [step[0][:, 0].tolist() for step in seen] == [[1, 1, 1], [0, 2, 2], [1, 0, 3], [0, 1, 0], [1, 2, 1]]
        assert [np.flatnonzero(step[2]).tolist() for step in seen] == [[], [0], [1], [0, 2], []]
        last = seen[3][3][2]
        assert last["terminal_observation"].tolist() == [4] and last["doubled"] == 8
        assert last["TimeLimit.truncated"] is False and (last["episode"]["r"], last["episode"]["l"]) == (4, 4)
        assert seen[3][3][1] == {} and seen[0][3] == [{}, {}, {}]

    def test_infos_forget_what_others_wrote_into_them(self) -> None:
        env = GymnasiumVecEnv(Counters())
        env.reset()
        infos = env.step(np.zeros((3, 1)))[3]
        infos[2]["written"] = True
        assert infos[1] == {}
        assert env.step(np.zeros((3, 1)))[3][1:] == [{}, {}]
        assert infos[2] == {"written": True}

    def test_reset_forgets_the_running_episodes(self) -> None:
        env = GymnasiumVecEnv(Counters(1))
        env.reset()
        env.step(np.zeros((1, 1)))
        env.reset()
        episodes = [env.step(np.zeros((1, 1)))[3][0].get("episode") for _ in range(2)]
        assert episodes[0] is None and (episodes[1]["r"], episodes[1]["l"]) == (2, 2)

    def test_atari_needs_no_particular_mode(self) -> None:
        modes = (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP)
        settings = {"max_num_frames_per_episode": 160, "num_threads": 1}
        # Both made before either is adapted: they write their modes into one dictionary.
        vectors = [AtariVectorEnv("breakout", 2, autoreset_mode=mode, **settings) for mode in modes]
        trajectories = []
        for mode, vector in zip(modes, vectors, strict=True):
            env = GymnasiumVecEnv(vector)
            env.seed(0)
            rng = np.random.default_rng(0)
            steps = [env.reset()]
            for _ in range(60):
                observations, rewards, dones, infos = env.step(rng.integers(0, 4, 2))
                assert observations.shape == (2, 4, 84, 84) and observations.dtype == np.uint8
                terminal = [info.get("terminal_observation") for info in infos]
                lengths = [info["episode"]["l"] for info in infos if "episode" in info]
                steps.append((observations, rewards, dones, terminal, lengths))
                if mode is AutoresetMode.NEXT_STEP and dones.any():
                    assert infos[int(dones.argmax())]["episode_frame_number"] >= 160
            trajectories.append(steps)
            env.close()
        assert sum(step[2].sum() for step in trajectories[0][1:]) >= 2
        compare(trajectories[0], trajectories[1])

    def test_atari_takes_any_seed_of_the_zoo(self) -> None:
        env = GymnasiumVecEnv(AtariVectorEnv("breakout", 2, num_threads=1))
        env.seed(2**32 - 1)
        env.reset()
        env.close()


class TestInterface:
    def test_seeds_and_options(self) -> None:
        env = GymnasiumVecEnv(gym.make_vec("CartPole-v1", 2, "sync"))
        assert env.seed(5) == [5, 6]
        seeded = env.reset()
        assert not np.array_equal(env.reset(), seeded), "seeds are used once"
        env.seed(5)
        np.testing.assert_array_equal(env.reset(), seeded)
        np.testing.assert_array_equal(seeded[1], gym.make("CartPole-v1").reset(seed=6)[0])
        env.set_options({"low": 0.01, "high": 0.02})
        assert env.reset().min() >= 0.01
        assert env.reset().min() < 0.01, "options are used once"
        env.set_options([{"low": 0.01}, {}])
        with pytest.raises(ValueError, match="the same options"):
            env.reset()

    def test_attributes_and_methods_of_single_environments(self) -> None:
        env = scripted(3, adapted=True)
        assert env.get_attr("length") == [2, 3, 4]
        env.set_attr("length", 9, indices=[0, 2])
        assert env.get_attr("length", 1) == [3] and env.get_attr("length") == [9, 3, 9]
        assert env.env_method("double", 4, indices=[1, 2]) == [8, 8]
        assert env.has_attr("length") and not env.has_attr("depth")

    def test_attributes_and_methods_of_a_native_environment(self) -> None:
        inner = Counters()
        env = GymnasiumVecEnv(gym.wrappers.vector.ClipReward(inner, max_reward=1))
        assert env.get_attr("masks", [0, 2]) == [True, True]
        env.set_attr("masks", False)
        env.set_attr("added", 1)
        assert inner.masks is False and inner.added == 1
        assert env.env_method("call_me", indices=[0, 1]) == [1, 1] and env.env_method("call_me") == [2, 2, 2]
        assert not env.has_attr("depth")
        with pytest.raises(ValueError, match="without indices"):
            env.set_attr("masks", True, indices=[1])

    def test_wrappers_are_told(self) -> None:
        env = GymnasiumVecEnv(gym.make_vec("CartPole-v1", 2, "sync"))
        assert env.env_is_wrapped(Monitor) == [True, True]
        assert env.env_is_wrapped(gym.wrappers.OrderEnforcing, [0]) == [True]
        assert env.env_is_wrapped(gym.wrappers.RecordVideo) == [False, False]
        assert GymnasiumVecEnv(Counters()).env_is_wrapped(gym.wrappers.RecordVideo) == [False, False, False]

    @pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
    def test_images(self, mode: str) -> None:
        pytest.importorskip("pygame")
        env = GymnasiumVecEnv(gym.make_vec("CartPole-v1", 2, mode, render_mode="rgb_array"))
        env.reset()
        assert env.render_mode == "rgb_array"
        assert [image.shape for image in env.get_images()] == [(400, 600, 3)] * 2
        assert env.render().shape[2] == 3
        env.close()

    def test_no_images_without_the_render_mode(self) -> None:
        with pytest.warns(UserWarning, match="rgb_array"):
            assert GymnasiumVecEnv(Counters()).get_images() == [None] * 3

    def test_file_and_keywords(self, tmp_path: Path) -> None:
        env = GymnasiumVecEnv(Counters(), info_keywords=("doubled",), filename=tmp_path / "run")
        env.reset()
        infos = [env.step(np.zeros((3, 1)))[3] for _ in range(4)][3]
        assert infos[2]["episode"]["doubled"] == 8
        lines = (tmp_path / "run.monitor.csv").read_text().splitlines()
        assert lines[0].startswith('#{"t_start"') and lines[1] == "r,l,t,doubled"
        assert [line.split(",")[:2] for line in lines[2:]] == [["2.0", "2"], ["3.0", "3"], ["2.0", "2"], ["4.0", "4"]]
        env.close()


class TestWrappers:
    """Those of Gymnasium that remember the running episodes."""

    @staticmethod
    def cart_poles(mode: AutoresetMode | None) -> VectorEnv:
        """Sub-environments of their own in a mode, or the native one."""
        if mode is None:
            return gym.make_vec("CartPole-v1", 4, "vector_entry_point", max_episode_steps=12)
        return gym.make_vec("CartPole-v1", 4, "sync", vector_kwargs={"autoreset_mode": mode}, max_episode_steps=12)

    @pytest.mark.parametrize("outside", [False, True])
    def test_memories_are_those_of_same_step(self, outside: bool) -> None:
        seen = []
        for mode in MODES:
            statistics = vectors.RecordEpisodeStatistics(self.cart_poles(mode))
            wrapped = vectors.NormalizeReward(statistics)
            env = GymnasiumVecEnv(vectors.ClipReward(wrapped, max_reward=50) if outside else wrapped)
            env.seed(0)
            env.reset()
            rng = np.random.default_rng(1)
            rewards = [env.step(rng.integers(0, 2, 4))[1] for _ in range(60)]
            assert len(statistics.length_queue) > 10
            seen.append([rewards, list(statistics.return_queue), list(statistics.length_queue)])
        for others in seen[1:]:
            for memory, expected in zip(others, seen[0], strict=True):
                np.testing.assert_allclose(memory, expected, rtol=1e-6)

    def test_native_environments_may_be_wrapped(self) -> None:
        env = GymnasiumVecEnv(vectors.NormalizeReward(vectors.FlattenObservation(self.cart_poles(None))))
        env.reset()
        lengths = np.zeros(4)
        for _ in range(60):
            _, _, dones, infos = env.step(np.zeros(4, dtype=np.int64))
            lengths += 1
            assert [infos[i]["episode"]["l"] for i in np.flatnonzero(dones)] == lengths[dones].tolist()
            lengths[dones] = 0

    @pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
    def test_what_would_spoil_running_episodes_is_refused(self, mode: AutoresetMode) -> None:
        class Greeting(VectorWrapper):
            """Any wrapper that does something at a reset."""

            def reset(self, **kwargs: Any) -> Any:
                return super().reset(**kwargs)

        GymnasiumVecEnv(Greeting(self.cart_poles(mode)))
        GymnasiumVecEnv(vectors.NormalizeReward(Greeting(self.cart_poles(mode))))
        GymnasiumVecEnv(Greeting(vectors.NormalizeReward(self.cart_poles(AutoresetMode.SAME_STEP))))
        with pytest.raises(ValueError, match=r"Greeting resets NormalizeReward as a whole.* SAME_STEP"):
            GymnasiumVecEnv(Greeting(vectors.NormalizeReward(self.cart_poles(mode))))
        with pytest.raises(ValueError, match="Greeting resets CartPoleVectorEnv as a whole"):
            GymnasiumVecEnv(Greeting(self.cart_poles(None)))

    def test_observations_normalised_inside_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"NormalizeObservation cannot reset .* VecNormalize"):
            GymnasiumVecEnv(vectors.NormalizeObservation(self.cart_poles(AutoresetMode.NEXT_STEP)))

    @pytest.mark.parametrize("mode", MODES)
    def test_infos_as_lists_are_refused(self, mode: AutoresetMode) -> None:
        with pytest.raises(ValueError, match="DictInfoToList is not needed"):
            GymnasiumVecEnv(vectors.DictInfoToList(self.cart_poles(mode)))


class TestErrors:
    def test_no_vector_environment(self) -> None:
        with pytest.raises(TypeError, match=r"gym\.make_vec"):
            GymnasiumVecEnv(Scripted())

    def test_unknown_way_to_reset(self) -> None:
        with pytest.raises(ValueError, match="autoreset_mode"):
            GymnasiumVecEnv(Counters(mode=None))

    def test_lost_last_observations(self) -> None:
        vector = Counters()
        vector.mode = AutoresetMode.NEXT_STEP
        env = GymnasiumVecEnv(vector)
        env.reset()
        env.step(np.zeros((3, 1)))
        with pytest.raises(RuntimeError, match="final_obs"):
            env.step(np.zeros((3, 1)))

    @pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
    def test_reset_that_spares_nobody(self, mode: AutoresetMode) -> None:
        env = GymnasiumVecEnv(Counters(mode=mode, masks=False))
        env.reset()
        env.step(np.zeros((3, 1)))
        with pytest.raises(RuntimeError, match="reset_mask"):
            env.step(np.zeros((3, 1)))
        alone = GymnasiumVecEnv(Counters(1, mode=mode, masks=False))
        alone.reset()
        assert [alone.step(np.zeros((1, 1)))[0][0, 0] for _ in range(4)] == [1, 0, 1, 0]

    def test_reset_that_spares_nobody_where_it_hardly_shows(self) -> None:
        """A running sub-environment that still shows its first observation looks as if it had been left alone."""

        class Chains(Counters):
            """Positions on a line from a wall at 0, moved by the actions; the first episode lasts 2 steps."""

            def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
                self.count = np.maximum(self.count + actions, 0.0).astype(np.float32)
                done = self.count[:, 0] == [2.0, 50.0]
                return self.count.copy(), np.ones(2), done, np.zeros_like(done), {}

        env = GymnasiumVecEnv(Chains(2, mode=AutoresetMode.DISABLED, masks=False))
        env.reset()
        at_the_wall, off_the_wall = np.array([[1.0], [-1.0]]), np.array([[1.0], [1.0]])
        env.step(at_the_wall)
        assert env.step(at_the_wall)[2].tolist() == [True, False]
        env.step(off_the_wall)
        with pytest.raises(RuntimeError, match="reset_mask"):
            env.step(off_the_wall)

    def test_workers_that_cannot_be_reset(self) -> None:
        vector = gym.make_vec("CartPole-v1", 1, "async", vector_kwargs={"shared_memory": False})
        assert isinstance(vector, AsyncVectorEnv)
        with pytest.raises(ValueError, match="SAME_STEP"):
            GymnasiumVecEnv(vector)
        vector.close()

    @pytest.mark.parametrize(
        ("attribute", "space"),
        [
            ("single_observation_space", spaces.Text(5)),
            ("single_observation_space", spaces.Dict(a=spaces.Dict(b=spaces.Discrete(2)))),
            ("single_action_space", spaces.Tuple((spaces.Discrete(2),))),
        ],
    )
    def test_spaces_that_are_no_arrays(self, attribute: str, space: spaces.Space[Any]) -> None:
        vector = Counters()
        setattr(vector, attribute, space)
        with pytest.raises(ValueError, match="SB3 cannot use"):
            GymnasiumVecEnv(vector)

    def test_part_of_the_environments(self) -> None:
        vector = AtariVectorEnv("breakout", 2, batch_size=1, num_threads=1)
        with pytest.raises(ValueError, match="1 of its 2"):
            GymnasiumVecEnv(vector)

    @pytest.mark.parametrize("shape", [(3,), (2, 1), (1, 3)])
    def test_actions_of_another_shape(self, shape: tuple[int, ...]) -> None:
        env = GymnasiumVecEnv(Counters())
        env.reset()
        with pytest.raises(ValueError, match=r"wants \(3, 1\)"):
            env.step(np.zeros(shape))

    def test_actions_of_another_kind(self) -> None:
        env = cart_poles(2)
        env.reset()
        with pytest.raises(TypeError, match="float64"):
            env.step(np.array([0.0, 0.9]))

    def test_missing_keyword(self) -> None:
        env = GymnasiumVecEnv(Counters(), info_keywords=("is_success",))
        env.reset()
        env.step(np.zeros((3, 1)))
        with pytest.raises(ValueError, match="is_success"):
            env.step(np.zeros((3, 1)))


def cart_poles(n: int) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gym.make_vec("CartPole-v1", n, "vector_entry_point"))


class TestUnderStableBaselines:
    @pytest.mark.parametrize(
        "learn",
        [
            lambda: PPO("MlpPolicy", cart_poles(4), n_steps=32, batch_size=64, n_epochs=1, device="cpu").learn(128),
            lambda: DQN("MlpPolicy", cart_poles(4), learning_starts=40, buffer_size=200, device="cpu").learn(80),
            lambda: DDPG("MlpPolicy", pendulums(2), learning_starts=20, buffer_size=200, device="cpu").learn(60),
            lambda: PPO("MultiInputPolicy", scripted(2, adapted=True), n_steps=16, batch_size=32).learn(32),
        ],
    )
    def test_learns(self, learn: Callable[[], Any]) -> None:
        model = learn()
        assert model.num_timesteps >= 32

    def test_episodes_reach_the_algorithm(self) -> None:
        model = PPO("MlpPolicy", cart_poles(4), n_steps=64, batch_size=64, n_epochs=1, device="cpu").learn(256)
        assert model.ep_info_buffer and all(episode["r"] == episode["l"] for episode in model.ep_info_buffer)

    def test_algorithms_clip_before_the_environment(self) -> None:
        vector = gym.make_vec("Pendulum-v1", 1, "sync")
        seen: list[float] = []
        step = vector.step
        vector.step = lambda actions: (seen.append(float(np.abs(actions).max())), step(actions))[1]
        policy_kwargs = {"log_std_init": 2.0, "net_arch": [8]}
        model = PPO("MlpPolicy", GymnasiumVecEnv(vector), n_steps=64, n_epochs=1, policy_kwargs=policy_kwargs)
        model.learn(64)
        assert max(seen) == 2.0

    def test_normalised_stacked_saved_and_evaluated(self, tmp_path: Path) -> None:
        env = VecFrameStack(VecNormalize(cart_poles(4)), 2)
        model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, device="cpu", seed=0).learn(256)
        model.save(tmp_path / "model")
        env.venv.save(tmp_path / "normalize.pkl")

        def evaluate(inner: VecEnv) -> tuple[list[float], list[int]]:
            normalized = VecNormalize.load(str(tmp_path / "normalize.pkl"), inner)
            normalized.training = normalized.norm_reward = False
            loaded = PPO.load(tmp_path / "model", device="cpu")
            normalized.seed(1)
            return evaluate_policy(loaded, VecFrameStack(normalized, 2), 6, return_episode_rewards=True)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            returns, lengths = evaluate(GymnasiumVecEnv(gym.make_vec("CartPole-v1", 3, "sync")))
        assert (returns, lengths) == evaluate(make_vec_env("CartPole-v1", 3))

    @pytest.mark.parametrize(
        "space", [spaces.MultiBinary(3), spaces.Box(-3, 3, (2,), np.int8), spaces.Box(0, 255, (1,), np.uint8)], ids=str
    )
    @pytest.mark.parametrize("kind", ["sync", "async"])
    def test_actions_that_are_whole_numbers(self, space: spaces.Space[Any], kind: str) -> None:
        makers = [lambda: Strict(space)] * 2
        env = GymnasiumVecEnv(SyncVectorEnv(makers) if kind == "sync" else AsyncVectorEnv(makers))
        model = PPO("MlpPolicy", env, n_steps=16, batch_size=32, n_epochs=1, device="cpu", policy_kwargs=WILD).learn(32)
        evaluate_policy(model, env, n_eval_episodes=2)
        env.close()

    def test_actions_as_a_list(self) -> None:
        env, other = cart_poles(2), cart_poles(2)
        for one in (env, other):
            one.seed(0)
            one.reset()
        compare(env.step([1, 0]), other.step(np.array([1, 0])))
        pendulum = pendulums(2)
        pendulum.reset()
        pendulum.step([[1], [0.5]])
        with pytest.raises(ValueError, match="shape"):
            env.step([1])

    @pytest.mark.parametrize("mode", MODES)
    def test_last_observations_are_copies(self, mode: AutoresetMode) -> None:
        """``VecFrameStack`` writes into them, which may be an environment's own dictionary."""
        adapted = GymnasiumVecEnv(
            SyncVectorEnv([lambda length=length: OneDictionary(length) for length in (2, 3)], autoreset_mode=mode)
        )
        env = VecFrameStack(adapted, 2)
        env.reset()
        seen: list[Any] = []
        for _ in range(12):
            dones, infos = env.step(np.zeros(2, np.int64))[2:]
            seen += [
                (int(index), infos[index]["terminal_observation"]["t"].tolist()) for index in np.flatnonzero(dones)
            ]
        assert seen.count((0, [1, 2])) == 6 and seen.count((1, [2, 3])) == 4 and len(seen) == 10

    def test_under_vec_monitor(self) -> None:
        with pytest.warns(UserWarning, match="Monitor"):
            env = VecMonitor(GymnasiumVecEnv(Counters()))
        env.reset()
        infos = [env.step(np.zeros((3, 1)))[3] for _ in range(4)][3]
        assert infos[2]["episode"]["r"] == 4


WILD = {"log_std_init": 3.0, "net_arch": [8]}


class Strict(gym.Env[Any, Any]):
    """Refuses actions outside of its space."""

    observation_space = spaces.Box(-1, 1, (2,))

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.action_space, self.t = space, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space and action.dtype == self.action_space.dtype, action
        self.t += 1
        return self.observation_space.sample(), 1.0, self.t == 5, False, {}


class OneDictionary(gym.Env[Any, Any]):
    """Gives the same dictionary at every step of an episode, and notices what others put into it later."""

    observation_space = spaces.Dict({"t": spaces.Box(0, 10, (1,))})
    action_space = spaces.Discrete(2)

    def __init__(self, length: int) -> None:
        self.length = length
        self.episodes: list[dict[str, Any]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episodes.append({"t": np.zeros(1, np.float32)})
        return self.episodes[-1], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert all(observation["t"].shape == (1,) for observation in self.episodes)
        self.episodes[-1]["t"] += 1
        return self.episodes[-1], 1.0, bool(self.episodes[-1]["t"][0] == self.length), False, {}


def pendulums(n: int) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gym.make_vec("Pendulum-v1", n, "sync", max_episode_steps=10))
