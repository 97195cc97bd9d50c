"""What cannot be shared or sent to workers is refused in one line."""

import threading
from typing import Any

import pytest
import torch as th
from algorithm_battery import Steady
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_ext import A3C
from sb3_ext.a3c import a3c


def a3c_(env: Any = "CartPole-v1", **more: Any) -> A3C:
    return A3C("MlpPolicy", env, **more)


class Normalized(BaseFeaturesExtractor):
    def __init__(self, space: Any) -> None:
        super().__init__(space, features_dim=4)
        self.layer = th.nn.BatchNorm1d(4)

    def forward(self, observations: th.Tensor) -> th.Tensor:
        normalized: th.Tensor = self.layer(observations)
        return normalized


@pytest.mark.parametrize(
    ("policy_kwargs", "message"),
    [
        ({"optimizer_class": th.optim.Adam}, "the optimizer Adam has no statistics"),
        ({"optimizer_class": th.optim.SGD}, "the optimizer SGD has no statistics"),
        ({"optimizer_kwargs": {"momentum": 0.9}}, "without momentum"),
        ({"optimizer_kwargs": {"centered": True}}, "without momentum, centered"),
        ({"features_extractor_class": Normalized}, "BatchNorm1d has running statistics"),
    ],
)
def test_what_cannot_be_shared(policy_kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^A3C: .*{message}") as error:
        a3c_(policy_kwargs=policy_kwargs)
    assert "\n" not in str(error.value)


def test_what_cannot_be_shared_when_learning_starts() -> None:
    model = a3c_()
    model.policy.optimizer = th.optim.Adam(model.policy.parameters())
    with pytest.raises(ValueError, match="the optimizer Adam"):
        model.learn(1)


def test_environments_that_cannot_be_pickled() -> None:
    env = Steady()
    env.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"^A3C: env cannot be pickled.*lock.*Pass an id") as error:
        a3c_(env)
    assert "\n" not in str(error.value)
    model = a3c_(Steady(), n_workers=1)
    model.set_env(env)
    with pytest.raises(ValueError, match="cannot be pickled"):
        model.learn(1)


def test_environments_in_other_processes() -> None:
    env = make_vec_env("CartPole-v1", 1, vec_env_cls=SubprocVecEnv)
    with pytest.raises(ValueError, match="DummyVecEnv, not a SubprocVecEnv") as error:
        a3c_(env)
    assert "\n" not in str(error.value)
    env.close()


def test_another_device() -> None:
    with pytest.raises(ValueError, match=r"^A3C: device=.*meta.* is not valid; pass 'auto' or 'cpu'"):
        a3c_(device="meta")


def test_more_workers_than_cores_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(a3c, "usable_cores", lambda: 2)
    with pytest.warns(UserWarning, match="n_workers=3 are more than the 2 cores"):
        a3c_(n_workers=3)
