"""Ms. Pac-Man through the commands: from an id of upstream's, from the id that carries its wrappers, vectorised."""

import csv
from pathlib import Path

import pytest

from sb3_ext import DuelingDQN
from sb3_ext.cli import main
from sb3_ext.replay.prioritized import PrioritizedFrameReplayBuffer

CONF = """
%s: {n_timesteps: 48, policy: CnnPolicy, frame_stack: 4, buffer_size: 500, learning_starts: 24, batch_size: 4,
  n_envs: %d, n_steps: 3, prioritized_replay: true, %s
  replay_buffer_class: "get_class_by_name('sb3_ext.replay.frames.FrameReplayBuffer')",
  policy_kwargs: "dict(features_extractor_kwargs=dict(layers=[[8, 8, 8]]), net_arch=[16])"}
"""
WRAPPER = "env_wrapper: sb3_ext.wrappers.MsPacmanAtariWrapper,"
WHOLE_GAMES = ("terminal_on_life_loss:False", "clip_reward:False")


@pytest.mark.parametrize(
    ("env_id", "conf", "train_flags", "evaluate_flags"),
    [
        ("MsPacmanNoFrameskip-v4", (1, WRAPPER), (), ()),
        (
            "MsPacmanPreprocessed-v0",
            (2, ""),
            ("--vec-env", "native", "--eval-env-kwargs", *WHOLE_GAMES),
            ("--env-kwargs", *WHOLE_GAMES),
        ),
    ],
)
def test_train_evaluate_and_enjoy(
    env_id: str,
    conf: tuple[int, str],
    train_flags: tuple[str, ...],
    evaluate_flags: tuple[str, ...],
    workdir: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (workdir / "own.yml").write_text(CONF % (env_id, *conf))
    agent = ("--algo", "dueling_dqn", "--env", env_id)
    quiet = ("--conf-file", "own.yml", "--seed", "0", "--verbose", "0", "--eval-freq", "-1", "--save-replay-buffer")
    assert main(["train", *agent, *quiet, *train_flags]) == 0
    run = workdir / "logs" / "dueling_dqn" / f"{env_id}_1"
    model = DuelingDQN.load(run / f"{env_id}.zip")
    model.load_replay_buffer(run / "replay_buffer.pkl")
    assert model.observation_space.shape == (4, 88, 80)
    assert isinstance(model.replay_buffer, PrioritizedFrameReplayBuffer) and model.replay_buffer.size() > 0

    assert main(["evaluate", *agent, "-f", "logs", "-n", "1", "--output", "results", *evaluate_flags]) == 0
    with open(workdir / "results" / "results.csv", newline="") as file:
        (score,) = (float(row["mean_return"]) for row in csv.DictReader(file))
    assert score % 10 == 0 and score >= 60
    capfd.readouterr()
    assert main(["enjoy", *agent, "-f", "logs", "--no-render", "-n", "20", *evaluate_flags]) == 0


def test_a_search_keeps_the_convolutions(workdir: Path) -> None:
    env_id = "MsPacmanPreprocessed-v0"
    (workdir / "own.yml").write_text(CONF % (env_id, 1, ""))
    agent = ("train", "--algo", "dueling_dqn", "--env", env_id, "--conf-file", "own.yml", "--verbose", "0")
    study = ("--storage", "study.log", "--study-name", "convolutions")
    search = ("--optimize", "--n-trials", "1", "--n-evaluations", "1", "--eval-episodes", "1", "--no-optim-plots")
    assert main([*agent, *study, *search, "--optimization-log-path", "search", "-n", "26", "--seed", "1"]) == 0
    assert main([*agent, *study, "--trial-id", "0", "-n", "26", "--eval-freq", "-1"]) == 0

    paths = ("search/trial_0/best_model.zip", f"logs/dueling_dqn/{env_id}_1/{env_id}.zip")
    searched, trained = (DuelingDQN.load(workdir / path, buffer_size=1) for path in paths)
    assert searched.policy_kwargs["features_extractor_kwargs"] == {"layers": [[8, 8, 8]]}
    assert searched.policy_kwargs == trained.policy_kwargs and searched.policy_kwargs["net_arch"] != [16]
