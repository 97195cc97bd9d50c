"""Small results of the tutorials' systems."""

import csv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[4]
SYSTEMS = """
- title: CartPole
  text: A pole.
  baselines: [CartPole-v1]
  systems:
    - {row: CartPole-v1_ppo, title: PPO, idea: Clips., differs: Nothing., animation: true}
- title: Ads
  text: A budget.
  policies: [even pacing]
  systems:
    - {row: AdSpend-v0, title: DDPG, idea: Climbs., differs: Nothing., animation: true}
"""
PAIRS = [(0, 0), (0, 1), (1, 0)]


def write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def q_lines(
    method: str, seed: object, values: list[float], pairs: list[tuple[int, int]] = PAIRS
) -> list[dict[str, Any]]:
    names = ("method", "training_seed", "state", "action", "q_value")
    return [
        dict(zip(names, (method, seed, *pair, value), strict=True)) for pair, value in zip(pairs, values, strict=True)
    ]
