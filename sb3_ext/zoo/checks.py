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
import math
import os
import pkgutil
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sb3_ext.app.errors import UserError, did_you_mean, user_mistake
from sb3_ext.app.files import check_writable
from sb3_ext.zoo import ALGORITHMS, default_hyperparams_file, find_block, register

_NOISE_TYPES = ("normal", "ornstein-uhlenbeck")
_HUB_FOLDER = "rl-trained-agents"
_LOGS_ADVICE = "training writes to 'logs' unless told otherwise"


def check_train(args: argparse.Namespace) -> None:
    """
    Check ``train`` and choose its hyperparameter file.

    :param args: parsed by the zoo, changed in place
    :raises UserError: for anything that would stop the run before its first step
    """
    check_environment(args)
    for name in ("eval_episodes", "n_eval_envs", "n_trials"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name.replace('_', '-')} is {getattr(args, name)}: give a positive number")
    if args.n_timesteps < 1 and args.n_timesteps != -1:
        raise UserError(f"-n is {args.n_timesteps}: give a positive number, or leave it out for that of the YAML file")
    if args.log_interval == 0:
        raise UserError("--log-interval is 0: give a positive number, -1 for the default or -2 to log nothing")
    if args.seed >= 2**32:
        raise UserError(f"--seed is {args.seed}: give at most {2**32 - 1}, or -1 for a random one")
    if args.trained_agent and not (args.trained_agent.endswith(".zip") and os.path.isfile(args.trained_agent)):
        raise UserError(f"--trained-agent: there is no .zip file {args.trained_agent!r}")
    if args.n_evaluations is not None and args.n_evaluations < 1:
        raise UserError(f"--n-evaluations is {args.n_evaluations}: give a positive number")
    if args.track and importlib.util.find_spec("wandb") is None:
        raise UserError("--track needs Weights & Biases: pip install wandb")
    for name in ("log_folder", "tensorboard_log"):
        if getattr(args, name):
            check_writable(getattr(args, name), f"--{name.replace('_', '-')}")
    if args.trial_id is not None and not (args.storage and args.study_name):
        raise UserError("--trial-id needs the --storage and --study-name of the search it belongs to")
    _check_device(args.device)
    if args.conf_file is None:
        args.conf_file = str(default_hyperparams_file(args.algo, args.env))
    if args.conf_file.endswith((".yml", ".yaml")):
        block = {**_read_block(args.conf_file, args.algo, args.env), **(args.hyperparams or {})}
        _check_hyperparams(block, args.conf_file)
    elif args.conf_file.endswith(".py") and not os.path.isfile(args.conf_file):
        raise UserError(f"--conf-file: there is no file {args.conf_file!r}")


def check_enjoy(args: argparse.Namespace) -> None:
    """
    Check ``enjoy``: the environment is known and the trained agent exists, or may be downloaded by the zoo.

    :param args: parsed by the zoo, changed in place
    :raises UserError: if either is not so
    """
    _check_device(args.device)
    _check_timesteps(args.n_timesteps)
    _check_agent(args, downloads=_HUB_FOLDER in args.folder and args.algo not in ALGORITHMS)


def check_record_video(args: argparse.Namespace) -> None:
    """
    Check ``record_video``: the environment is known and the trained agent exists.

    :param args: parsed by the zoo, changed in place
    :raises UserError: if either is not so
    """
    _check_agent(args, downloads=False)


def check_record_training(args: argparse.Namespace) -> None:
    """
    Check ``record_training``: it needs a folder of trained agents and the ffmpeg program.

    :param args: parsed by the zoo, changed in place
    :raises UserError: if either is missing
    """
    check_environment(args)
    if not list(Path(args.folder, args.algo).glob(f"{args.env}*")):
        raise UserError(_no_agent(args, "nothing to record"))
    if shutil.which("ffmpeg") is None:
        raise UserError("record_training joins its videos with ffmpeg, which is not on the PATH: install it")


