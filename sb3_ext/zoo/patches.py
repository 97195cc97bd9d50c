"""
Everything of RL Zoo3 and SB3 that this package replaces while a command runs, what with, and why.

There are no hooks for it upstream. In the end all is as it was. What a subclass can do instead stands in
:mod:`sb3_ext.zoo.experiment` and :mod:`sb3_ext.zoo.search`.
"""

import argparse
import contextlib
import functools
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from types import ModuleType, SimpleNamespace
from typing import IO, Any, cast

from sb3_ext.app.errors import UserError, mistakes_explained
from sb3_ext.app.parser import NO_SAFE_ADVICE, Parser, add_safe_argument
from sb3_ext.common.files import atomic_path, saved_whole, whole_file
from sb3_ext.zoo.registry import ALGORITHMS, register


@contextlib.contextmanager
def command_line(
    program: str,
    argv: Sequence[str],
    summary: str,
    examples: str,
    check: Callable[[argparse.Namespace], None],
    read: Callable[[Parser, Sequence[str]], argparse.Namespace] = Parser.parse_args,
) -> Iterator[None]:
    """
    Hand our arguments to a command of the zoo.

    - ``sys.argv``, which it reads;
    - its parser, when it parses, becomes one of ours: help shows our examples, wrong usage is told in one line,
      ``--vec-env`` knows ``native``, and what was read is checked before the zoo acts on it;
    - its tables of algorithms, which get ours;
    - ``subprocess.call``: ``benchmark`` and ``record_training`` start scripts of the zoo, which don't know our
      algorithms.
    """
    original = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, args: Any = None, namespace: Any = None) -> argparse.Namespace:
        argparse.ArgumentParser.parse_args = original  # type: ignore[method-assign]
        parser.__class__ = Parser
        parser.prog, parser.description, parser.epilog = program, summary, examples
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        for action in parser._actions:
            if action.dest == "vec_env" and action.choices is not None:
                action.choices = [*action.choices, "native"]
                action.help = "how environments run together; native: as the environment's own vectorised form"
        parsed = read(cast(Parser, parser), argv)
        check(parsed)
        return parsed

    register()
    with (
        _replaced(sys, "argv", [program, *argv]),
        _replaced(argparse.ArgumentParser, "parse_args", parse_args),
        _replaced(subprocess, "call", functools.partial(_call_ours, subprocess.call)),
    ):
        yield


def _call_ours(call: Callable[..., int], command: list[str], *args: Any, **kwargs: Any) -> int:
    match command:
        case ["python", "enjoy.py", *rest]:
            command = [sys.executable, "-m", "sb3_ext", "enjoy", *rest]
        case ["python", "-m", "rl_zoo3.record_video", *rest]:
            command = [sys.executable, "-m", "sb3_ext", "record_video", *rest]
    return call(command, *args, **kwargs)


@contextlib.contextmanager
def training(manager: Callable[..., Any]) -> Iterator[None]:
    """Train with an experiment manager of ours."""
    with _replaced(importlib.import_module("rl_zoo3.train"), "ExperimentManager", manager):
        yield


@contextlib.contextmanager
def named_normalization() -> Iterator[None]:
    """Let a normalization that cannot be read be named; upstream's errors are those of pickle."""
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    def load(load_path: str, venv: VecEnv) -> VecNormalize:
        with mistakes_explained(f"cannot read the normalization {load_path!r}, which may be cut off", everything=True):
            return original(load_path, venv)

    original = VecNormalize.load
    with _replaced(VecNormalize, "load", staticmethod(load)):
        yield


@contextlib.contextmanager
def going_on(algorithm: type) -> Iterator[None]:
    """Let a class's ``learn`` go on counting steps where they are, for the zoo has no argument for it."""
    learn = functools.partialmethod(algorithm.learn, reset_num_timesteps=False)  # type: ignore[attr-defined]
    with _replaced(algorithm, "learn", learn):
        yield


