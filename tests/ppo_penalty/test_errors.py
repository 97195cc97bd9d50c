"""Bad arguments are refused at the door, and what is not finite never reaches the policy."""

import pathlib
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.envs import IdentityEnv

from sb3_ext.ppo_penalty import PPOPenalty


def make(**kwargs: Any) -> PPOPenalty:
    defaults: dict[str, Any] = {"n_steps": 8, "batch_size": 4, "policy_kwargs": {"net_arch": [4]}, "device": "cpu"}
    return PPOPenalty("MlpPolicy", IdentityEnv(2, ep_length=5), **{**defaults, **kwargs})


BAD = [
    (name, value)
    for name in ("target_kl", "initial_beta")
    for value in (0.0, -1.0, None, True, "0.1", float("nan"), float("inf"))
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name) as error:
        make(**{name: value})
    assert "\n" not in str(error.value)


def test_bad_value_at_load(tmp_path: pathlib.Path) -> None:
    make().save(tmp_path / "model")
    for name, value in BAD[::7]:
        with pytest.raises(ValueError, match=name):
            PPOPenalty.load(tmp_path / "model", **{name: value})


def test_non_finite_loss_is_an_error_that_no_search_skips() -> None:
    class Broken(IdentityEnv):
        def _get_reward(self, action: Any) -> float:
            return float("nan")

    model = make()
    model.set_env(Broken(2, ep_length=5))
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    with pytest.raises(RuntimeError, match="loss nan after 0 epochs") as error:
        model.learn(8)
    assert "\n" not in str(error.value)
    assert all(value.equal(before[name]) for name, value in model.policy.state_dict().items())
    assert np.isfinite(model.beta)
