"""Small results like those of `sb3-ext evaluate`."""

import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SYSTEMS = """
- title: CartPole
  text: A pole.
  baselines: [CartPole-v1]
  systems:
    - {row: CartPole-v1_ppo, title: PPO, idea: Clips., differs: Nothing., animation: true}
    - {row: CartPole-v1_dqn, title: DQN, idea: Values., differs: Nothing.}
- title: Ads
  text: A budget.
  systems:
    - {row: AdSpend-v0, title: DDPG, idea: Climbs., differs: Nothing., animation: true}
- title: Nothing yet
  text: Empty.
  systems:
    - {row: MountainCar-v0_dqn, title: DQN, idea: Values., differs: Nothing.}
"""


def write(path: Path, lines: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def agent(seed: int, mean_return: float, percent: object = "") -> dict[str, object]:
    figures = {"mean_return": mean_return, "percent_of_optimum": percent}
    return {
        "kind": "agent",
        "policy": "x",
        "training_seed": seed,
        "training_steps": 1000 * seed,
        **figures,
        "episodes": 9,
    }


PAIRS = [(0, 0), (0, 1), (1, 0)]


def q_lines(
    method: str, seed: object, values: list[float], pairs: list[tuple[int, int]] = PAIRS
) -> list[dict[str, object]]:
    names = ("method", "training_seed", "state", "action", "q_value")
    return [
        dict(zip(names, (method, seed, *pair, value), strict=True)) for pair, value in zip(pairs, values, strict=True)
    ]
