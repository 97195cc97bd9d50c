"""
Checks of the zoo's parsed arguments before the zoo acts on them, so that a mistake leaves no half-written run behind.

Each check takes the namespace of one zoo command, raises :class:`~sb3_ext.app.errors.UserError`, and fills in what the
plugin knows: its hyperparameter files and its environments.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import os
import shutil
import sys
from pathlib import Path

from sb3_ext.app.errors import UserError, did_you_mean
from sb3_ext.app.files import check_writable
from sb3_ext.zoo.hyperparams import check_block, default_hyperparams_file, named_file, read_block
from sb3_ext.zoo.names import check_environment_arguments, check_hyperparameters
from sb3_ext.zoo.registry import ALGORITHMS, register
from sb3_ext.zoo.runs import latest_run

_HUB_FOLDER = "rl-trained-agents"
_LOGS_ADVICE = "training writes to 'logs' unless told otherwise"


def check_train(args: argparse.Namespace) -> None:
    """Refuse what would stop ``train`` before its first step, and choose its hyperparameter file."""
    check_environment(args)
    _check_positive(args, "eval_episodes", "n_eval_envs", "n_trials", "n_evaluations")
    if args.n_timesteps < 1 and args.n_timesteps != -1:
        raise UserError(f"-n is {args.n_timesteps}: give a positive number, or leave it out for that of the YAML file")
    if args.log_interval == 0:
        raise UserError("--log-interval is 0: give a positive number, -1 for the default or -2 to log nothing")
    if args.seed >= 2**32:
        raise UserError(f"--seed is {args.seed}: give at most {2**32 - 1}, or -1 for a random one")
    if args.trained_agent and not (args.trained_agent.endswith(".zip") and os.path.isfile(args.trained_agent)):
        raise UserError(f"--trained-agent: there is no .zip file {args.trained_agent!r}")
    if args.track and importlib.util.find_spec("wandb") is None:
        raise UserError("--track needs Weights & Biases: pip install wandb")
    for name in ("log_folder", "tensorboard_log"):
        if getattr(args, name):
            check_writable(getattr(args, name), f"--{name.replace('_', '-')}")
    study_given = args.storage or args.study_name
    loads_trial = args.trial_id is not None or (study_given and not args.optimize_hyperparameters)
    if loads_trial and not (args.storage and args.study_name):
        raise UserError("the trial to train needs --storage and --study-name; --trial-id chooses another than the best")
    _check_device(args.device)
    check_hyperparameters(args.algo, args.hyperparams or {}, "-params")
    if args.conf_file is None:
        args.conf_file = str(default_hyperparams_file(args.algo, args.env))
    args.conf_file = named_file(args.conf_file)
    if args.conf_file.endswith((".yml", ".yaml")):
        block = read_block(args.conf_file, args.algo, args.env)
        check_hyperparameters(args.algo, block, args.conf_file)
        block |= args.hyperparams or {}
        check_block(block, args.conf_file)
        _warn_of_no_end(args.env, args.env_kwargs or block.get("env_kwargs") or {})
    elif args.conf_file.endswith(".py") and not os.path.isfile(args.conf_file):
        raise UserError(f"--conf-file: there is no file {args.conf_file!r}")


def check_enjoy(args: argparse.Namespace) -> None:
    """Check ``enjoy``, which may download agents of upstream's algorithms."""
    _check_device(args.device)
    _check_positive(args, "n_timesteps")
    check_agent(args, downloads=_HUB_FOLDER in args.folder and args.algo not in ALGORITHMS)


def check_agent(args: argparse.Namespace, downloads: bool = False) -> None:
    """Check that the environment is known and the trained agent exists or, if one may, is downloaded."""
    from rl_zoo3.utils import get_model_path

    check_environment(args)
    _check_positive(args, "n_envs")
    _choose_run(args)
    which = (args.load_best, args.load_checkpoint, args.load_last_checkpoint)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            get_model_path(args.exp_id, args.folder, args.algo, args.env, *which)
    except (AssertionError, ValueError) as error:
        if not downloads:
            raise UserError(_no_agent(args, str(error))) from error


def check_download(args: argparse.Namespace) -> None:
    """Check the environment and the log folder of an agent to download."""
    check_environment(args)
    check_writable(args.folder, "--folder")


def check_record_training(args: argparse.Namespace) -> None:
    """Check that ``record_training`` has a folder of trained agents and the ffmpeg program."""
    check_environment(args)
    _choose_run(args)
    if not list(Path(args.folder, args.algo).glob(f"{args.env}*")):
        raise UserError(_no_agent(args, "nothing to record"))
    if shutil.which("ffmpeg") is None:
        raise UserError("record_training joins its videos with ffmpeg, which is not on the PATH: install it")


def check_benchmark(args: argparse.Namespace) -> None:
    """Check that there is something to measure."""
    from rl_zoo3.utils import get_trained_models

    _check_positive(args, "n_timesteps", "n_envs")
    if not os.path.isdir(args.log_dir):
        raise UserError(f"--log-dir: there is no folder {args.log_dir!r}; {_LOGS_ADVICE}")
    if args.no_hub and not get_trained_models(args.log_dir):
        raise UserError(f"--log-dir: {args.log_dir!r} holds no trained agent (<algo>/<env>_1/<env>.zip)")
    os.makedirs(args.benchmark_dir, exist_ok=True)


