"""Gymnasium's vector environments behave as SB3's own do."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from vector_envs import MODES, Counters, assert_same_trajectory, compare, scripted

from sb3_ext.vec_env import GymnasiumVecEnv


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
