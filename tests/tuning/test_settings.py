"""Constructor arguments as settings of a YAML block, and blocks in files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from torch import nn

from sb3_ext.app.errors import UserError
from sb3_ext.dueling_dqn import DuelingPolicy
from sb3_ext.tuning.blocks import PROVENANCE, block_text, put_block
from sb3_ext.tuning.settings import as_settings


def evaluated(settings: dict[str, Any], name: str) -> Any:
    """What the zoo makes of a string."""
    import rl_zoo3.exp_manager

    return eval(settings[name], vars(rl_zoo3.exp_manager))


class TestSettings:
    def test_plain_values_stay(self) -> None:
        values = {"gamma": 0.1 + 0.2, "batch_size": 64, "use_sde": True, "learning_rate": "lin_0.001", "seed": None}
        assert as_settings(values) == values

    def test_numpy_and_tuples_become_plain(self) -> None:
        settings = as_settings({"gamma": np.float64(0.9), "batch_size": np.int64(8), "train_freq": (1, "episode")})
        assert settings == {"gamma": 0.9, "batch_size": 8, "train_freq": [1, "episode"]}
        assert type(settings["batch_size"]) is int

    @pytest.mark.parametrize(
        ("noise", "name"),
        [
            (NormalActionNoise(np.zeros(3), 0.3 * np.ones(3)), "normal"),
            (OrnsteinUhlenbeckActionNoise(np.zeros(1), 0.3 * np.ones(1)), "ornstein-uhlenbeck"),
        ],
    )
    def test_noise(self, noise: Any, name: str) -> None:
        assert as_settings({"action_noise": noise}) == {"noise_type": name, "noise_std": 0.3}

    def test_no_noise(self) -> None:
        assert as_settings({"action_noise": None}) == {}

    def test_policy_kwargs_are_evaluated_to_the_same(self) -> None:
        kwargs = {
            "net_arch": {"pi": [64, 64], "qf": [128]},
            "activation_fn": nn.LeakyReLU,
            "log_std_init": -1.25,
            "final_init": None,
            "optimizer_kwargs": {"betas": (0.5, 0.999), "eps": 1e-5},
            "squash": "tanh",
            "one": (1,),
        }
        assert evaluated(as_settings({"policy_kwargs": kwargs}), "policy_kwargs") == kwargs

    def test_classes(self) -> None:
        settings = as_settings({"replay_buffer_class": HerReplayBuffer, "policy": DuelingPolicy})
        assert evaluated(settings, "replay_buffer_class") is HerReplayBuffer
        assert settings["policy"] == "sb3_ext.dueling_dqn.policies.DuelingPolicy"

    @pytest.mark.parametrize(
        "arguments",
        [
            {"gamma": object()},
            {"policy_kwargs": {"features_extractor_class": UserError}},
            {"policy_kwargs": {"log_std_init": float("inf")}},
            {"action_noise": NormalActionNoise(np.ones(2), np.ones(2))},
            {"action_noise": NormalActionNoise(np.zeros(2), np.array([0.1, 0.2]))},
        ],
    )
    def test_what_yaml_cannot_hold(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(UserError, match=r"cannot|knows"):
            as_settings(arguments)


class TestBlockText:
    @pytest.mark.parametrize("number", [1e-5, 1.5e-7, 0.1 + 0.2, 3e20, 1.0, 2 / 3])
    def test_the_zoo_reads_the_same_number(self, number: float) -> None:
        block = {"learning_rate": number, "policy_kwargs": "dict(net_arch=[64, 64])", "n_timesteps": 1000}
        text = block_text("Pendulum-v1", block, ["where", "  from"])
        assert text.startswith("# where\n#   from\nPendulum-v1:\n")
        assert yaml.safe_load(text) == {"Pendulum-v1": block}


FILE = """\
# All of them
default: &default
  gamma: 0.99   # far

# Of the first
A-v0: &a
  <<: *default
  tau: 0.1
  # inside

# Of the second
B-v0:
  <<: *default
  tau: 0.2
"""
NEW = f"# {PROVENANCE} today: trial 3\n#   command\nA-v0:\n  tau: 0.3\n"


class TestPutBlock:
    def test_replaces_a_block_and_nothing_else(self) -> None:
        changed = put_block(FILE, "A-v0", NEW)
        start, end = FILE.index("A-v0:"), FILE.index("\n# Of the second")
        assert changed == FILE[:start] + NEW + FILE[end:]

    def test_replaces_its_own_comment_too(self) -> None:
        once = put_block(FILE, "A-v0", NEW)
        again = put_block(once, "A-v0", NEW.replace("trial 3", "trial 4").replace("0.3", "0.4"))
        assert "trial 3" not in again
        assert yaml.safe_load(again)["A-v0"] == {"tau": 0.4}
        assert "# Of the first\n" in again

    def test_adds_a_block_at_the_end(self) -> None:
        new = NEW.replace("A-v0", "C-v0")
        assert put_block(FILE, "C-v0", new) == FILE + "\n" + new
        assert put_block("", "C-v0", new) == new
        assert put_block(FILE.rstrip("\n"), "C-v0", new) == FILE + "\n" + new

    def test_last_block(self) -> None:
        changed = put_block(FILE, "B-v0", NEW.replace("A-v0", "B-v0"))
        assert changed == FILE[: FILE.index("B-v0")] + NEW.replace("A-v0", "B-v0")

    def test_keeps_a_block_that_others_build_on(self) -> None:
        text = FILE.replace("B-v0:\n  <<: *default", "B-v0:\n  <<: *a")
        changed = yaml.safe_load(put_block(text, "A-v0", NEW))
        before = yaml.safe_load(text)
        assert changed["A-v0"] == {"tau": 0.3}
        assert changed["B-v0"] == before["B-v0"]
        assert changed["A-v0-before-tuning"] == before["A-v0"]

    @pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [1\n"])
    def test_other_files(self, text: str) -> None:
        with pytest.raises(UserError, match="--write-back"):
            put_block(text, "A-v0", NEW)
