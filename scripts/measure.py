"""
Measure what the pages show and no command of the package measures, for instance

    python scripts/measure.py coverage --help
"""

import argparse
import importlib
import os
import sys

# Before NumPy starts its threads; pygame draws without a screen.
os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "SDL_VIDEODRIVER": "dummy", **os.environ}

from sb3_ext.app.errors import UserError

MEASUREMENTS = {
    "a3c-kills": "docs.a3c_kills",
    "a3c-speed": "docs.a3c_speed",
    "ablation": "docs.ablation",
    "bounds": "docs.policy_bounds",
    "ceiling": "docs.ad_spend_ceiling",
    "checkpoint-cost": "docs.checkpoint_cost",
    "coverage": "docs.coverage",
    "doors": "docs.doors",
    "endurance": "docs.endurance",
    "environments": "docs.site.animations",
    "kills": "docs.kills",
    "remedies": "docs.actor_remedies",
    "replanning": "docs.replanning",
    "rows": "docs.train_rows",
    "searches": "docs.searches",
    "tuning": "benchmarks.tuning",
    "value-of-dates": "docs.value_of_dates",
    "tutorials": "docs.tutorials.measure",
}


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("name", choices=MEASUREMENTS, help="what to measure")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    chosen = parser.parse_args()
    measurement = importlib.import_module(MEASUREMENTS[chosen.name])
    parser = argparse.ArgumentParser(f"measure.py {chosen.name}", description=measurement.__doc__, formatter_class=raw)
    measurement.add_arguments(parser)
    try:
        measurement.run(parser.parse_args(chosen.arguments))
    except UserError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