def check_benchmark(args: argparse.Namespace) -> None:
    """
    Check ``benchmark``: there is something to measure.

    :param args: parsed by the zoo, changed in place
    :raises UserError: if there is not
    """
    from rl_zoo3.utils import get_trained_models

    _check_timesteps(args.n_timesteps)
    if not os.path.isdir(args.log_dir):
        raise UserError(f"--log-dir: there is no folder {args.log_dir!r}; {_LOGS_ADVICE}")
    if args.no_hub and not get_trained_models(args.log_dir):
        raise UserError(f"--log-dir: {args.log_dir!r} holds no trained agent (<algo>/<env>_1/<env>.zip)")
    os.makedirs(args.benchmark_dir, exist_ok=True)


def check_plot(args: argparse.Namespace) -> None:
    """
    Check ``plot_train``, ``all_plots`` and ``plot_from_file``: the data to plot exist.

    :param args: parsed by the zoo
    :raises UserError: if a required argument is missing or a file or folder does not exist
    """
    for name in ("algos", "env", "exp_folders", "input"):
        if getattr(args, name, ()) is None:
            raise UserError(f"--{name.replace('_', '-')} is required")
    if hasattr(args, "input") and not (args.input.endswith(".pkl") and os.path.isfile(args.input)):
        raise UserError(f"-i: there is no .pkl file {args.input!r}; `all_plots -o NAME` writes NAME.pkl")
    for folder in [*getattr(args, "exp_folders", []), *([args.exp_folder] if hasattr(args, "exp_folder") else [])]:
        if not os.path.isdir(folder):
            raise UserError(f"-f: there is no folder {folder!r}; {_LOGS_ADVICE}")
    if hasattr(args, "exp_folder"):
        _check_runs([args.exp_folder], [args.algo], args.env)
    elif hasattr(args, "exp_folders"):
        _check_runs(args.exp_folders, args.algos, args.env)


def check_algorithm(key: str) -> None:
    """
    Make the plugin's algorithms known and check a key.

    :param key: of ``--algo``
    :raises UserError: if there is no such algorithm
    """
    from rl_zoo3.utils import ALGOS

    register()
    if key not in ALGOS:
        raise UserError(f"--algo: unknown algorithm {key!r}.{did_you_mean(key, ALGOS)} Choose from {', '.join(ALGOS)}")


def check_environment(args: argparse.Namespace) -> None:
    """
    Make the plugin's and the user's environments known and check the id.

    ``module:id`` imports the module, as in Gymnasium.

    :param args: with ``env`` and, where the command has it, ``gym_packages``, changed in place
    :raises UserError: if a package cannot be imported or the id is unknown
    """
    import gymnasium

    module, _, env_id = getattr(args.env, "gym_id", args.env).rpartition(":")
    packages = [*getattr(args, "gym_packages", []), "sb3_ext", *([module] if module else [])]
    for package in dict.fromkeys(packages):
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
            " Environments of another package need --gym-packages PACKAGE."
        )
    args.env = type(args.env)(env_id)
    if hasattr(args, "gym_packages"):
        args.gym_packages = list(dict.fromkeys(packages))


def _check_runs(folders: list[str], algos: list[str], env_ids: str | list[str]) -> None:
    """Refuse to plot runs that do not exist; the zoo would draw an empty figure."""
    for algo in algos:
        if not any(os.path.isdir(os.path.join(folder, algo.lower())) for folder in folders):
            known = _listing(Path(folders[0]))
            raise UserError(f"-a: {', '.join(folders)} holds no runs of {algo!r}, only of {known}")
        for env_id in [env_ids] if isinstance(env_ids, str) else env_ids:
            if not any(Path(folder, algo.lower()).glob(f"*{env_id}*") for folder in folders):
                known = _listing(Path(folders[0], algo.lower()))
                raise UserError(f"-e: no runs of {algo!r} on {env_id!r} in {', '.join(folders)}, only {known}")


def _check_agent(args: argparse.Namespace, downloads: bool) -> None:
    from rl_zoo3.utils import get_model_path

    check_environment(args)
    if args.n_envs < 1:
        raise UserError(f"--n-envs is {args.n_envs}: give a positive number")
    which = (args.load_best, args.load_checkpoint, args.load_last_checkpoint)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            get_model_path(args.exp_id, args.folder, args.algo, args.env, *which)
    except (AssertionError, ValueError) as error:
        if not downloads:
            raise UserError(_no_agent(args, str(error))) from error


