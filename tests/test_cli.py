import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from folders import inside
from rl_zoo3.utils import ALGOS
from stable_baselines3 import DDPG as UpstreamDDPG

import sb3_ext
from sb3_ext.cli import COMMANDS, main

ErrorLine = Callable[..., str]

SHORT = (
    "-n",
    "300",
    "--eval-freq",
    "-1",
    "-params",
    "learning_starts:100",
    "batch_size:16",
    "policy_kwargs:dict(net_arch=[16])",
)
TRAIN = ("train", "--algo", "ddpg_ext", "--env", "Pendulum-v1")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log folder with a short run of ours, evaluated twice and with a checkpoint."""
    folder = tmp_path_factory.mktemp("runs")
    with inside(folder):
        assert main([*TRAIN, *SHORT, "--eval-freq", "200", "--eval-episodes", "1", "--save-freq", "200"]) == 0
    return folder / "logs"


class TestTrain:
    def test_writes_what_the_zoo_writes(self, logs: Path) -> None:
        run = logs / "ddpg_ext" / "Pendulum-v1_1"
        for name in ("Pendulum-v1.zip", "best_model.zip", "rl_model_200_steps.zip", "evaluations.npz", "0.monitor.csv"):
            assert (run / name).is_file(), name
        model = sb3_ext.DDPG.load(run / "Pendulum-v1.zip")
        assert model.num_timesteps == 300
        assert model.batch_size == 16

    def test_records_our_hyperparameters_and_package(self, logs: Path) -> None:
        saved = logs / "ddpg_ext" / "Pendulum-v1_1" / "Pendulum-v1"
        args = yaml.load((saved / "args.yml").read_text(), Loader=yaml.UnsafeLoader)
        assert "sb3_ext" in args["gym_packages"]
        assert Path(args["conf_file"]).name == "ddpg_ext.yml"

    def test_continues_a_run(self, logs: Path, workdir: Path) -> None:
        agent = str(logs / "ddpg_ext" / "Pendulum-v1_1" / "Pendulum-v1.zip")
        assert main([*TRAIN, *SHORT, "-i", agent]) == 0
        assert (workdir / "logs" / "ddpg_ext" / "Pendulum-v1_1" / "Pendulum-v1.zip").is_file()

    def test_our_environment_with_an_upstream_algorithm(self, workdir: Path) -> None:
        conf = workdir / "own.yml"
        conf.write_text("default: {n_timesteps: 60, policy: MlpPolicy, n_steps: 30, batch_size: 30, n_epochs: 1}")
        arguments = [
            "train",
            "--algo",
            "ppo",
            "--env",
            "sb3_ext:AdSpend-v0",
            "--conf-file",
            str(conf),
            "--eval-freq",
            "-1",
        ]
        assert main(arguments) == 0
        assert (workdir / "logs" / "ppo" / "AdSpend-v0_1" / "AdSpend-v0.zip").is_file()

    def test_leaves_the_process_as_it_was(self, logs: Path) -> None:
        import rl_zoo3.exp_manager

        train_module = sys.modules["rl_zoo3.train"]
        assert vars(train_module)["ExperimentManager"] is rl_zoo3.exp_manager.ExperimentManager
        assert ALGOS["ddpg_ext"] is sb3_ext.DDPG
        assert ALGOS["ddpg"] is UpstreamDDPG

    def test_programming_errors_keep_their_traceback(self, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise TypeError("a bug")

        monkeypatch.setattr(sb3_ext.DDPG, "train", fail)
        with pytest.raises(TypeError, match="a bug"):
            main([*TRAIN, *SHORT])


class TestOtherCommands:
    def test_enjoy(self, logs: Path, capfd: pytest.CaptureFixture[str]) -> None:
        for which in ([], ["--load-best"], ["--load-checkpoint", "200"]):
            arguments = ["--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(logs), "--no-render", "-n", "200"]
            assert main(["enjoy", *arguments, *which]) == 0
            assert "Episode Reward" in capfd.readouterr().out

    def test_enjoy_allocates_no_replay_buffer(self, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = []
        setup = sb3_ext.DDPG._setup_model
        monkeypatch.setattr(sb3_ext.DDPG, "_setup_model", lambda self: (sizes.append(self.buffer_size), setup(self))[1])
        arguments = ["--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(logs), "--no-render", "-n", "1"]
        assert main(["enjoy", *arguments]) == 0
        assert sizes == [1]

    def test_enjoy_two_environments(self, logs: Path) -> None:
        arguments = ["--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(logs), "--no-render", "-n", "5"]
        assert main(["enjoy", *arguments, "--n-envs", "2"]) == 0

    def test_record_video(self, logs: Path, tmp_path: Path) -> None:
        pytest.importorskip("moviepy")
        pytest.importorskip("pygame")
        arguments = ["--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(logs), "-n", "5", "-o", str(tmp_path)]
        assert main(["record_video", *arguments]) == 0
        assert list(tmp_path.glob("*.mp4"))

    def test_plots(
        self, logs: Path, workdir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        pytest.importorskip("seaborn")
        monkeypatch.setenv("MPLBACKEND", "Agg")
        assert main(["plot_train", "-a", "ddpg_ext", "-e", "Pendulum-v1", "-f", str(logs)]) == 0
        evaluated = workdir / "logs"
        for seed in ("1", "2"):
            options = ["--eval-freq", "100", "--eval-episodes", "2", "--seed", seed]
            assert main([*TRAIN, *SHORT, *options]) == 0
        plot = ["all_plots", "-a", "ddpg_ext", "-e", "Pendulum-v1", "-f", str(evaluated), "-o", "out", "--no-display"]
        assert main(plot) == 0
        assert "DDPG_EXT" in capfd.readouterr().out
        assert main(["plot_from_file", "-i", "out.pkl", "-o", "figure", "--format", "png"]) == 0

    def test_benchmark(self, logs: Path, workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("pandas")
        arguments = ["--log-dir", str(logs), "--no-hub", "--benchmark-dir", "bench", "-n", "200", "--num-threads", "1"]
        assert main(["benchmark", *arguments]) == 0
        assert "ddpg_ext" in (workdir / "bench" / "benchmark.md").read_text()
        assert "Error during evaluation" not in capfd.readouterr().out


class TestHelp:
    def test_lists_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--help"]) == 0
        output = capsys.readouterr().out
        for name, command in COMMANDS.items():
            assert name in output
            assert command.summary in output

    def test_no_command_is_wrong_usage(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 2
        assert "usage" in capsys.readouterr().out

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert sb3_ext.__version__ in capsys.readouterr().out

    @pytest.mark.parametrize("command", ["train", "enjoy", "record_video"])
    def test_commands_show_the_zoo_flags_and_our_examples(
        self, command: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([command, "--help"]) == 0
        output = capsys.readouterr().out
        assert f"usage: sb3-ext {command}" in output
        assert "ddpg_ext" in output
        assert f"sb3-ext {command} {COMMANDS[command].examples[0]}" in output

    @pytest.mark.parametrize("launcher", [["-m", "sb3_ext", "train"], [str(ROOT / "scripts" / "train.py")]])
    def test_other_ways_to_start_it(self, launcher: list[str], tmp_path: Path) -> None:
        command = [sys.executable, *launcher, "--algo", "dpg_ext"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 2
        assert "Did you mean 'ddpg_ext'?" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not list(tmp_path.iterdir())


BAD_YAML = {
    "unclosed.yml": "Pendulum-v1: [1, 2",
    "list.yml": "- 1",
    "other.yml": "CartPole-v1: {n_timesteps: 1}",
    "scalar.yml": "Pendulum-v1: 3",
    "misspelt.yml": "Pendulum-v1: {n_timesteps: 9, policy: MlpPolicy, gama: 0.9}",
    "endless.yml": "Pendulum-v1: {policy: MlpPolicy}",
}


class TestWrongInput:
    @pytest.fixture(autouse=True)
    def _nothing_written(self, workdir: Path) -> object:
        yield
        written = {path.name for path in workdir.iterdir()} - set(BAD_YAML)
        assert not written, "a refused command must leave nothing behind"

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["trian"], "Did you mean 'train'?"),
            (["xyz"], "Commands: train, enjoy"),
            (["train", "--algo", "dpg_ext"], "Did you mean 'ddpg_ext'?"),
            (["train", "--no-such-flag"], "--no-such-flag"),
            (["train", "--sed", "3"], "Did you mean '--seed'?"),
            ([*TRAIN, "-params", "lerning_rate:1"], "-params: ddpg_ext has no hyperparameter 'lerning_rate'. Did you"),
            ([*TRAIN, "-params", "noise_sd:1"], "Did you mean 'noise_std'?"),
            ([*TRAIN, "-params", "seed:1"], "-params: seed is no hyperparameter: give --seed"),
            ([*TRAIN, "--conf-file", "misspelt.yml"], "misspelt.yml: ddpg_ext has no hyperparameter 'gama'. Did you"),
            ([*TRAIN, "--env-kwargs", "q:9.8"], "--env-kwargs: Pendulum-v1 has no argument 'q'"),
            ([*TRAIN, "--eval-env-kwargs", "max_episode_step:9"], "Did you mean 'max_episode_steps'?"),
            (["tune", *TRAIN[1:], "-params", "taw:1"], "Did you mean 'tau'?"),
            (["enjoy", "--algo", "ppo", "--env", "AdSpend-v0", "--env-kwargs", "bugdet:1"], "Did you mean 'budget'?"),
            (["evaluate", "--algo", "ppo", "--env", "AdSpend-v0", "--env-kwargs", "bugdet:1"], "mean 'budget'?"),
            (["train", "-n", "many"], "invalid int value: 'many'"),
            (["train", "--algo", "ddpg_ext", "--env", "AdSpent-v0"], "Did you mean 'AdSpend-v0'?"),
            (["train", "--algo", "ddpg_ext", "--env", "sb3_ext:AdSpent-v0"], "Did you mean 'AdSpend-v0'?"),
            (["train", "--algo", "ddpg_ext", "--env", "no_such_package:Env-v0"], "'no_such_package'"),
            (["train", "--algo", "ddpg", "--env", "ALE/Pong-v5"], "no hyperparameters for ddpg on 'ALE/Pong-v5'"),
            ([*TRAIN, "--gym-packages", "no_such_package"], "'no_such_package'"),
            ([*TRAIN, "--conf-file", "missing.yml"], "No such file or directory: missing.yml"),
            ([*TRAIN, "--conf-file", "unclosed.yml"], "not valid YAML"),
            ([*TRAIN, "--conf-file", "list.yml"], "holds no blocks"),
            ([*TRAIN, "--conf-file", "other.yml"], "it has CartPole-v1"),
            ([*TRAIN, "--conf-file", "scalar.yml"], "the block 'Pendulum-v1'"),
            ([*TRAIN, "--conf-file", "endless.yml"], "lack n_timesteps"),
            ([*TRAIN, "--conf-file", "missing.py"], "missing.py"),
            ([*TRAIN, "-i", "missing.zip"], "missing.zip"),
            ([*TRAIN, "--device", "gpu"], "unknown device 'gpu'"),
            ([*TRAIN, "-n", "0"], "-n is 0"),
            ([*TRAIN, "--eval-episodes", "0"], "--eval-episodes is 0"),
            ([*TRAIN, "--log-interval", "0"], "--log-interval is 0"),
            ([*TRAIN, "--seed", str(2**32)], "--seed is"),
            ([*TRAIN, "--trial-id", "1"], "needs --storage and --study-name"),
            ([*TRAIN, "--storage", "study.log"], "needs --storage and --study-name"),
            ([*TRAIN, "--study-name", "s"], "needs --storage and --study-name"),
            (["tune", *TRAIN[1:], "--study-name", "../../x"], "--study-name is '../../x': it names a folder"),
            (["tune", *TRAIN[1:], "--study-name", ".."], "--study-name is '..'"),
            ([*TRAIN, "-params", "critic_loss:mse"], "name 'mse' is not defined"),
            ([*TRAIN, "-params", "tau:float('nan')"], "tau is NaN"),
            ([*TRAIN, "-params", "learning_rate:'fast'"], "learning_rate is 'fast'"),
            ([*TRAIN, "-params", "critic_learning_rate:float('inf')"], "critic_learning_rate is inf"),
            ([*TRAIN, "-params", "n_envs:0"], "n_envs is 0"),
            ([*TRAIN, "-params", "noise_type:'pink'"], "normal, ornstein-uhlenbeck"),
            ([*TRAIN, "-params", "noise_std:-1"], "noise_std is -1"),
            ([*TRAIN, "-params", "env_wrapper:'gymnasium.wrappers.Nope'"], "gymnasium.wrappers.Nope"),
            ([*TRAIN, "-params", "callback:['no_such_module.Callback']"], "no_such_module"),
            ([*TRAIN, "-params", "callback:['os.path']"], "is no class"),
            ([*TRAIN, "-params", "frame_stack:0"], "frame_stack is 0"),
            ([*TRAIN, "-params", "n_timesteps:-5"], "n_timesteps is -5"),
            ([*TRAIN, "--n-evaluations", "0", "--optimize"], "--n-evaluations is 0"),
            ([*TRAIN, "--tensorboard-log", "list.yml/tb"], "--tensorboard-log: cannot write"),
            ([*TRAIN, "-f", "list.yml"], "--log-folder: cannot write"),
            (["enjoy", "--algo", "ddpg_ext", "--env", "Pendulum-v1", "-n", "0"], "--n-timesteps is 0"),
            (["enjoy", "--algo", "ddpg_ext", "--env", "Pendulum-v1"], "train one first, or name its log folder"),
            (["enjoy", "--algo", "ddpg_ext", "--env", "Pendulums-v1"], "Did you mean 'Pendulum-v1'?"),
            (["record_video", "--algo", "ddpg", "--env", "Pendulum-v1"], "no trained agent"),
            (["record_video", "--env", "Pendulums-v1"], "Did you mean 'Pendulum-v1'?"),
            (["record_training", "--algo", "ddpg_ext", "--env", "Pendulum-v1"], "no trained agent"),
            (["record_training", "--env", "Pendulums-v1"], "Did you mean 'Pendulum-v1'?"),
            (["benchmark", "--log-dir", "nowhere"], "--log-dir: there is no folder 'nowhere'"),
            (["benchmark", "-n", "0"], "--n-timesteps is 0"),
            (["benchmark", "--n-envs", "0"], "--n-envs is 0"),
            (["benchmark", "speed", "--quick"], "`python scripts/benchmark.py`"),
            (["plot_train", "-a", "ppo", "-e", "CartPole-v1", "-f", "nowhere"], "there is no folder 'nowhere'"),
            (["all_plots", "-e", "CartPole-v1", "-f", "nowhere"], "--algos is required"),
            (["all_plots", "-a", "ppo", "-e", "CartPole-v1", "-f", "."], "holds no runs of 'ppo'"),
            (["plot_from_file", "-i", "nothing.pkl"], "there is no .pkl file 'nothing.pkl'"),
        ],
    )
    def test_refused_at_the_door(
        self, arguments: list[str], expected: str, workdir: Path, error_line: ErrorLine
    ) -> None:
        for name, content in BAD_YAML.items():
            (workdir / name).write_text(content)
        assert expected in error_line(*arguments, code=2)

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            ([*TRAIN, "-params", "batch_size:-1"], "batch_size"),
            ([*TRAIN, "-params", "gamma:2"], "gamma"),
            ([*TRAIN, "-params", "policy:'NoPolicy'"], "NoPolicy"),
            ([*TRAIN, "-params", "policy:'MultiInputPolicy'"], "SB3_EXT_DEBUG=1"),
            ([*TRAIN, "-params", "policy_kwargs:3"], "not iterable"),
            ([*TRAIN, "-params", "policy_kwargs:dict(net_arch=[-3])"], "negative"),
            ([*TRAIN, "-params", "policy_kwargs:dict(activation_fn='relu')"], "str"),
            ([*TRAIN, "-params", "buffer_size:10**15"], "allocate"),
            ([*TRAIN, "-params", "n_steps:3", "replay_buffer_class:3"], "replay_buffer_class=3"),
            ([*TRAIN, "-params", "policy_kwargs:'dict(net_arch=[64)'"], "not a valid Python expression"),
            ([*TRAIN, "-params", "policy_kwargs:'dict(net_arch=wide)'"], "name 'wide' is not defined"),
            (["train", "--algo", "ddpg_ext", "--env", "AdSpend-v0", "--env-kwargs", "budget:-1"], "budget"),
            (["train", "--algo", "ddpg_ext", "--env", "AdSpend-v0", "--env-kwargs", "budget:float('nan')"], "budget"),
            (["train", "--algo", "ddpg_ext", "--env", "CartPole-v1"], "Box action space"),
        ],
    )
    def test_refused_when_constructed(self, arguments: list[str], expected: str, error_line: ErrorLine) -> None:
        assert expected in error_line(*arguments, code=1)

    def test_debugging_shows_the_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SB3_EXT_DEBUG", "1")
        with pytest.raises(Exception, match="unknown command") as caught:
            main(["trian"])
        assert type(caught.value).__name__ == "UserError"


def test_other_folders_are_never_removed(workdir: Path, error_line: ErrorLine) -> None:
    foreign = workdir / "logs" / "ddpg_ext" / "Pendulum-v1_1"
    foreign.mkdir(parents=True)
    error_line(*TRAIN, "-params", "gamma:2", code=1)
    assert [path.name for path in (workdir / "logs" / "ddpg_ext").iterdir()] == [foreign.name]


def test_enjoy_names_the_runs_there_are(logs: Path, error_line: ErrorLine) -> None:
    arguments = ("--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(logs), "--exp-id", "9")
    assert "there are: Pendulum-v1_1" in error_line("enjoy", *arguments, code=2)


def test_a_run_that_failed_at_its_start_is_not_the_latest(
    logs: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(sb3_ext.DDPG, "learn", fail)
        with pytest.raises(RuntimeError, match="a bug"):
            main([*TRAIN, *SHORT, "-f", str(logs)])
    assert (logs / "ddpg_ext" / "Pendulum-v1_2").is_dir()
    capfd.readouterr()
    agent = ["--algo", "ddpg_ext", "--env", "Pendulum-v1", "-f", str(logs)]
    for command in (["enjoy", *agent, "--no-render", "-n", "1"], ["evaluate", *agent, "-n", "1"]):
        assert main(command) == 0
        assert "Pendulum-v1_2 has no model, the latest run with one is Pendulum-v1_1" in capfd.readouterr().err
