"""``config.yml`` and ``args.yml`` in run folders of strangers."""

from __future__ import annotations

import ast
import importlib
import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import gymnasium as gym
import yaml

from sb3_ext.safe.classes import find_class
from sb3_ext.safe.pickles import Name

_TAG = "tag:yaml.org,2002:python/"
_WRAPPERS = frozenset(
    """
    gymnasium.wrappers rl_zoo3.wrappers sb3_contrib.common.wrappers sb3_ext.wrappers
    stable_baselines3.common.atari_wrappers
    """.split()
)
_WRITING = frozenset({"RecordVideo"})
_VEC_WRAPPERS = frozenset(
    f"stable_baselines3.common.vec_env.{name}"
    for name in ("VecCheckNan", "VecExtractDictObs", "VecFrameStack", "VecNormalize", "VecTransposeImage")
)
_MOST_NODES = 100_000


def run_folder_loader(packages: Iterable[str] = ()) -> type[yaml.SafeLoader]:
    """
    Make a loader for PyYAML that reads what the zoo writes into run folders, without running anything.

    It knows the tags of dictionaries with an order, of tuples and of the names of classes that models are made of.
    What the zoo would evaluate or import is refused unless it is known: ``normalize`` has to be a dictionary of plain
    values, wrappers of environments have to be those of Gymnasium, SB3, sb3-contrib, the zoo or this package.

    :param packages: Further packages whose wrappers may be used: those that the user has named.
    :return: The class, for ``yaml.load(text, Loader=...)``, which raises ValueError or ``yaml.YAMLError``.
    """
    trusted = frozenset(packages)

    class RunFolderLoader(yaml.SafeLoader):
        def get_single_data(self) -> Any:
            try:
                node = self.get_single_node()
                _check_size(node)
                found = None if node is None else self.construct_document(node)
            except RecursionError:
                raise ValueError("holds objects in each other too deep") from None
            return _checked(found, trusted) if isinstance(found, dict) else found

    RunFolderLoader.add_constructor(f"{_TAG}object/apply:collections.OrderedDict", _ordered)
    RunFolderLoader.add_constructor(f"{_TAG}tuple", _tuple)
    RunFolderLoader.add_multi_constructor(f"{_TAG}name:", _name)
    RunFolderLoader.add_multi_constructor(_TAG, _refuse)
    return RunFolderLoader


def _ordered(loader: yaml.SafeLoader, node: Any) -> Any:
    arguments = loader.construct_sequence(node, deep=True)
    return OrderedDict(*arguments)


def _tuple(loader: yaml.SafeLoader, node: Any) -> tuple[Any, ...]:
    return tuple(loader.construct_sequence(node, deep=True))


def _name(loader: yaml.SafeLoader, suffix: str, node: Any) -> Any:
    module, _, name = suffix.rpartition(".")
    return find_class(Name(module, name))


def _refuse(loader: yaml.SafeLoader, suffix: str, node: Any) -> Any:
    raise ValueError(f"holds '!!python/{suffix[:80]}', which could run code")


def _check_size(node: yaml.Node | None) -> None:
    """Refuse what is short since it repeats itself, before merged dictionaries and hashed tuples write it out."""
    todo: list[Any] = [node]
    for _ in range(_MOST_NODES):
        if not todo:
            return
        part = todo.pop()
        if isinstance(part, yaml.MappingNode):
            todo += itertools.chain.from_iterable(part.value)
        elif isinstance(part, yaml.SequenceNode):
            todo += part.value
    raise ValueError(f"holds more than {_MOST_NODES:,} values")


def _checked(settings: dict[str, Any], trusted: frozenset[str]) -> dict[str, Any]:
    for name, _ in _wrappers(settings.get("env_wrapper")):
        module, _, cls = name.rpartition(".")
        if module.partition(".")[0] in trusted:
            continue
        known = module in _WRAPPERS and cls not in _WRITING
        found = getattr(importlib.import_module(module), cls, None) if known else None
        if not (isinstance(found, type) and issubclass(found, gym.Wrapper)):
            raise ValueError(f"holds 'env_wrapper: {name[:80]}', which is none of the known wrappers")
    for name, _ in _wrappers(settings.get("vec_env_wrapper")):
        if name not in _VEC_WRAPPERS and name.partition(".")[0] not in trusted:
            raise ValueError(f"holds 'vec_env_wrapper: {name[:80]}', which is none of the known wrappers")
    if isinstance(settings.get("normalize"), str):
        settings["normalize"] = _plain(settings["normalize"])
    return settings


def _wrappers(value: Any) -> Iterator[tuple[str, Any]]:
    """Names of wrappers with their arguments, in the forms that the zoo knows."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one, {}
        elif isinstance(one, dict):
            yield from ((str(name), arguments) for name, arguments in one.items())
        elif one is not None:
            raise ValueError("holds a wrapper that has no name")


def _plain(text: str) -> dict[str, Any]:
    """Read ``{'norm_obs': True}`` and ``dict(norm_obs=True)``."""
    try:
        parsed: Any = ast.parse(text.strip(), mode="eval").body
        if isinstance(parsed, ast.Call) and isinstance(parsed.func, ast.Name) and parsed.func.id == "dict":
            if parsed.args or not all(keyword.arg for keyword in parsed.keywords):
                raise ValueError
            return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in parsed.keywords}
        found = ast.literal_eval(parsed)
        if not isinstance(found, dict):
            raise ValueError
        return found
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"holds 'normalize: {text[:80]}', which is no dictionary of plain values") from None
