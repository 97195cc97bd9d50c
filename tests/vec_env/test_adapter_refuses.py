"""What would spoil a training under an adapter is refused: wrappers, ways to reset, spaces, actions."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.wrappers import vector as vectors
from vector_envs import MODES, Counters, Scripted, cart_poles

from sb3_ext.vec_env import GymnasiumVecEnv


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
