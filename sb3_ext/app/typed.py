"""Types of flags that people type numbers and days into."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TypeVar

from sb3_ext.common.amounts import read_amount
from sb3_ext.common.dates import read_date

Typed = TypeVar("Typed")


def typed_amount(text: str) -> float:
    """Money, such as ``$2,000,000`` or ``2M``."""
    return _told(read_amount, text)


def typed_factor(text: str) -> float:
    """A factor or share, such as ``1.125`` or ``40%``."""
    return _told(partial(read_amount, what="the number", factor=True), text)


def typed_day(text: str) -> date:
    """A day, such as ``2026-12-31`` or ``31.12.2026``."""
    return _told(read_date, text)


def _told(read: Callable[[str], Typed], text: str) -> Typed:
    """What a text says, or why it says nothing."""
    try:
        return read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
