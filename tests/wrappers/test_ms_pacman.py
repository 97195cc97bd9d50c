"""Frames of Ms. Pac-Man become the tutorial's, and the registered environments carry all usual steps."""

import doctest
import subprocess
import sys
from typing import Any

import ale_py  # noqa: F401
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rl_zoo3.exp_manager import ExperimentManager
from rl_zoo3.utils import get_wrapper_class
from stable_baselines3.common.atari_wrappers import MaxAndSkipEnv
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import SubprocVecEnv, VecFrameStack, VecTransposeImage

import sb3_ext.wrappers.ms_pacman
from sb3_ext.wrappers import MsPacmanAtariWrapper, MsPacmanPreprocessing

LEARNING, TUTORIAL = "MsPacmanPreprocessed-v0", "MsPacmanTutorial-v0"
GAME = "MsPacmanNoFrameskip-v4"


class Picture(gym.Env):
    """Shows one frame."""

    def __init__(self, frame: np.ndarray) -> None:
        self.frame = frame
        high = 255 if frame.dtype == np.uint8 else 1.0
        self.observation_space = gym.spaces.Box(0, high, frame.shape, frame.dtype)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.frame, {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.frame, 0.0, False, False, {}


@pytest.fixture(scope="module")
def game() -> gym.Env:
    return gym.make(GAME)


def black(*shape: int) -> np.ndarray:
    return np.zeros(shape or (210, 160, 3), np.uint8)


def seen(frame: np.ndarray, **options: Any) -> np.ndarray:
    return MsPacmanPreprocessing(Picture(frame), **options).reset()[0]


def tutorial(frame: np.ndarray) -> np.ndarray:
    """The tutorial's own lines."""
    img = frame[1:176:2, ::2].mean(axis=2)
    img[img == np.array([210, 164, 74]).mean()] = 0
    return ((img - 128) / 128 - 1).reshape(88, 80, 1)


def test_examples() -> None:
    result = doctest.testmod(sb3_ext.wrappers.ms_pacman)
    assert result.attempted > 0 and result.failed == 0


class TestPreprocessing:
    def test_numbers_of_a_frame(self) -> None:
        frame = black()
        frame[1, 0] = 30, 60, 91  # mean 60.33
        frame[3, 2] = 210, 164, 74  # Ms. Pac-Man
        frame[175, 158] = 255, 255, 255
        frame[2, :] = frame[:, 1] = frame[176:] = frame[0] = 77  # falls away
        expected = black(88, 80, 1)
        expected[0, 0], expected[87, 79] = 60, 255
        observation = seen(frame)
        assert observation.dtype == np.uint8
        np.testing.assert_array_equal(observation, expected)

        normal = seen(frame, normalize=True)
        assert normal.dtype == np.float32 and normal.shape == (88, 80, 1)
        assert normal[0, 0, 0] == np.float32((181 / 3 - 128) / 128 - 1)
        assert normal[87, 79, 0] == -0.0078125 and normal[1, 1, 0] == -2.0

    @settings(deadline=None, max_examples=25)
    @given(
        hnp.arrays(np.uint8, (210, 160, 3), elements=st.integers(0, 255), fill=st.sampled_from([0, 74, 150])),
        st.integers(0, 209),
    )
    def test_numbers_are_those_of_the_tutorial(self, frame: np.ndarray, row: int) -> None:
        frame[row, ::3] = 210, 164, 74
        expected = tutorial(frame)
        np.testing.assert_array_equal(seen(frame, normalize=True), expected.astype(np.float32))
        grey = (expected + 1) * 128 + 128
        np.testing.assert_array_equal(seen(frame), np.floor(grey + 1e-9).astype(np.uint8))

    def test_mask_options(self) -> None:
        frame = black()
        frame[1, 0] = 210, 164, 74
        frame[1, 2] = 228, 111, 111
        assert seen(frame)[0, :2].ravel().tolist() == [0, 150]
        assert seen(frame, masked_color=None)[0, :2].ravel().tolist() == [149, 150]
        assert seen(frame, masked_color=[228, 111, 111])[0, :2].ravel().tolist() == [149, 0]

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 209), st.integers(1, 210), st.integers(1, 160))
    def test_crop_and_stride_options(self, first: int, length: int, stride: int) -> None:
        last = min(first + length, 210)
        frame = np.random.default_rng(0).integers(256, size=(210, 160, 3), dtype=np.uint8)
        env = MsPacmanPreprocessing(Picture(frame), crop=[first, last], stride=stride, masked_color=None)
        observation, _ = env.reset()
        np.testing.assert_array_equal(observation[..., 0], frame.mean(2).astype(np.uint8)[first:last:stride, ::stride])
        assert env.observation_space.contains(observation)

    def test_gymnasium_can_make_it_again(self) -> None:
        env = MsPacmanPreprocessing(gym.make(GAME), crop=[0, 100], normalize=True)
        again = gym.make(env.spec)
        assert again.observation_space == env.observation_space
        np.testing.assert_array_equal(again.reset(seed=0)[0], env.reset(seed=0)[0])

    def test_yaml_of_the_zoo(self, game: gym.Env) -> None:
        names = [
            "stable_baselines3.common.atari_wrappers.MaxAndSkipEnv",
            {"sb3_ext.wrappers.MsPacmanPreprocessing": {"crop": [0, 210], "stride": 3}},
        ]
        wrap = get_wrapper_class({"env_wrapper": names})
        assert wrap is not None
        assert wrap(game).observation_space.shape == (70, 54, 1)

    def test_sb3_stacks_and_transposes_it(self) -> None:
        env = VecTransposeImage(VecFrameStack(make_vec_env(GAME, 2, wrapper_class=MsPacmanPreprocessing), 4))
        assert env.observation_space.shape == (4, 88, 80)


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"crop": (1, 211)}, "crop=(1, 211)"),
            ({"crop": (5, 5)}, "first < last"),
            ({"crop": (-1, 176)}, "crop"),
            ({"crop": 176}, "crop=176"),
            ({"stride": 0}, "stride=0"),
            ({"stride": 161}, "1 to 160"),
            ({"stride": 2.0}, "stride=2.0"),
            ({"masked_color": (210, 164)}, "red, green and blue"),
            ({"masked_color": (210, 164, 256)}, "256"),
            ({"masked_color": "yellow"}, "yellow"),
            ({"normalize": "yes"}, "True or False"),
        ],
    )
    @pytest.mark.parametrize("wrapper", [MsPacmanPreprocessing, MsPacmanAtariWrapper])
    def test_options(self, game: gym.Env, wrapper: Any, options: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError) as error:
            wrapper(game, **options)
        assert words in str(error.value) and "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            (black(210, 160), "obs_type='rgb'"),
            (black(84, 84, 3), "(84, 84, 3)"),
            (black(128), "RGB frames"),
            (np.zeros((210, 160, 3), np.float32), "float32"),
            (black(4, 210, 160, 3), "stack frames after"),
        ],
    )
    def test_observations_of_another_kind(self, frame: np.ndarray, words: str) -> None:
        with pytest.raises(ValueError, match="MsPacmanPreprocessing") as error:
            MsPacmanPreprocessing(Picture(frame))
        assert words in str(error.value)

    def test_no_box(self) -> None:
        with pytest.raises(ValueError, match="Discrete"):
            MsPacmanPreprocessing(gym.make("FrozenLake-v1"))

    def test_vector_environment(self) -> None:
        with pytest.raises(ValueError, match="MsPacmanVectorEnv"):
            MsPacmanPreprocessing(gym.make_vec("CartPole-v1"))  # type: ignore[arg-type]

    @pytest.mark.parametrize("frame", [black(210, 160), black().astype(np.float32)])
    def test_frame_that_is_not_as_announced(self, frame: np.ndarray) -> None:
        with pytest.raises(ValueError, match="a frame is"):
            MsPacmanPreprocessing(Picture(black())).observation(frame)

    @pytest.mark.parametrize(
        "options", [{"noop_max": -1}, {"frame_skip": 0}, {"clip_reward": 1}, {"terminal_on_life_loss": None}]
    )
    def test_steps(self, game: gym.Env, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=f"{next(iter(options))}=.*pass"):
            MsPacmanAtariWrapper(game, **options)

    def test_frames_are_not_skipped_twice(self) -> None:
        with pytest.raises(ValueError, match=r"already skips frames.*frameskip=1"):
            MsPacmanAtariWrapper(gym.make("ALE/MsPacman-v5"))
        assert MsPacmanAtariWrapper(gym.make("ALE/MsPacman-v5"), frame_skip=1).reset()[0].shape == (88, 80, 1)

    def test_no_game(self) -> None:
        with pytest.raises(ValueError, match="no Atari game"):
            MsPacmanAtariWrapper(Picture(black()))


