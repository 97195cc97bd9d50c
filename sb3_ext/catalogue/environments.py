"""Environments: what they ask, and what they are known for."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_ext.envs.ad_spend.market.presets import PRESETS


class Environment(NamedTuple):
    """A registered environment."""

    environment: str
    package: str
    problem: str
    """In a line."""
    algorithms: tuple[str, ...]
    """Those that have a hyperparameter block of its name."""


def environments(named: Mapping[str, tuple[str, ...]]) -> list[Environment]:
    """Those of this package, and those that blocks name, by the algorithms of the blocks; ours come first."""
    importlib.import_module("rl_zoo3.import_envs")
    ours = sorted(name for name, spec in gym.registry.items() if package_of(spec) == "sb3_ext")
    others = sorted(name for name in named if name in gym.registry and name not in ours)
    return [
        Environment(name, package_of(gym.registry[name]), problem_of(gym.registry[name]), named.get(name, ()))
        for name in (*ours, *others)
    ]


def package_of(spec: Any) -> str:
    """The package that an environment, or the wrapper that makes it one of its own, comes from."""
    wrappers = (wrapper.entry_point for wrapper in spec.additional_wrappers)
    made_by = [spec.entry_point or spec.vector_entry_point, *wrappers]
    names = [str(one if isinstance(one, str) else one.__module__).split(".")[0] for one in made_by]
    return "sb3_ext" if "sb3_ext" in names else names[0]


def problem_of(spec: Any) -> str:
    """What the environment's documentation begins with, one sentence; empty where it has none."""
    preset = PRESETS.get(str(spec.kwargs.get("market")))
    if preset is not None and package_of(spec) == "sb3_ext":
        text = (inspect.getdoc(preset) or "").partition("``: ")[2]
        return _sentence(text[:1].upper() + text[1:])
    if package_of(spec) not in ("sb3_ext", "gymnasium"):
        return ""
    documentation = docstring(spec)
    return _sentence(section(documentation, "Description") or documentation)


def docstring(spec: Any) -> str:
    """The documentation of the class behind an environment, or of the wrapper that makes it; empty without one."""
    made_by = spec.additional_wrappers[-1].entry_point if spec.additional_wrappers else spec.entry_point
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            creator = load_env_creator(made_by) if isinstance(made_by, str) else made_by
        except Exception:  # of a package that is not all there
            return ""
    return inspect.getdoc(creator) or ""


def section(documentation: str, title: str) -> str:
    """
    The first paragraph of a section of a docstring in Gymnasium's form, on one line; empty without one.

    One that ends with a colon comes with the next.
    """
    found = re.search(rf"^#+ {title}\s*\n\s*(.+?[^:\s])(?=\n\s*\n|\Z)", documentation, re.MULTILINE | re.DOTALL)
    text = " ".join(found[1].split()).replace("``", "`") if found else ""
    return re.sub(r"(?<!\S)\*(?=\S)|(?<=\S)\*(?!\S)", "", re.sub(r"<sup>(.*?)</sup>", r"^\1", text))


def _sentence(text: str) -> str:
    plain = re.sub(r":\w+:`~?([^`]*)`", r"\1", text.split("\n\n")[0])
    plain = " ".join(re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", plain).split())
    return re.split(r"(?<=[a-z)])(?<!\bMs)\.\s", plain)[0].rstrip(".")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def make(env_id: str, env_kwargs: Mapping[str, Any]) -> gym.Env[Any, Any]:
    """Make an environment without what it prints."""
    with _quietly():
        return gym.make(env_id, **env_kwargs)


def accepted_by(env: gym.Env[Any, Any], algorithm: Any, policy: str) -> bool:
    """Whether an algorithm can be constructed with a policy for the spaces of an environment, and act there."""
    small = {"buffer_size": 1} if issubclass(algorithm, OffPolicyAlgorithm) else {}
    try:
        with _quietly():
            algorithm(policy, env, device="cpu", **small).predict(env.observation_space.sample())
    except (AssertionError, NotImplementedError, ValueError):
        return False
    return True
