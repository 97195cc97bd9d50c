"""Ctrl-C and SIGTERM while a model trains: when they end it, and that the exit code tells."""

import contextlib
import math
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from sb3_ext.app.errors import UserError

received: list[int] = []
"""Signals that came to end the training."""
_ignored: float = 0
"""How many signals wait for whoever looks into ``received``; the next one interrupts."""
_SECONDS_WITHOUT_PARENT = 60


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """
    Take SIGTERM, which batch systems and containers send, for a Ctrl-C.

    On Ctrl-C the zoo saves the model and ends as if the training had. Here it ends with the exit code that shells give
    such a process.
    """
    received.clear()
    handlers: dict[signal.Signals, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # Whoever started this process may have asked it to ignore one.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    handlers[number] = signal.signal(number, _receive)
        yield
    except KeyboardInterrupt:
        if not received:
            raise
    except UserError as error:
        error.exit_code = 128 + received[0] if received else error.exit_code
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        raise SystemExit(128 + received[0])


@contextlib.contextmanager
def once_deferred() -> Iterator[None]:
    """Let the first signal wait for the next checkpoint; a second one does not."""
    with _ignoring(1):
        yield


@contextlib.contextmanager
def ignored() -> Iterator[None]:
    """Let nothing interrupt what takes a moment, as saving does."""
    with _ignoring(math.inf):
        yield


def outlast_parent() -> None:
    """Let a process that environments run in go on for a while, as a terminal and batch systems signal all at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_SECONDS_WITHOUT_PARENT))


@contextlib.contextmanager
def _ignoring(number: float) -> Iterator[None]:
    global _ignored
    before, _ignored = _ignored, number
    try:
        yield
    finally:
        _ignored = before


def _receive(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGTERM and number in received:
        return  # some senders repeat it, and by then the model may be half saved
    received.append(number)
    if len(received) > _ignored:
        raise KeyboardInterrupt
    if _ignored == 1:
        # not print, which this may have interrupted
        os.write(2, b"The training ends at its next checkpoint; another Ctrl-C ends it at once.\n")
