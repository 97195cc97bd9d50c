"""The matrix products that bound the speed of an update are those that PyTorch does in one."""

from typing import Any

import pytest
from stable_baselines3.common.logger import Logger
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import products
from sb3_ext import DDPG, DuelingDQN


@pytest.mark.parametrize(
    ("algorithm", "env", "count", "options"),
    [
        (DDPG, "Pendulum-v1", products.ddpg, {}),
        (DuelingDQN, "CartPole-v1", products.dqn, {"dueling": False, "double_q": False}),
    ],
)
def test_products_are_those_of_an_update(algorithm: Any, env: str, count: Any, options: dict[str, Any]) -> None:
    kwargs = {"policy_kwargs": {"net_arch": [16, 8]}, "learning_starts": 10, **options}
    model = algorithm("MlpPolicy", env, device="cpu", buffer_size=100, **kwargs)
    model.learn(10)
    model.set_logger(Logger(None, []))
    with FlopCounterMode(display=False) as counter:
        model.train(gradient_steps=1, batch_size=32)
    assert sum(2 * m * k * n for m, k, n in count((16, 8), 32)) == counter.get_total_flops()
    assert products.updates_per_second(count((16, 8), 32), 2)() > 0
