"""Many games of Ms. Pac-Man at once go as single ones do."""

import pickle
from typing import Any

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from stable_baselines3 import DQN
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import VecFrameStack, VecTransposeImage

from sb3_ext.envs.ms_pacman import MsPacmanVectorEnv
from sb3_ext.vec_env import GymnasiumVecEnv

ID = "MsPacmanPreprocessed-v0"
WHOLE_GAMES: dict[str, Any] = {"terminal_on_life_loss": False, "clip_reward": False}


def actions(n_steps: int, n_envs: int = 2, seed: int = 0) -> np.ndarray:
    """Random ones, except that the first game goes to and fro and so is over after some 320 steps."""
    chosen = np.random.default_rng(seed).integers(9, size=(n_steps, n_envs))
    chosen[:, 0] = np.where(np.arange(n_steps) // 10 % 2, 1, 4)
    return chosen


@pytest.mark.parametrize(
    ("options", "n_steps"), [({}, 340), (WHOLE_GAMES, 340), ({"frame_skip": 3, "stride": 4, "crop": (0, 210)}, 60)]
)
def test_goes_as_single_games_bit_by_bit(options: dict[str, Any], n_steps: int) -> None:
    """Over lost lives and the end of a game, whose very last frame is not compared."""
    many = gym.make_vec(ID, num_envs=2, noop_max=0, **options)
    games = [gym.make(ID, noop_max=0, **options) for _ in range(2)]
    stacks, _ = many.reset(seed=3)
    for i, game in enumerate(games):
        np.testing.assert_array_equal(stacks[i, -1], game.reset(seed=3 + i)[0][..., 0])
    ended = np.zeros(2, bool)
    lives_seen = set()
    for chosen in actions(n_steps):
        stacks, rewards, terminated, truncated, infos = many.step(chosen)
        for i, game in enumerate(games):
            if ended[i]:
                observation, info = game.reset()
                reward, end, cut = 0.0, False, False
                assert not stacks[i, :-1].any()
            else:
                observation, reward, end, cut, info = game.step(chosen[i])
            assert (rewards[i], terminated[i], truncated[i]) == (reward, end, cut)
            assert (infos["score"][i], infos["lives"][i]) == (info["score"], info["lives"])
            if info["lives"]:
                np.testing.assert_array_equal(stacks[i, -1], observation[..., 0])
            lives_seen.add(info["lives"])
        ended = terminated | truncated
    assert lives_seen == ({0, 1, 2, 3} if n_steps > 300 else {3})


@pytest.fixture(scope="module")
def sb3_steps() -> list[Any]:
    """What SB3's own wrappers make of whole games: the first observations, then every step."""
    kwargs = {"noop_max": 0, **WHOLE_GAMES}
    env = VecTransposeImage(VecFrameStack(make_vec_env(ID, 2, seed=0, env_kwargs=kwargs), 4))
    return [env.reset().copy(), *(env.step(chosen) for chosen in actions(330))]


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_stacks_under_sb3_are_those_of_its_own_wrappers(mode: AutoresetMode, sb3_steps: list[Any]) -> None:
    """Zeros first, channels first, the last stack of a game where SB3 looks for it."""
    env = GymnasiumVecEnv(gym.make_vec(ID, num_envs=2, autoreset_mode=mode, noop_max=0, **WHOLE_GAMES))
    env.seed(0)
    np.testing.assert_array_equal(env.reset(), sb3_steps[0])
    finished = 0
    for chosen, other in zip(actions(330), sb3_steps[1:], strict=True):
        own = env.step(chosen)
        for mine, their in zip(own[:3], other[:3], strict=True):
            np.testing.assert_array_equal(mine, their)
        for i in np.flatnonzero(own[2]):
            last, their_last = own[3][i], other[3][i]
            np.testing.assert_array_equal(last["terminal_observation"][:-1], their_last["terminal_observation"][:-1])
            assert last["score"] == their_last["score"] == last["episode"]["r"] == their_last["episode"]["r"]
            assert last["lives"] == 0 and last["episode"]["l"] == their_last["episode"]["l"]
            finished += 1
    assert finished


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_lost_life_ends_an_episode_but_not_the_game(mode: AutoresetMode) -> None:
    env = GymnasiumVecEnv(gym.make_vec(ID, num_envs=2, noop_max=0, autoreset_mode=mode), all_infos=True)
    env.reset()
    lives = np.full(2, 3)
    score = np.zeros(2)
    for chosen in actions(340):
        observations, rewards, dones, infos = env.step(chosen)
        assert set(np.unique(rewards)) <= {0, 1}
        for i, info in enumerate(infos):
            assert dones[i] == (info["lives"] < lives[i])
            assert info["score"] >= score[i]
            if dones[i]:
                last = info["terminal_observation"]
                assert not observations[i, :-1].any() and last[:-1].any()
                if info["lives"]:
                    np.testing.assert_array_equal(observations[i, -1], last[-1])
            over = info["lives"] == 0
            lives[i], score[i] = (3, 0) if over else (info["lives"], info["score"])
    assert any(env.reset_infos[i]["lives"] < 3 for i in range(2))


class TestReset:
    def test_mask_leaves_the_others_alone(self) -> None:
        env = MsPacmanVectorEnv(3, noop_max=0)
        env.reset(seed=0)
        for chosen in actions(80, 3):
            before = env.step(chosen)[0]
        after, info = env.reset(options={"reset_mask": np.array([False, True, False])})
        np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
        assert not after[1, :-1].any()
        assert info["episode_frame_number"].tolist() == [320, 0, 320] and info["score"][1] == 0

    def test_without_mask_begins_new_games(self) -> None:
        env = MsPacmanVectorEnv(2, noop_max=0)
        first, _ = env.reset()
        terminated = np.zeros(2, bool)
        for chosen in actions(300):
            if terminated.any():
                break
            terminated = env.step(chosen)[2]
        again, info = env.reset()
        assert info["lives"].tolist() == [3, 3] and info["score"].tolist() == [0, 0]
        np.testing.assert_array_equal(again, first)

    def test_no_ops(self) -> None:
        env = MsPacmanVectorEnv(2, noop_max=3)
        env.reset(seed=0)
        counts = [env.reset()[1]["episode_frame_number"] for _ in range(30)]
        assert set(np.ravel(counts)) == {0, 1, 2, 3}

    def test_seeds(self) -> None:
        env = MsPacmanVectorEnv(2)
        frames = [env.reset(seed=seed)[1]["episode_frame_number"].tolist() for seed in (5, 5, 6, [6, 7])]
        assert frames[0] == frames[1] and frames[0][1] == frames[2][0] and frames[2] == frames[3]
        assert frames[0][0] != frames[0][1]
        mask = np.array([False, True])
        for seed in (5, [6, 6], np.int64(5)):
            env.reset(seed=0)
            _, infos = env.reset(seed=seed, options={"reset_mask": mask})
            assert infos["episode_frame_number"][1] == frames[0][1]

    def test_time_limit(self) -> None:
        env = MsPacmanVectorEnv(2, noop_max=0, max_num_frames_per_episode=20)
        env.reset()
        cut = [env.step(np.zeros(2, int))[3].tolist() for _ in range(7)]
        assert cut == [[False] * 2] * 4 + [[True] * 2] + [[False] * 2] * 2


def test_observations_belong_to_the_caller() -> None:
    env = MsPacmanVectorEnv(1, noop_max=0)
    first, _ = env.reset()
    copy = first.copy()
    second = env.step(np.zeros(1, int))[0]
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_array_equal(second[:, :-1], first[:, 1:])
    second[:] = 7
    assert not (env.step(np.zeros(1, int))[0] == 7).all(axis=(2, 3)).any()


def test_sb3_sees_an_image_that_needs_no_transposing() -> None:
    env = GymnasiumVecEnv(gym.make_vec(ID, num_envs=2))
    assert env.observation_space == gym.spaces.Box(0, 255, (4, 88, 80), np.uint8)
    assert is_image_space(env.observation_space) and is_image_space_channels_first(env.observation_space)
    model = DQN("CnnPolicy", env, buffer_size=100, learning_starts=8, train_freq=8, batch_size=4).learn(24)
    assert model.get_env() is env


def test_pickled_maker() -> None:
    """The way environments reach other processes."""
    make = pickle.loads(cloudpickle.dumps(lambda: gym.make_vec(f"sb3_ext:{ID}", num_envs=2, stack_num=1)))
    assert make().reset()[0].shape == (2, 1, 88, 80)


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"num_envs": 0}, "num_envs=0"),
            ({"stack_num": 0}, "stack_num=0"),
            ({"stack_num": 2.5}, "an integer >= 1"),
            ({"noop_max": -1}, "noop_max=-1"),
            ({"frame_skip": 0}, "frame_skip=0"),
            ({"crop": (10, 5)}, "crop=(10, 5)"),
            ({"num_threads": -1}, "num_threads=-1"),
            ({"repeat_action_probability": 2}, "repeat_action_probability=2"),
            ({"full_action_space": "no"}, "full_action_space='no'"),
            ({"max_num_frames_per_episode": 0}, "max_num_frames_per_episode=0"),
            ({"render_mode": "human"}, "render a single environment"),
            ({"autoreset_mode": "sometimes"}, "NextStep, SameStep, Disabled"),
        ],
    )
    def test_options(self, options: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError) as error:
            MsPacmanVectorEnv(**options)
        assert words in str(error.value) and "\n" not in str(error.value)

    def test_order_of_calls(self) -> None:
        env = MsPacmanVectorEnv(2, autoreset_mode="Disabled", max_num_frames_per_episode=4)
        with pytest.raises(RuntimeError, match=r"reset\(\) before step"):
            env.step(np.zeros(2, int))
        with pytest.raises(RuntimeError, match="without reset_mask first"):
            env.reset(options={"reset_mask": np.array([True, False])})
        env.reset()
        env.step(np.zeros(2, int))
        with pytest.raises(RuntimeError, match="reset_mask"):
            env.step(np.zeros(2, int))

    @pytest.mark.parametrize("chosen", [[0, 9], [-1, 0]])
    def test_actions(self, chosen: list[int]) -> None:
        env = MsPacmanVectorEnv(2)
        env.reset()
        with pytest.raises(ValueError, match="integers from 0 to 8"):
            env.step(np.array(chosen))

    @pytest.mark.parametrize("seed", [-1, 2**31 - 1, [1, 2, 3], [1, None], 1.5])
    def test_seeds(self, seed: Any) -> None:
        with pytest.raises(ValueError, match="one or 2 integers >= 0"):
            MsPacmanVectorEnv(2).reset(seed=seed)

    @pytest.mark.parametrize("mask", [np.ones(3, bool), np.ones(2), [1, 0]])
    def test_mask(self, mask: Any) -> None:
        with pytest.raises(ValueError, match="2 truth values"):
            MsPacmanVectorEnv(2).reset(options={"reset_mask": mask})
