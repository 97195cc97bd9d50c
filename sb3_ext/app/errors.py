"""What the command line tells a user who made a mistake."""

import contextlib
import difflib
import errno
import importlib
import traceback
from collections.abc import Iterable, Iterator

from sb3_ext.common.requirements import install_command

# Storage and network clients raise their own types for a wrong URL or a missing connection.
_CLIENTS = {"optuna", "sqlalchemy", "huggingface_hub", "httpx", "requests", "urllib3"}
_OF_EXTRAS = frozenset(
    {"jinja2", "matplotlib", "moviepy", "openpyxl", "pandas", "ray", "rliable", "seaborn", "xlsxwriter"}
)
DISK_ERRORS = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EFBIG", "EIO", "ENOSPC", "EPERM", "EROFS")
    if hasattr(errno, name)
)
"""Numbers of errors that tell of a disk that is full or not to be written to, and of no mistake in the program."""
_WRONG_CALL = ("unexpected keyword argument", "required positional argument", "multiple values for")


class UserError(Exception):
    """
    A mistake of the user: the command line prints one line, what was given, what is allowed and what to do.

    The exit code is 2 for wrong usage found before anything started, 1 otherwise.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def user_mistake(error: Exception) -> str | None:
    """
    Tell a mistake of the user from a programming error, for errors raised while something is read or constructed.

    The message comes as one line; a programming error, whose traceback is needed, gives None.
    """
    import gymnasium
    import yaml

    message = " ".join(str(error).split())
    if isinstance(error, ModuleNotFoundError) and error.name in _OF_EXTRAS:
        return f"{message}: {install_command(error.name)}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    # The zoo evaluates strings of YAML files and of --hyperparams: only such code has no file.
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) or (frames and frames[-1].filename == "<string>"):
        return f"not a valid Python expression in the hyperparameters: {message}"
    expected = (ValueError, AssertionError, OSError, ImportError, yaml.YAMLError, gymnasium.error.Error)
    wrong_call = isinstance(error, TypeError) and any(text in message for text in _WRONG_CALL)
    if message and (isinstance(error, expected) or wrong_call or type(error).__module__.split(".")[0] in _CLIENTS):
        return message
    return None


@contextlib.contextmanager
def mistakes_explained(doing: str, everything: bool = False) -> Iterator[None]:
    """
    Turn mistakes of the user into :class:`UserError`, whose message begins with what could not be done.

    Programming errors pass unchanged, unless the code only turns settings of the user into objects: then pass
    ``everything``.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = user_mistake(error)
        if reason is None:
            if not everything:
                raise
            reason = f"{type(error).__name__}: {' '.join(str(error).split())} (SB3_EXT_DEBUG=1 shows the traceback)"
        raise UserError(f"{doing}: {reason}", exit_code=1) from error


def need(what: str, *packages: str) -> None:
    """Make sure that modules of an extra can be imported, for what needs them."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise UserError(f"{what} needs {package}: {install_command(package)} ({error})", exit_code=1) from error


def did_you_mean(given: str, allowed: Iterable[str]) -> str:
    """Suggest the closest allowed word: ``" Did you mean 'x'?"``, or nothing if none is close."""
    by_lower = {word.lower(): word for word in allowed}
    close = difflib.get_close_matches(given.lower(), by_lower, n=1)
    return f" Did you mean {by_lower[close[0]]!r}?" if close else ""