@contextlib.contextmanager
def playing(safe: bool = True, packages: Sequence[str] = ()) -> Iterator[None]:
    """
    Load agents without running code of their files, unless told otherwise, and tell mistakes in one line.

    Our off-policy agents get a replay buffer of one transition; the zoo's ``enjoy`` and ``record_video`` do so for a
    fixed list of upstream keys.
    """
    from rl_zoo3.utils import ALGOS
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

    loaders = {}
    for key, algorithm in ALGOS.items():
        small = key in ALGORITHMS and issubclass(algorithm, OffPolicyAlgorithm)
        options: dict[str, Any] = {"buffer_size": 1, "optimize_memory_usage": False} if small else {}
        if safe:
            loaders[key] = SimpleNamespace(load=functools.partial(_load_safely, algorithm=algorithm, **options))
        elif small:
            loaders[key] = SimpleNamespace(load=functools.partial(algorithm.load, **options))
    reading = reading_safely(packages) if safe else named_normalization()
    with mistakes_explained("stopped"), reading, _replaced_items(ALGOS, loaders):
        yield


def _load_safely(path: str, **options: Any) -> Any:
    from sb3_ext.safe import safe_load

    try:
        return safe_load(path, **options)
    except ValueError as error:
        raise UserError(f"cannot load {path!r} ({error.__cause__}): {NO_SAFE_ADVICE}", exit_code=1) from error


@contextlib.contextmanager
def reading_safely(packages: Sequence[str] = ()) -> Iterator[None]:
    """Let the zoo read run folders without running code in them; wrappers may also come from the packages named."""
    import yaml
    from stable_baselines3.common.vec_env import VecEnv, VecNormalize

    from sb3_ext.safe import load_normalization, run_folder_loader

    class Loader(run_folder_loader(packages)):  # type: ignore[misc]
        def get_single_data(self) -> Any:
            with _advised("config.yml or args.yml "):
                return super().get_single_data()

    def load(load_path: str, venv: VecEnv) -> VecNormalize:
        with _advised():
            return load_normalization(load_path, venv)

    with _replaced(yaml, "UnsafeLoader", Loader), _replaced(VecNormalize, "load", staticmethod(load)):
        yield


@contextlib.contextmanager
def replay_buffers_read_safely() -> Iterator[None]:
    """Let replay buffers be loaded without running code of their files."""
    from sb3_ext.safe import load_replay_buffer

    module = importlib.import_module("stable_baselines3.common.off_policy_algorithm")
    with _replaced(module, "load_from_pkl", lambda path, verbose=0: load_replay_buffer(path)):
        yield


@contextlib.contextmanager
def _advised(subject: str = "") -> Iterator[None]:
    """Say what else can be done where a file was refused."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{subject}{' '.join(str(error).split())}; {NO_SAFE_ADVICE}", exit_code=1) from error


def read_playing_arguments(stack: contextlib.ExitStack, parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line of a command that loads agents, and load them accordingly until the stack is closed."""
    add_safe_argument(parser.add_argument)
    args: argparse.Namespace = parser.parse_args(argv)
    stack.enter_context(playing(args.safe, getattr(args, "gym_packages", [])))
    if not args.safe:
        stack.enter_context(_replaced(subprocess, "call", functools.partial(_call_unsafely, subprocess.call)))
    return args


def _call_unsafely(call: Callable[..., int], command: list[str], *args: Any, **kwargs: Any) -> int:
    return call([*command, "--no-safe"] if command[0] == "python" else command, *args, **kwargs)


