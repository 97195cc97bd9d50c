"""The learners that remedies are compared with learn as DDPG does."""

import argparse
import csv
from pathlib import Path

import gymnasium as gym
import pytest
import torch as th
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn

from docs import actor_remedies
from docs.remedies import read_remedies
from sb3_ext import DDPG
from sb3_ext.app.errors import UserError
from sb3_ext.envs.ad_spend import AdSpendVectorEnv

SIZE = 32


def linear(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


@pytest.mark.parametrize("name", ["base", "invert"])
def test_an_update_is_that_of_ddpg(name: str) -> None:
    rates = {"learning_rate": "lin_0.001", "critic_learning_rate": "lin_0.002"}
    env = gym.make("AdSpend-v0")
    policy_kwargs = {"net_arch": [64, 64], "invert_gradients": name == "invert"}
    model = DDPG("MlpPolicy", env, **rates, tau=0.1, gamma=1.0, seed=0, device="cpu", policy_kwargs=policy_kwargs)
    learners = actor_remedies.Learners(
        {**rates, "tau": 0.1, "gamma": 1.0}, AdSpendVectorEnv(2), actor_remedies.VARIANTS[name]
    )
    pairs = [(getattr(model, net), getattr(learners, net)) for net in ("actor", "critic")]
    pairs += [(getattr(model, f"{net}_target"), getattr(learners, f"{net}_target")) for net in ("actor", "critic")]
    with th.no_grad():
        model.actor.mu[-2].bias += th.tensor([2.0, -2.0])
        for theirs, ours in pairs:
            for layer, weight, bias in zip(linear(theirs), ours.weights, ours.biases, strict=True):
                weight.copy_(layer.weight.T)
                bias.copy_(layer.bias)
    (observed,) = model.observation_space.shape
    observations, next_observations = th.rand(2, SIZE, observed)
    actions, rewards = th.rand(SIZE, 2) * 2 - 1, th.rand(SIZE, 1)
    dones = (th.arange(SIZE) % 4 == 0).float()[:, None]

    model._update(ReplayBufferSamples(observations, actions, next_observations, dones, rewards))
    batch = [observations, actions, next_observations, rewards[:, 0], dones[:, 0]]
    learners.update([part.expand(2, *part.shape) for part in batch], 1.0)

    for theirs, ours in pairs:
        for layer, weight, bias in zip(linear(theirs), ours.weights, ours.biases, strict=True):
            for seed in range(2):
                th.testing.assert_close(weight[seed], layer.weight.T, rtol=1e-4, atol=2e-5)
                th.testing.assert_close(bias[seed, 0], layer.bias, rtol=1e-4, atol=2e-5)


def test_rows_are_added_for_variants_that_are_not_there(tmp_path: Path) -> None:
    output = tmp_path / "remedies.csv"
    parser = argparse.ArgumentParser()
    actor_remedies.add_arguments(parser)
    for variants in (["base"], ["base", "layer_norm"]):
        command = ["AdSpend-v0", "--seeds", "2", "--steps", "502", "--output", str(output), "--variants", *variants]
        actor_remedies.run(parser.parse_args(command))
    with output.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["seed"]) for row in rows] == [
        (name, seed) for name in ("base", "layer_norm") for seed in ("100+0", "100+1")
    ]
    found = read_remedies(output)
    assert list(found) == ["base", "layer_norm"] and found["base"].seeds == 2
    assert 0 < found["base"].worst <= found["base"].median <= 100
    output.write_text("a,b\n")
    with pytest.raises(UserError, match="no table of remedies"):
        actor_remedies.run(parser.parse_args(command))


def test_a_seed_is_stuck_that_was_so_at_any_evaluation_once_it_learns(tmp_path: Path) -> None:
    path = tmp_path / "remedies.csv"
    rows = [(1, 500, 90, 9.0), (2, 500, 90, 0.0), (3, 500, 90, 0.0), (1, 1000, 60, 2.0), (2, 1000, 40, 3.1)]
    rows += [(3, 1000, 80, 1.0), (1, 1500, 92, 1.0), (2, 1500, 97, 1.0), (3, 1500, 98, 1.0)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([actor_remedies.COLUMNS, *(("e", "base", s, t, p, x, x) for s, t, p, x in rows)])
    assert read_remedies(path) == {"base": (3, 1, 97.0, 92.0)}
