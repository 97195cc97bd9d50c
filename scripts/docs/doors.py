"""
Plan from market files and command lines that were made wrong, and see what comes of it.

Every case must be refused in one line or planned: no traceback, no plan above its budget or outside its limits, none
that earns less than a policy it lists, no number that is none in what is shown.

Example: python scripts/measure.py doors --output docs/results/odd_inputs.csv
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from docs.folders import inside
from docs.mutations import Case, make_case
from sb3_ext.app.errors import UserError
from sb3_ext.app.records import write_records
from sb3_ext.spend_plan import command
from sb3_ext.spend_plan.cents import floor_cents
from sb3_ext.spend_plan.plan import SpendPlan, make_plan

_DOORS = {"json": 4000, "robyn": 3000, "csv": 3000, "flags": 500}
_NO_NUMBER = re.compile(r"(?<![\w<>/\"'.\\-])[-+]?(nan|inf|infinity)(?![\w.\\-])", re.IGNORECASE)


class _Slow(BaseException):
    """The case takes too long."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--cases", type=float, default=1.0, help="share of the 10 500 cases (default: 1)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--pages", type=int, default=4, help="draw the page of one plan in so many (default: 4)")
    parser.add_argument("--limit", type=int, default=120, help="seconds a case may take (default: 120)")
    parser.add_argument("--robyn", type=Path, default=Path("../shared/data/robyn_always_on_3_12.json"))
    parser.add_argument("--output", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Try all cases and write one line each."""
    records: list[dict[str, Any]] = []
    for door, count in _DOORS.items():
        for seed in range(args.first_seed, args.first_seed + round(count * args.cases)):
            case = make_case(door, seed, args.robyn)
            start = time.perf_counter()
            outcome, reason = try_case(case, with_page=seed % args.pages == 0, limit=args.limit)
            records.append(
                {
                    "door": door,
                    "seed": seed,
                    "outcome": outcome,
                    "reason": reason[:100],
                    "seconds": round(time.perf_counter() - start, 2),
                }
            )
            if outcome not in ("refused", "planned"):
                print(
                    f"{door} {seed}: {outcome}: {reason} <- {case.changed.encode('ascii', 'replace').decode():.300}",
                    flush=True,
                )
        write_records(records, args.output)
        counts = Counter(record["outcome"] for record in records if record["door"] == door)
        print(f"{door}: {dict(counts)}", flush=True)


def try_case(case: Case, with_page: bool, limit: int) -> tuple[str, str]:
    """``"refused"``, ``"planned"`` or the kind of fault, and what was said."""
    with tempfile.TemporaryDirectory() as folder, inside(folder), _alarm(limit):
        flags = list(case.flags)
        if case.text is not None:
            Path(f"market{case.suffix}").write_text(case.text, encoding="utf-8", errors="surrogatepass")
            flags = ["--market", f"market{case.suffix}", *flags]
        before = set(Path().iterdir())
        plans: list[SpendPlan] = []

        def keep(*args: Any, **kwargs: Any) -> SpendPlan:
            plans.append(make_plan(*args, **kwargs))
            return plans[-1]

        shown = io.StringIO()
        drawn = (
            contextlib.nullcontext() if with_page else mock.patch("sb3_ext.spend_plan.page.render_page", lambda *_: "")
        )
        try:
            with (
                mock.patch.object(command, "make_plan", keep),
                drawn,
                contextlib.redirect_stdout(shown),
                contextlib.redirect_stderr(shown),
                warnings.catch_warnings(record=True) as warned,
            ):
                warnings.simplefilter("always")
                command.main(flags)
        except UserError as error:
            if "\n" in str(error) or len(str(error)) > 1000:
                return "long message", str(error)
            left = set(Path().iterdir()) - before
            return ("leftover", str(left)) if left else ("refused", str(error))
        except SystemExit as exit_:
            return "refused", f"exit {exit_.code}"
        except _Slow:
            return "slow", f"more than {limit} s"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "sb3_ext" in frame.filename]
            return (
                "traceback",
                f"{type(error).__name__}: {str(error)[:60]} at {Path(frames[-1].filename).name}:{frames[-1].lineno}",
            )
        texts = [path for path in Path().rglob("plan.*") if path.suffix in (".csv", ".html")]
        written = "".join(path.read_text(encoding="utf-8") for path in texts)
        faults = list(faults_of(plans[0]))
        seen = shown.getvalue() + re.sub(r"<(svg|script).*?</\1>", "", written, flags=re.DOTALL)
        found = _NO_NUMBER.search(seen)
        if found and not any(_NO_NUMBER.search(name) for name in (*plans[0].campaign.market.names, *flags)):
            faults.append(f"shows {found[0]}")
        if warned:
            faults.append(f"warning {warned[0].category.__name__}: {warned[0].message}")
        return ("bad plan", "; ".join(faults)) if faults else ("planned", "")


def faults_of(plan: SpendPlan) -> Iterator[str]:
    """What no plan may be."""
    campaign = plan.campaign
    if int(plan.cents.sum()) > floor_cents(campaign.budget):
        yield f"spends {plan.total} of {campaign.budget}"
    if np.any(plan.cents < 0) or np.any(plan.spend > campaign.cap + 0.005) or np.any(plan.spend < campaign.low - 0.015):
        yield "leaves the limits"
    numbers = [plan.upper_bound, *([plan.planned_gap, plan.relative_gap] if plan.score.value else [])]
    for score in plan.scores:
        numbers += [score.value, *(end for end in (score.low, score.high) if end is not None)]
        if plan.n_paths == 0 and score.value > plan.score.value and score.name not in plan.breaking:
            yield f"earns {plan.score.value!r}, {score.name} {score.value!r}"
    if not np.all(np.isfinite(numbers)):
        yield "has numbers that are none"


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _Slow

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
