"""The command ``sb3-ext tune``: a search for hyperparameters whose result can be trusted and trained again."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rl_zoo3.utils import StoreDict

from sb3_ext.app.document import add_json_argument
from sb3_ext.app.errors import UserError
from sb3_ext.app.files import check_writable
from sb3_ext.app.parser import Parser
from sb3_ext.app.ray import add_ray_arguments, ray_options
from sb3_ext.tuning.blocks import block_text, put_block
from sb3_ext.tuning.spec import (
    COMPARISON_SEED_OFFSET,
    EVALUATION_SEED_OFFSET,
    FRESH_SEED_OFFSET,
    PRUNERS,
    SAMPLERS,
)
from sb3_ext.zoo.checks import check_algorithm, check_train

_DESCRIPTION = f"""\
Search hyperparameters with Optuna, in worker processes, and write the best ones as a YAML block.

A trial trains with several seeds, as `sb3-ext train` would. Its score is the mean over the seeds of the mean return of
the evaluations in the last quarter of training, the last of them after its end. All trials share their training seeds,
and all evaluations share their episodes, which no training sees (seeds from --seed + {EVALUATION_SEED_OFFSET} on). A
pruner may end a trial early, within a training or between two. What fails is recorded with its reason and shown, and
does not count as a trial.

In the end the best trials and the block that the search started from are trained on fresh seeds (from --seed +
{FRESH_SEED_OFFSET} on), evaluated on fresh episodes, and compared by interquartile mean with 95 % intervals.

The same command again resumes the study, also after a crash: --n-trials counts all trials of the study. A trial whose
worker was killed goes on from its last checkpoint, which the folder `unfinished` of the output folder keeps until then.

Strings in hyperparameter files and --env-kwargs are evaluated as Python, and the file of --search-space is run: use
only files you trust.
"""
_EXAMPLES = """\
examples:
  sb3-ext tune --algo ddpg_ext --env Pendulum-v1 -n 10000 --n-trials 30 -P
  sb3-ext tune --algo ppo --env AdSpendShock-v0 --vec-env native --n-workers 4 --pruner hyperband --timeout 3600
  sb3-ext tune --algo ppo --env AdSpendShock-v0 --vec-env native --dry-run
  sb3-ext tune --algo crossq --env Pendulum-v1 --storage sqlite:///study.db --study-name crossq
  sb3-ext tune --algo ddpg_ext --env Pendulum-v1 --search-space space.py --write-back hyperparams.yml
  sb3-ext tune --algo sac --env AdSpendShock-v0 --storage postgresql://user:password@host/studies --n-trials 200
  sb3-ext tune --algo sac --env AdSpendShock-v0 --storage postgresql://user:password@host/studies --ray-address auto