def check_plot(args: argparse.Namespace) -> None:
    """Check that there are the data which ``plot_train``, ``all_plots`` or ``plot_from_file`` is to plot."""
    for name in ("algos", "env", "exp_folders", "input"):
        if getattr(args, name, ()) is None:
            raise UserError(f"--{name.replace('_', '-')} is required")
    if hasattr(args, "input"):
        if not (args.input.endswith(".pkl") and os.path.isfile(args.input)):
            raise UserError(f"-i: there is no .pkl file {args.input!r}; `all_plots -o NAME` writes NAME.pkl")
    elif hasattr(args, "exp_folder"):
        _check_runs([args.exp_folder], [args.algo], args.env)
    else:
        _check_runs(args.exp_folders, args.algos, args.env)


def check_algorithm(key: str) -> None:
    """Make the plugin's algorithms known and check a key of ``--algo``."""
    from rl_zoo3.utils import ALGOS

    register()
    if key not in ALGOS:
        raise UserError(f"--algo: unknown algorithm {key!r}.{did_you_mean(key, ALGOS)} Choose from {', '.join(ALGOS)}")


def check_environment(args: argparse.Namespace) -> None:
    """
    Make the plugin's and the user's environments known and check the id, and names of arguments if there are some.

    ``module:id`` imports the module, as in Gymnasium; it joins ``gym_packages``, where the command has them.
    """
    import gymnasium

    module, _, env_id = getattr(args.env, "gym_id", args.env).rpartition(":")
    packages = list(dict.fromkeys([*getattr(args, "gym_packages", []), "sb3_ext", *([module] if module else [])]))
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"cannot import the environment package {package!r}: {error}") from error
    if env_id not in gymnasium.registry:
        # Those that the zoo knows, Atari's among them
        importlib.import_module("rl_zoo3.import_envs")
    if env_id not in gymnasium.registry:
        raise UserError(
            f"unknown environment {env_id!r}.{did_you_mean(env_id, gymnasium.registry)}"
            " One of another package is named PACKAGE:ID."
        )
    for name in ("env_kwargs", "eval_env_kwargs"):
        check_environment_arguments(env_id, getattr(args, name, None), f"--{name.replace('_', '-')}")
    args.env = type(args.env)(env_id)
    if hasattr(args, "gym_packages"):
        args.gym_packages = packages


def _check_runs(folders: list[str], algos: list[str], env_ids: list[str]) -> None:
    """Refuse to plot runs that do not exist; the zoo would draw an empty figure."""
    for folder in folders:
        if not os.path.isdir(folder):
            raise UserError(f"-f: there is no folder {folder!r}; {_LOGS_ADVICE}")
    for algo in algos:
        if not any(Path(folder, algo.lower()).is_dir() for folder in folders):
            known = _listing(Path(folders[0]))
            raise UserError(f"-a: {', '.join(folders)} holds no runs of {algo!r}, only of {known}")
        for env_id in env_ids:
            if not any(Path(folder, algo.lower()).glob(f"*{env_id}*") for folder in folders):
                known = _listing(Path(folders[0], algo.lower()))
                raise UserError(f"-e: no runs of {algo!r} on {env_id!r} in {', '.join(folders)}, only {known}")


def _choose_run(args: argparse.Namespace) -> None:
    if args.exp_id == 0:
        args.exp_id = latest_run(Path(args.folder, args.algo), args.env)


def _check_positive(args: argparse.Namespace, *names: str) -> None:
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} is {value}: give a positive number")


def _warn_of_no_end(env_id: str, env_kwargs: dict[str, object]) -> None:
    """Say that episodes may never end, but for ours and Atari's, which end by themselves."""
    import gymnasium

    spec = gymnasium.spec(env_id)
    if (
        spec.max_episode_steps is None
        and "max_episode_steps" not in env_kwargs
        and not str(spec.entry_point).startswith(("sb3_ext", "ale_py"))
    ):
        print(
            f"warning: {env_id} has no time limit: where an agent never ends an episode, no evaluation ends either;"
            " --env-kwargs max_episode_steps:NUMBER sets one",
            file=sys.stderr,
        )


def _check_device(device: str) -> None:
    import torch

    try:
        torch.device("cpu" if device == "auto" else device)
    except RuntimeError as error:
        raise UserError(f"--device: unknown device {device!r}: give auto, cpu, cuda or cuda:0, ...") from error


def _no_agent(args: argparse.Namespace, reason: str) -> str:
    folder = Path(args.folder, args.algo)
    if folder.is_dir():
        advice = f"there are: {_listing(folder)}"
    else:
        advice = "train one first" + ("" if args.folder == "logs" else f", or name its log folder: {_LOGS_ADVICE}")
    return f"no trained agent of {args.algo} on {args.env} in {args.folder!r} ({' '.join(reason.split())}); {advice}"


def _listing(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "none"
