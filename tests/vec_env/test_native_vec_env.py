"""``sb3-ext train --vec-env native``: the zoo's commands over an environment's own vectorised form."""

from collections.abc import Callable
from pathlib import Path

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import load_results

import sb3_ext.zoo.experiment
from sb3_ext.cli import main
from sb3_ext.vec_env import GymnasiumVecEnv

ErrorLine = Callable[..., str]

CONF = "default: {n_timesteps: 512, policy: MlpPolicy, n_envs: 8, n_steps: 32, batch_size: 64, n_epochs: 1%s}"
AGENT = ("--algo", "ppo", "--env", "CartPole-v1")


@pytest.fixture
def train(workdir: Path) -> Callable[..., list[str]]:
    """The arguments of a short run, with more settings of its hyperparameters."""

    def arguments(*more: str, settings: str = "") -> list[str]:
        (workdir / "own.yml").write_text(CONF % settings)
        native = ("--vec-env", "native", "--conf-file", "own.yml", "--eval-freq", "-1", "--seed", "1", "--verbose", "0")
        return ["train", *AGENT, *native, *more]

    return arguments


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[GymnasiumVecEnv]:
    """Every adapter made, in order."""
    adapters = []

    class Recorded(GymnasiumVecEnv):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            adapters.append(self)

    monkeypatch.setattr(sb3_ext.zoo.experiment, "GymnasiumVecEnv", Recorded)
    return adapters


def test_trains_and_the_other_commands_take_it_from_there(
    workdir: Path, train: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ", normalize: {norm_obs: true, norm_reward: true}, frame_stack: 2"
    evaluated = ("--eval-freq", "256", "--eval-episodes", "1")
    assert main(train(*evaluated, settings=settings)) == 0
    run = workdir / "logs" / "ppo" / "CartPole-v1_1"
    for name in ("CartPole-v1.zip", "best_model.zip", "evaluations.npz", "CartPole-v1/vecnormalize.pkl"):
        assert (run / name).is_file(), name
    assert PPO.load(run / "CartPole-v1.zip").observation_space.shape == (8,)

    for which in ([], ["--load-best"]):
        assert main(["enjoy", *AGENT, "-f", "logs", "--no-render", "-n", "600", *which]) == 0
        assert "Episode Reward" in capfd.readouterr().out
    assert main(train("-i", str(run / "CartPole-v1.zip"), settings=settings)) == 0


def test_writes_every_episode_to_a_monitor_file(workdir: Path, train: Callable[..., list[str]]) -> None:
    pytest.importorskip("pandas")
    assert main(train()) == 0
    results = load_results(str(workdir / "logs" / "ppo" / "CartPole-v1_1"))
    assert list(results.columns) == ["index", "r", "l", "t"]
    assert (results.r == results.l).all() and 256 < results.l.sum() <= 512


def test_environments_are_those_asked_for(train: Callable[..., list[str]], made: list[GymnasiumVecEnv]) -> None:
    evaluated = ("--eval-freq", "256", "--eval-episodes", "1", "--n-eval-envs", "2")
    kwargs = ("--env-kwargs", "max_episode_steps:7", "--eval-env-kwargs", "max_episode_steps:9")
    assert main(train(*evaluated, *kwargs)) == 0
    evaluation, training = made
    assert (evaluation.num_envs, training.num_envs) == (2, 8)
    assert (evaluation.get_attr("max_episode_steps")[0], training.get_attr("max_episode_steps")[0]) == (9, 7)


def test_a_seed_decides_the_run(workdir: Path, train: Callable[..., list[str]]) -> None:
    lengths = []
    for number in (1, 2):
        assert main(train()) == 0
        lines = (workdir / "logs" / "ppo" / f"CartPole-v1_{number}" / "0.monitor.csv").read_text().splitlines()
        lengths.append([line.split(",")[1] for line in lines[2:]])
    assert lengths[0] == lengths[1]


class TestErrors:
    def test_no_vectorised_form(self, workdir: Path, train: Callable[..., list[str]], error_line: ErrorLine) -> None:
        line = error_line(*train("--env", "MountainCar-v0"), code=2)
        assert "MountainCar-v0" in line and "dummy or subproc" in line
        assert not (workdir / "logs").exists()

    def test_wrapper_of_single_environments(
        self, workdir: Path, train: Callable[..., list[str]], error_line: ErrorLine
    ) -> None:
        wrapper = ", env_wrapper: gymnasium.wrappers.TimeAwareObservation"
        assert "env_wrapper" in error_line(*train(settings=wrapper), code=2)
        assert not (workdir / "logs").exists()

    def test_wrong_environment_argument(
        self, workdir: Path, train: Callable[..., list[str]], error_line: ErrorLine
    ) -> None:
        assert "gravitation" in error_line(*train("--env-kwargs", "gravitation:9.8"), code=2)
        assert not (workdir / "logs").exists()

    def test_two_numbers_of_stacked_frames(
        self, workdir: Path, train: Callable[..., list[str]], error_line: ErrorLine
    ) -> None:
        arguments = train("--env", "MsPacmanPreprocessed-v0", "--env-kwargs", "stack_num:2")
        (workdir / "own.yml").write_text((CONF % ", frame_stack: 4").replace("default", "atari"))
        line = error_line(*arguments, code=2)
        assert "frame_stack=4" in line and "stack_num=2" in line
        assert not (workdir / "logs").exists()

    @pytest.mark.parametrize("frame_stack", ["", "frame_stack: 4, "])
    def test_replay_of_another_number_of_frames(self, workdir: Path, error_line: ErrorLine, frame_stack: str) -> None:
        buffer = "get_class_by_name('sb3_ext.replay.frames.FrameReplayBuffer')"
        (workdir / "own.yml").write_text(
            f"MsPacmanPreprocessed-v0: {{n_timesteps: 48, policy: CnnPolicy, {frame_stack}buffer_size: 500,"
            f' replay_buffer_class: "{buffer}", replay_buffer_kwargs: "dict(n_stack=2)"}}'
        )
        agent = ("--algo", "dueling_dqn", "--env", "MsPacmanPreprocessed-v0", "--conf-file", "own.yml")
        line = error_line("train", *agent, "--vec-env", "native", code=2)
        assert "n_stack=2" in line and "stacks 4 frames" in line
        assert not (workdir / "logs").exists()

    def test_typing_mistake(self, train: Callable[..., list[str]], error_line: ErrorLine) -> None:
        assert "Did you mean 'native'?" in error_line(*train("--vec-env", "nativ"), code=2)


def test_environment_arguments_of_the_yaml_file_hold_for_evaluations_too(
    train: Callable[..., list[str]], made: list[GymnasiumVecEnv]
) -> None:
    """Upstream evaluates on the environment without them."""
    settings = ", env_kwargs: {lags: 2}"
    arguments = train("--eval-freq", "256", "--n-eval-envs", "2", "-n", "256", settings=settings)
    assert main([text.replace("CartPole-v1", "AdSpendShock-v0") for text in arguments]) == 0
    assert {adapter.num_envs for adapter in made} == {2, 8}
    assert made[0].observation_space == made[1].observation_space