space.py defines the signature of the zoo's samplers:
  def sample_params(trial, n_actions, n_envs, additional_args):
      return {"learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True)}

output files (--output DIR): best.yml, report.md with pictures, trials.csv, fresh_seeds.csv, and the agents that were
trained on fresh seeds, as log folders for `sb3-ext enjoy -f`. `optuna-dashboard STORAGE` shows the study.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parse(arguments)

    # Seconds that `--help` and mistakes need not take
    from sb3_ext.tuning.search import search

    search(args, f"sb3-ext tune {shlex.join(arguments)}")
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read and check the command line, and fill in what depends on other arguments."""
    parser = Parser("tune", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument_group("the problem").add_argument
    add("--algo", required=True, metavar="KEY", help="algorithm, e.g. ddpg_ext")
    add("--env", required=True, metavar="ID", help="environment, e.g. AdSpend-v0")
    add("-n", "--n-timesteps", type=int, default=-1, metavar="N", help="steps of a training (default: of the block)")
    add("-conf", "--conf-file", metavar="FILE", help="hyperparameter file with the block to start from")
    add("-params", "--hyperparams", nargs="+", action=StoreDict, metavar="NAME:VALUE", help="changes of the block")
    add("--env-kwargs", nargs="+", action=StoreDict, metavar="NAME:VALUE", help="arguments of the environment")
    add("--eval-env-kwargs", nargs="+", action=StoreDict, metavar="NAME:VALUE", help="the same for evaluation alone")
    add("--vec-env", choices=["dummy", "subproc", "native"], default="dummy", help="how environments run together")
    add("--gym-packages", nargs="+", default=[], metavar="PACKAGE", help="packages that register environments")
    add("--search-space", metavar="FILE.py", help="search space in place of the zoo's (the file is run)")
    add = parser.add_argument_group("the search").add_argument
    add("--n-trials", type=int, default=50, metavar="N", help="trials of the study in total (default: 50)")
    add("--seeds-per-trial", type=int, default=3, metavar="N", help="trainings of a trial (default: 3)")
    add("--n-evaluations", type=int, default=10, metavar="N", help="evaluations during a training (default: 10)")
    add("--eval-episodes", type=int, default=5, metavar="N", help="episodes of an evaluation (default: 5)")
    add(
        "--sampler",
        choices=SAMPLERS,
        default="tpe",
        help="proposes hyperparameters (default: tpe; gp: Gaussian process)",
    )
    add("--pruner", choices=PRUNERS, default="median", help="ends hopeless trials (default: median)")
    add("--timeout", type=float, metavar="SECONDS", help="after this time no trial starts, running ones end")
    add("--seed", type=int, default=0, help="first training seed, all others follow from it (default: 0)")
    add = parser.add_argument_group("machines and storage").add_argument
    add("--n-workers", type=int, metavar="N", help="processes, or tasks on Ray (default: one per core)")
    add("--num-threads", type=int, default=-1, metavar="N", help="threads of a worker (default: cores / workers)")
    add("--device", default="auto", help="PyTorch device (default: auto)")
    add(
        "--storage",
        metavar="URL",
        help="FILE.log, sqlite:///FILE, postgresql://... or grpc://host:port (default: tune/ALGO_ENV.log)",
    )
    add_ray_arguments(add)
    add("--study-name", metavar="NAME", help="study in the storage (default: ALGO_ENV)")
    add = parser.add_argument_group("the result").add_argument
    add("--top-k", type=int, default=3, metavar="K", help="best trials to compare on fresh seeds (default: 3)")
    add("--fresh-seeds", type=int, default=5, metavar="N", help="fresh seeds, 0 for no comparison (default: 5)")
    add("--output", metavar="DIR", help="folder for the results (default: tune/STUDY-NAME)")
    add("--write-back", metavar="FILE.yml", help="also put the block into this hyperparameter file")
    add("-P", "--progress", action="store_true", help="show bars")
    add_json_argument(add)
    add("--dry-run", action="store_true", help="show what would run, and write nothing")
    args: argparse.Namespace = parser.parse_args(argv)
    check_algorithm(args.algo)
    _check(args)
    return args


def _check(args: argparse.Namespace) -> None:
    least = {"seeds_per_trial": 1, "top_k": 1, "fresh_seeds": 0}
    for name, number in {**least, "n_workers": 1, "n_evaluations": 1, "eval_episodes": 1, "n_trials": 1}.items():
        value = getattr(args, name)
        if value is not None and value < number:
            raise UserError(f"--{name.replace('_', '-')} is {value}: give a number >= {number}")
    if max(args.seeds_per_trial, args.fresh_seeds, args.eval_episodes) > FRESH_SEED_OFFSET:
        raise UserError(f"give at most {FRESH_SEED_OFFSET:,} seeds and episodes")
    if args.fresh_seeds == 1:
        raise UserError("--fresh-seeds is 1: intervals need 2 or more, 0 leaves the comparison out")
    if not 0 <= args.seed < 2**32 - 2 * COMPARISON_SEED_OFFSET:
        raise UserError(f"--seed is {args.seed}: give a number from 0 to {2**32 - 2 * COMPARISON_SEED_OFFSET - 1}")
    if args.timeout is not None and not args.timeout > 0:
        raise UserError(f"--timeout is {args.timeout:g}: give a positive number of seconds")
    # The zoo's arguments of a training, which are checked in the same way
    defaults = {"n_eval_envs": 1, "log_interval": -1, "trained_agent": "", "track": False, "tensorboard_log": ""}
    defaults |= {"log_folder": args.output or "tune", "trial_id": None, "optimize_hyperparameters": True}
    zoo = argparse.Namespace(**{**vars(args), **defaults})
    check_train(zoo)
    args.env, args.gym_packages, args.conf_file = str(zoo.env), zoo.gym_packages, zoo.conf_file
    name = f"{args.algo}_{args.env}".replace("/", "-")
    args.study_name = args.study_name or name
    if re.search(r"[/\\\0]", args.study_name) or args.study_name in (".", ".."):
        raise UserError(f"--study-name is {args.study_name!r}: it names a folder too, so give a name without / and \\")
    args.storage = args.storage or f"tune/{name}.log"
    args.output = args.output or f"tune/{args.study_name}".replace(":", "-")
    if ray_options(args) is not None:
        threads = int(args.cpus_per_worker)
    else:
        args.n_workers = args.n_workers or os.cpu_count() or 1
        threads = (os.cpu_count() or 1) // args.n_workers
    if args.num_threads < 1:
        args.num_threads = max(threads, 1)
    check_writable(args.output, "--output")
    if args.write_back and not (args.write_back.endswith((".yml", ".yaml")) and Path(args.write_back).is_file()):
        raise UserError(f"--write-back: there is no hyperparameter file {args.write_back!r} (.yml)")
    if args.write_back:
        # say now, not after the search, that the file cannot take a block
        put_block(Path(args.write_back).read_text(encoding="utf-8"), args.env, block_text(args.env, {}, []))