class TestIds:
    @pytest.mark.parametrize("env_id", [LEARNING, TUTORIAL])
    def test_checkers(self, env_id: str) -> None:
        check_env(gym.make(env_id), warn=env_id == LEARNING, skip_render_check=True)
        gymnasium_check_env(gym.make(env_id).unwrapped, skip_render_check=True)

    def test_forms(self) -> None:
        assert gym.make(LEARNING).observation_space == gym.spaces.Box(0, 255, (88, 80, 1), np.uint8)
        assert gym.make(TUTORIAL).observation_space == gym.spaces.Box(-2, -0.0078125, (88, 80, 1), np.float32)

    @pytest.mark.parametrize("env_id", [LEARNING, TUTORIAL])
    def test_zoo_knows_an_atari_game(self, env_id: str) -> None:
        assert ExperimentManager.is_atari(env_id)

    @pytest.mark.parametrize(("env_id", "options"), [(LEARNING, {"clip_reward": False, "stride": 4}), (TUTORIAL, {})])
    def test_gymnasium_can_make_it_again(self, env_id: str, options: dict[str, Any]) -> None:
        env = gym.make(env_id, **options)
        again = gym.make(env.spec)
        assert str(again) == str(env) and again.spec == env.spec
        assert again.observation_space == env.observation_space
        np.testing.assert_array_equal(again.reset(seed=1)[0], env.reset(seed=1)[0])

    def test_tutorial_shows_what_its_game_does(self) -> None:
        ours, raw = gym.make(TUTORIAL), gym.make("MsPacman-v0")
        observation, frame = ours.reset(seed=2)[0], raw.reset(seed=2)[0]
        for action in np.random.default_rng(0).integers(9, size=30):
            np.testing.assert_array_equal(observation, tutorial(frame).astype(np.float32))
            observation, reward, *_ = ours.step(action)
            frame, points, *_ = raw.step(action)
            assert reward == points

    def test_a_fresh_interpreter_registers_them_without_the_emulator(self) -> None:
        code = (
            "import sys, gymnasium as gym; before = set(sys.modules); import sb3_ext; "
            "print([name for name in ('ale_py', 'torch', 'cv2') if name in set(sys.modules) - before]); "
            f"gym.spec('{TUTORIAL}'); print(gym.make('sb3_ext:{LEARNING}').observation_space.shape)"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout.splitlines() == ["[]", "(88, 80, 1)"]

    def test_unknown_argument(self) -> None:
        with pytest.raises(TypeError, match="colour"):
            gym.make(LEARNING, colour=1)


class TestSteps:
    """Of a game played to and fro, which is over after some 320 steps."""

    def play(self, env: gym.Env, n_steps: int = 340) -> list[tuple[Any, ...]]:
        env.reset(seed=0)
        steps = []
        for action in np.where(np.arange(n_steps) // 10 % 2, 1, 4):
            step = env.step(action)
            steps.append(step)
            if step[2] or step[3]:
                env.reset()
        return steps

    def test_rewards_episodes_and_score(self) -> None:
        steps = self.play(gym.make(LEARNING, noop_max=0))
        assert {step[1] for step in steps} == {0.0, 1.0}
        ends = [step[4]["lives"] for step in steps if step[2]]
        assert ends[:3] == [2, 1, 0]
        over = next(i for i, step in enumerate(steps) if step[4]["lives"] == 0)
        scores = [step[4]["score"] for step in steps[: over + 1]]
        assert scores == sorted(scores) and scores[-1] == 10 * sum(step[1] for step in steps[: over + 1])
        assert steps[over + 1][4]["score"] < scores[-1]

    def test_evaluation_form_plays_whole_games_for_points(self) -> None:
        steps = self.play(gym.make(LEARNING, noop_max=0, terminal_on_life_loss=False, clip_reward=False))
        over = next(i for i, step in enumerate(steps) if step[2])
        assert steps[over][4]["lives"] == 0
        assert sum(step[1] for step in steps[: over + 1]) == steps[over][4]["score"] >= 50

    def test_frames_are_those_of_sb3s_wrappers(self) -> None:
        ours = gym.make(LEARNING, noop_max=0, terminal_on_life_loss=False, clip_reward=False)
        theirs = MsPacmanPreprocessing(MaxAndSkipEnv(gym.make(GAME)))
        for own, other in zip(self.play(ours, 60), self.play(theirs, 60), strict=True):
            np.testing.assert_array_equal(own[0], other[0])
            assert own[1:4] == other[1:4]

    def test_a_seed_begins_a_game_in_the_middle_of_one(self) -> None:
        env = gym.make(LEARNING)
        first, _ = env.reset(seed=3)
        for _ in range(60):
            env.step(2)
        again, info = env.reset(seed=3)
        np.testing.assert_array_equal(again, first)
        assert info["score"] == 0
        gymnasium_check_env(env.unwrapped, skip_render_check=True)

    def test_no_ops(self) -> None:
        env = gym.make(LEARNING, noop_max=3)
        env.reset(seed=0)
        counts = {env.reset()[1]["episode_frame_number"] for _ in range(20)}
        assert counts == {1, 2, 3}
        assert gym.make(LEARNING, noop_max=0).reset()[1]["episode_frame_number"] == 0

    def test_monitor_below_scores_whole_games(self) -> None:
        """What ``env_wrapper`` of the zoo and ``wrapper_class`` do."""

        class Fixed:
            def predict(self, observation: np.ndarray, **_: Any) -> tuple[np.ndarray, None]:
                return np.full(len(observation), 3), None

        env = make_vec_env(GAME, 1, seed=0, wrapper_class=MsPacmanAtariWrapper)
        wrapped, _ = evaluate_policy(Fixed(), env, 1)  # type: ignore[arg-type]
        kwargs = {"terminal_on_life_loss": False, "clip_reward": False}
        whole, _ = evaluate_policy(Fixed(), make_vec_env(LEARNING, 1, seed=0, env_kwargs=kwargs), 1)  # type: ignore[arg-type]
        assert wrapped >= 50 and whole >= 50

    def test_subprocesses(self) -> None:
        env = SubprocVecEnv([lambda: gym.make(f"sb3_ext:{LEARNING}")], start_method="spawn")
        assert env.reset().shape == (1, 88, 80, 1)
        env.close()
