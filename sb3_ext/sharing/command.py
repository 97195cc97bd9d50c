"""The command ``sb3-ext share``: a trained agent as a folder for the Hugging Face Hub."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sb3_ext.app.console import console
from sb3_ext.app.errors import UserError, mistakes_explained, need
from sb3_ext.app.files import check_writable
from sb3_ext.app.parser import Parser, add_safe_argument

_DESCRIPTION = """\
Write a folder that shares a trained agent, in the form that RL Zoo3 keeps on the Hugging Face Hub: a model card with
measured returns and their intervals, the commands, versions, hyperparameters and a video, beside the model and its
settings. `sb3-ext load_from_hub` reads it once it is there.

Nothing is uploaded unless --upload names a repository; the token is the one that you set yourself (`hf auth login`,
or HF_TOKEN). Whoever loads the model with Stable-Baselines3 unpickles it; `sb3_ext.safe_load` does not.

The agent is loaded without running code in its files; --no-safe unpickles them as Stable-Baselines3 does. Values of
--env-kwargs are evaluated as Python. args.yml and config.yml are copied as they are, without the password of a storage:
look whether they, and the commands on the card, hold paths or names that nobody should see.
"""
_EXAMPLES = """\
examples:
  sb3-ext share --algo ddpg_ext --env AdSpend-v0 --output shared
  sb3-ext share --algo ppo --env CartPole-v1 -f logs --exp-id 3 --load-best -n 100 --output shared
  sb3-ext share --algo ddpg_ext --env AdSpend-v0 --output shared --upload mine/ddpg_ext-AdSpend-v0 --private

output files (--output FOLDER): README.md (the card), ALGO-ENV.zip, args.yml, config.yml, env_kwargs.yml, results.json,
train_eval_metrics.zip, vec_normalize.pkl where observations are normalized, and replay.mp4 where it can be made
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Share an agent as the command line says."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)

    # Seconds that `--help` and mistakes need not take
    from huggingface_sb3 import EnvironmentName

    from sb3_ext.evaluation.evaluate import evaluate
    from sb3_ext.evaluation.runs import Reading, find_runs
    from sb3_ext.sharing.folder import write_folder
    from sb3_ext.sharing.video import record

    reading = Reading(args.safe, args.gym_packages)
    (run,), _ = find_runs(args.algo, args.env, args.folder, [args.exp_id], args.load_best, reading)
    run = replace(run, setting=args.algo, env_kwargs=run.env_kwargs | (args.env_kwargs or {}))
    if not (run.folder / EnvironmentName(run.env_id) / "config.yml").is_file():
        raise UserError(f"{str(run.folder)!r} holds no config.yml of the training, which the Hub's form needs")
    seeds = range(args.seed, args.seed + args.n_eval_episodes)
    command = f"sb3-ext share {shlex.join(arguments)}"
    comparison, _ = evaluate(_evaluation_arguments(args), [run], seeds, command, compares=False)
    folder, left_out = Path(args.output), []
    with mistakes_explained(f"cannot write to {args.output!r}"):
        reason = None if args.no_video else record(run, args.seed, folder / "replay.mp4")
        if reason is not None:
            left_out.append(f"left out: the video: {reason}")
        written = write_folder(run, comparison, folder, has_video=reason is None and not args.no_video)
    screen = console()
    (score,) = comparison.runs
    screen.print(f"{comparison.caption}: mean return {score.mean_return:,.3f}.")
    screen.print(f"Written: {', '.join(map(str, written))}")
    for hint in left_out:
        screen.print(hint)
    if args.upload:
        screen.print(f"Uploaded: {_upload(args.upload, folder, args.private)}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser("share", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--algo", required=True, metavar="KEY", help="algorithm, e.g. ddpg_ext")
    add("--env", required=True, metavar="ID", help="environment, e.g. AdSpend-v0")
    add("-f", "--folder", default="logs", help="log folder of the training (default: logs)")
    add("--exp-id", type=int, default=0, metavar="ID", help="number of the run, 0 for the latest (default)")
    add("--load-best", action="store_true", help="share the best model of the run's evaluations, not the last")
    add("-n", "--n-eval-episodes", type=int, default=20, metavar="N", help="episodes to measure it in (default: 20)")
    add("--seed", type=int, default=10_000, help="seed of the first episode (default: 10000)")
    add("--no-video", action="store_true", help="record no video")
    add("--output", required=True, metavar="FOLDER", help="folder of the files")
    add("--upload", metavar="OWNER/NAME", help="also upload the folder to this repository of the Hub")
    add("--private", action="store_true", help="make the repository a private one if it is new")

    from rl_zoo3.utils import StoreDict

    from sb3_ext.zoo.checks import check_algorithm, check_environment

    add("--env-kwargs", nargs="+", action=StoreDict, metavar="NAME:VALUE", help="arguments of the environment")
    add("--gym-packages", nargs="+", default=[], metavar="PACKAGE", help="packages that register environments")
    add_safe_argument(add)
    add("-P", "--progress", action="store_true", help="show a progress bar")
    args: argparse.Namespace = parser.parse_args(argv)
    check_algorithm(args.algo)
    check_environment(args)
    if args.n_eval_episodes < 2:
        raise UserError(f"--n-eval-episodes is {args.n_eval_episodes}: an interval needs 2 or more")
    if not 0 <= args.seed <= 2**32 - 1 - args.n_eval_episodes:
        raise UserError(f"--seed is {args.seed}: give a number from 0 to {2**32 - 1 - args.n_eval_episodes}")
    if args.exp_id < 0:
        raise UserError(f"--exp-id is {args.exp_id}: give the number of a run, or 0 for the latest")
    check_writable(args.output, "--output")
    need("sb3-ext share", "huggingface_hub")
    if args.upload:
        _check_upload(args.upload)
    return args


def _evaluation_arguments(args: argparse.Namespace) -> argparse.Namespace:
    """Those that the evaluation reads."""
    usual = {"n_jobs": 1, "ray_address": None, "cpus_per_worker": 1, "gpus_per_worker": 0, "stochastic": False}
    return argparse.Namespace(**{**vars(args), **usual, "env": [args.env]})


def _check_upload(repository: str) -> None:
    import huggingface_hub

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UserError(f"--upload is {repository!r}: give OWNER/NAME")
    if huggingface_hub.get_token() is None:
        raise UserError("--upload needs a token of the Hugging Face Hub: run `hf auth login`, or set HF_TOKEN")


def _upload(repository: str, folder: Path, private: bool) -> str:
    from huggingface_hub import HfApi

    with mistakes_explained(f"cannot upload to {repository}", everything=True):
        hub = HfApi()
        url = hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=folder, commit_message="Add a trained agent")
    return str(url)
