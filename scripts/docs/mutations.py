"""Files and command lines that a person or a program got wrong, by seed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sb3_ext.envs.ad_spend.market.presets import PRESETS

NASTY: tuple[Any, ...] = (
    *(
        0,
        1,
        -1,
        0.5,
        -0.0,
        20,
        10**20,
        12345678901234567890,
        -(10**20),
        1e308,
        -1e308,
        1e300,
        1e-308,
        5e-324,
        1e15,
        1e13,
    ),
    *(
        1e12,
        1e9,
        1e-9,
        1e-6,
        1e-3,
        0.01,
        0.999999,
        0.9999999999999999,
        1.0000001,
        1000,
        731,
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        " ",
        "a",
        "5",
        "5.000",
        "nan",
        "\ud800",
        "\x1b[31m",
        "x" * 300,
        "x" * 5000,
        "../../x",
        "/etc/passwd",
        "<script>",
    ),
    *(
        '"><b>',
        "=1+1",
        "a\nb",
        "a,b;c",
        "\u202egnp",
        "0x10",
        None,
        True,
        False,
        [],
        {},
        [1],
        [[]],
        {"a": 1},
        [None] * 3,
    ),
)
_PIECES = (
    "",
    ",",
    ";",
    "\t",
    "\n",
    '"',
    "0",
    "-",
    ".",
    "e308",
    "00000000000000000000",
    "nan",
    "\x00",
    "{",
    "]",
    "€",
    "k",
    "%",
)
_FLAGS = (
    *("budget", "periods", "start", "caps", "min", "season", "margin", "spend-cost", "afterwards", "period-days"),
    *(
        "carry-over",
        "spend-per-exposure",
        "paths",
        "output",
        "market",
        "total",
        "share",
        "smallest-buy",
        "dark",
        "booked",
    ),
    *("max-change", "around-past", "risk"),
)
_PAIRED = {"caps", "min", "carry-over", "spend-per-exposure", "total", "share", "smallest-buy", "dark", "booked"}


class Case(NamedTuple):
    """One try."""

    door: str
    """``"json"``, ``"robyn"``, ``"csv"`` or ``"flags"``."""
    text: str | None
    """The market file, if it is not one of the presets."""
    suffix: str
    flags: list[str]
    changed: str
    """What was done to a good one."""


def make_case(door: str, seed: int, robyn: Path) -> Case:
    """The case of a seed, the same at every call."""
    rng = random.Random(f"{door} {seed}")
    flags = ["--budget", rng.choice(("100000", "5000", "0.01", "20000000000")), "--periods", str(rng.choice((1, 3, 6)))]
    if door == "flags":
        return _odd_flags(rng, flags)
    if door == "csv":
        names = rng.sample(("tv", "search", "Out of home, B", "größe"), 2)
        rows = [
            f"{json.dumps(name, ensure_ascii=False)},{x},{scale * x**2 / (x**2 + 900) + 5}"
            for name in names
            for scale in (100,)
            for x in (0, 10, 20, 50, 90, 200)
        ]
        text, changed = _mutated_text(rng, "\n".join(["channel,spend,response", *rows]) + "\n", rng.randint(1, 3))
        return Case(door, text, ".csv", flags, changed)
    if door == "robyn":
        document = json.loads(robyn.read_text(encoding="utf-8"))
    else:
        document = PRESETS[rng.choice(list(PRESETS))]().to_dict()
        if rng.random() < 0.15:
            document["draws"] = [document["channels"]] * 2
        if document["randomness"] and rng.random() < 0.8:
            del document["randomness"]
    if rng.random() < 0.1:
        text, changed = _mutated_text(rng, json.dumps(document), rng.randint(1, 3))
    else:
        changes = [_mutate(rng, document) for _ in range(rng.randint(1, 3))]
        text, changed = json.dumps(document), ", ".join(changes)
    sigmas = document.get("randomness") if isinstance(document, dict) else None
    is_random = isinstance(sigmas, dict) and any(value for name, value in sigmas.items() if name.endswith("sigma"))
    return Case(door, text, ".json", [*flags, *(["--paths", "2"] if is_random else [])], changed)


def _odd_flags(rng: random.Random, flags: list[str]) -> Case:
    market = rng.choice(list(PRESETS))
    given = ["--market", market, *flags, *(["--paths", "2"] if PRESETS[market]().randomness.any else [])]
    for flag in rng.sample(_FLAGS, rng.randint(1, 3)):
        values = []
        for _ in range(rng.choice((1, 1, 1, 2, 0))):
            value = str(
                rng.choice((*NASTY, "2M", "$5k", "1,000", "31.12.2026", "2027-01-04", "9999-12-31", "past", "-5"))
            )
            paired = flag in _PAIRED and rng.random() < 0.9
            values.append(f"{rng.choice(('facebook', 'instagram', 'facebok'))}={value}" if paired else value)
        # An operating system hands over neither of these.
        values = [
            value.replace("\x00", "").encode("utf-8", "surrogateescape" if "\udc80" in value else "replace").decode()
            for value in values
        ]
        given += [f"--{flag}", *values]
    return Case("flags", None, "", given, " ".join(given))


def _mutated_text(rng: random.Random, text: str, times: int) -> tuple[str, str]:
    changes = []
    for _ in range(times):
        at = rng.randrange(len(text) + 1)
        match rng.randrange(4):
            case 0:
                piece = rng.choice((*_PIECES, *map(str, NASTY)))
                text, change = text[:at] + piece + text[at:], f"inserted {piece!r:.30} at {at}"
            case 1:
                end = at + rng.randint(1, 12)
                text, change = text[:at] + text[end:], f"deleted {at} to {end}"
            case 2:
                numbers = [i for i, letter in enumerate(text) if letter.isdigit()] or [0]
                at, value = rng.choice(numbers), str(rng.choice(NASTY))
                text, change = text[:at] + value + text[at + 1 :], f"replaced {at} by {value!r:.30}"
            case _:
                text, change = (
                    (text[:at], f"cut at {at}") if rng.random() < 0.3 else (text.replace(",", ";"), "semicolons")
                )
        changes.append(change)
    return text, ", ".join(changes)


def _mutate(rng: random.Random, document: Any) -> str:
    """Change one place of a JSON value; returns what was done."""
    places = list(_places(document))
    if not places:
        return "nothing left"
    holder, key, path = rng.choice(places)
    value = holder[key]
    actions: list[Callable[[], Any]] = [lambda: rng.choice(NASTY)] * 4
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        actions += [lambda: value * 10.0 ** rng.randint(-30, 30), lambda: -value, lambda: str(value)] * 2
    if rng.random() < 0.12:
        del holder[key]
        return f"deleted {path}"
    if isinstance(holder, list) and rng.random() < 0.3:
        holder.append(copy.deepcopy(value))
        return f"doubled {path}"
    holder[key] = rng.choice(actions)()
    return f"{path} = {holder[key]!r:.30}"


def _places(value: Any, path: str = "") -> Iterator[tuple[Any, Any, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key, f"{path}.{key}"
            yield from _places(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield value, index, f"{path}[{index}]"
            yield from _places(inner, f"{path}[{index}]")
