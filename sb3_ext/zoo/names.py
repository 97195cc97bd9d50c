"""Names in NAME:VALUE arguments and in hyperparameter blocks: those that algorithms, environments and the zoo know."""

import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sb3_ext.app.errors import UserError, did_you_mean

_OF_THE_ZOO = (
    "n_timesteps",
    "n_envs",
    "normalize",
    "monitor_kwargs",
    "env_kwargs",
    "frame_stack",
    "env_wrapper",
    "vec_env_wrapper",
    "callback",
    "noise_type",
    "noise_std",
)
_BY_FLAGS = {"seed": "--seed", "verbose": "--verbose", "device": "--device", "tensorboard_log": "--tensorboard-log"}
"""Arguments of algorithms that the zoo gives from flags."""
_OF_GYMNASIUM = ("max_episode_steps", "disable_env_checker", "render_mode")
_NOBODYS = {"self", "env", "num_envs", "_init_setup_model", *_BY_FLAGS}


def check_hyperparameters(algo: str, given: Iterable[str], source: str) -> None:
    """Refuse a hyperparameter that neither the algorithm nor the zoo knows; ``source`` says where it was given."""
    from rl_zoo3.utils import ALGOS

    for name in given:
        if name in _BY_FLAGS:
            raise UserError(f"{source}: {name} is no hyperparameter: give {_BY_FLAGS[name]}")
    _check(f"{source}: {algo} has no hyperparameter", given, _OF_THE_ZOO, [ALGOS[algo]])


def check_environment_arguments(env_id: str, given: Mapping[str, Any] | None, flag: str) -> None:
    """Refuse an argument that neither a registered environment, its vectorised form, nor Gymnasium knows."""
    import gymnasium
    from gymnasium.envs.registration import load_env_creator

    if not given:
        return
    spec = gymnasium.spec(env_id)
    made_by: list[Any] = []
    for entry_point in filter(None, (spec.entry_point, spec.vector_entry_point)):
        try:
            made_by.append(load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point)
        except Exception:  # of a package that is not there, which is told when the environment is made
            return
    _check(f"{flag}: {env_id} has no argument", given, (*spec.kwargs, *_OF_GYMNASIUM), made_by)


def _check(complaint: str, given: Iterable[str], known: Collection[str], callables: Iterable[Any]) -> None:
    names = set(known)
    for one in callables:
        try:
            parameters = inspect.signature(one).parameters
        except (TypeError, ValueError):
            return
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        names |= parameters.keys()
    allowed = sorted(names - _NOBODYS)
    for name in given:
        if name not in allowed:
            raise UserError(f"{complaint} {name!r}.{did_you_mean(name, allowed)} It has {', '.join(allowed)}")