@contextlib.contextmanager
def whole_files() -> Iterator[None]:
    """
    Let models, replay buffers, normalizations, evaluations and settings appear whole or not at all.

    SB3 and the zoo write them in place: a process that is killed meanwhile, or a full disk, leaves a broken file where
    an older one was.
    """
    exp_manager, base_class, callbacks, off_policy_algorithm, vec_normalize = map(
        importlib.import_module,
        (
            "rl_zoo3.exp_manager",
            *(f"stable_baselines3.common.{name}" for name in ("base_class", "callbacks", "off_policy_algorithm")),
            "stable_baselines3.common.vec_env.vec_normalize",
        ),
    )
    arrays = ModuleType("numpy")
    vars(arrays).update(vars(callbacks.np), savez=_whole(callbacks.np.savez, ".npz"))
    with (
        _replaced(base_class, "save_to_zip_file", _whole(base_class.save_to_zip_file, ".zip")),
        _replaced(off_policy_algorithm, "save_to_pkl", _whole(off_policy_algorithm.save_to_pkl, ".pkl")),
        _replaced(callbacks, "np", arrays),
        _replaced_items(vars(exp_manager), {"open": open_whole}),
        _replaced_items(vars(vec_normalize), {"open": open_whole}),
    ):
        yield


@contextlib.contextmanager
def whole_figures() -> Iterator[None]:
    """Let figures, and what they are drawn from, appear whole or not at all."""
    from matplotlib.figure import Figure

    all_plots = importlib.import_module("rl_zoo3.plots.all_plots")
    figure = functools.partialmethod(_save_figure, Figure.savefig)
    with _replaced(Figure, "savefig", figure), _replaced_items(vars(all_plots), {"open": open_whole}):
        yield


@contextlib.contextmanager
def whole_videos() -> Iterator[None]:
    """Let videos appear whole or not at all, if there is a package to write them with."""
    try:
        clips: Any = importlib.import_module("moviepy.video.VideoClip").VideoClip
    except ImportError:
        yield
        return
    original = clips.write_videofile

    def write(clip: Any, filename: str, *args: Any, **kwargs: Any) -> None:
        with atomic_path(filename) as path:
            original(clip, os.fspath(path), *args, **kwargs)

    with _replaced(clips, "write_videofile", write):
        yield


def open_whole(path: Any, mode: str = "r", **kwargs: Any) -> AbstractContextManager[IO[Any]]:
    """Stand in for ``open``, in a ``with``."""
    return whole_file(path, mode, **kwargs) if "w" in mode else open(path, mode, **kwargs)


def _whole(save: Callable[..., None], suffix: str) -> Callable[..., None]:
    def save_whole(path: Any, *args: Any, **kwargs: Any) -> None:
        with saved_whole(path, suffix) as file:
            save(file, *args, **kwargs)

    return save_whole


def _save_figure(figure: Any, save: Callable[..., None], path: str, **kwargs: Any) -> None:
    with whole_file(path) as file:
        save(figure, file, **kwargs)


@contextlib.contextmanager
def search(algo: str, sample: Callable[..., dict[str, Any]]) -> Iterator[None]:
    """Let the zoo's search ask another search space for an algorithm, and go on after a trial that fails."""
    import optuna
    from rl_zoo3.hyperparams_opt import HYPERPARAMS_SAMPLER

    going_on = functools.partialmethod(optuna.Study.optimize, catch=(Exception,))
    with _replaced_items(HYPERPARAMS_SAMPLER, {algo: sample}), _replaced(optuna.Study, "optimize", going_on):
        yield


@contextlib.contextmanager
def log_folder(folder: str) -> Iterator[None]:
    """Make SB3 use a folder that exists where it logs to no file, for it leaves an empty one with every training."""
    with _replaced_items(os.environ, {} if "SB3_LOGDIR" in os.environ else {"SB3_LOGDIR": folder}):
        yield


@contextlib.contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextlib.contextmanager
def _replaced_items(table: MutableMapping[str, Any], items: Mapping[str, Any]) -> Iterator[None]:
    originals = {key: table[key] for key in items if key in table}
    table.update(items)
    try:
        yield
    finally:
        table.update(originals)
        for key in items.keys() - originals.keys():
            del table[key]