def _check_timesteps(n_timesteps: int) -> None:
    if n_timesteps < 1:
        raise UserError(f"-n is {n_timesteps}: give a positive number")


def _check_device(device: str) -> None:
    import torch

    try:
        torch.device("cpu" if device == "auto" else device)
    except RuntimeError as error:
        raise UserError(f"--device: unknown device {device!r}: give auto, cpu, cuda or cuda:0, ...") from error


def _read_block(path: str, algo: str, env_id: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the hyperparameter file {path!r}: {user_mistake(error)}") from error
    except yaml.YAMLError as error:
        raise UserError(f"the hyperparameter file {path!r} is not valid YAML: {user_mistake(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"the hyperparameter file {path!r} holds no blocks: expected 'ENV-ID:' and indented settings")
    name = find_block(content, env_id)
    if name is None:
        raise UserError(
            f"no hyperparameters for {algo} on {env_id!r} in {path}: it has {', '.join(map(str, content))}."
            " Add a block of that name or 'default', or name another file with --conf-file."
        )
    block = content[name]
    if not isinstance(block, dict):
        raise UserError(f"the block {name!r} of {path!r} is {block!r}: expected indented 'name: value' lines")
    return block


def _check_hyperparams(block: dict[str, Any], path: str) -> None:
    for key, value in block.items():
        if isinstance(value, float) and math.isnan(value):
            raise UserError(f"hyperparameter {key} is NaN: give a number")
        if key.endswith("learning_rate"):
            _check_learning_rate(key, value)
    if "n_timesteps" not in block:
        raise UserError(f"the hyperparameters in {path!r} lack n_timesteps, which the zoo needs in every block")
    for key in ("n_timesteps", "n_envs", "frame_stack"):
        value = block.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 1 or value != int(value):
            raise UserError(f"hyperparameter {key} is {value!r}: give a positive whole number")
    if block.get("noise_type") is not None:
        _check_noise(block)
    for key in ("env_wrapper", "vec_env_wrapper", "callback"):
        for name in _class_names(block.get(key)):
            _check_importable(key, name)
    policy = block.get("policy")
    if isinstance(policy, str) and "." in policy:
        _check_importable("policy", policy)


def _check_learning_rate(key: str, value: Any) -> None:
    number = value
    if isinstance(value, str):
        schedule = re.fullmatch(r"lin_(.+)", value)
        try:
            number = float(schedule[1]) if schedule else math.nan
        except ValueError:
            number = math.nan
    if isinstance(number, (int, float)) and not (math.isfinite(number) and number >= 0):
        raise UserError(
            f"hyperparameter {key} is {value!r}: give a number >= 0 such as 0.001, or 'lin_0.001' to fall to zero"
        )


def _check_noise(block: dict[str, Any]) -> None:
    noise_type, noise_std = block["noise_type"], block.get("noise_std")
    if not isinstance(noise_type, str) or not any(known in noise_type for known in _NOISE_TYPES):
        raise UserError(f"hyperparameter noise_type is {noise_type!r}: give one of {', '.join(_NOISE_TYPES)}")
    if not isinstance(noise_std, (int, float)) or not (math.isfinite(noise_std) and noise_std >= 0):
        raise UserError(f"hyperparameter noise_std is {noise_std!r}: noise_type needs a finite number >= 0")


def _class_names(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and len(item) == 1:
            item = next(iter(item))
        if isinstance(item, str):
            yield item


def _check_importable(key: str, name: str) -> None:
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"hyperparameter {key} names {name!r}, which cannot be imported: {error}") from error
    if not callable(found):
        raise UserError(f"hyperparameter {key} names {name!r}, which is no class: it is a {type(found).__name__}")


def _no_agent(args: argparse.Namespace, reason: str) -> str:
    folder = Path(args.folder, args.algo)
    if folder.is_dir():
        advice = f"there are: {_listing(folder)}"
    else:
        advice = "train one first" + ("" if args.folder == "logs" else ", or give its log folder, e.g. -f logs")
    return f"no trained agent of {args.algo} on {args.env} in {args.folder!r} ({' '.join(reason.split())}); {advice}"


def _listing(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "none"
