import io
from pathlib import Path

import gymnasium
import pytest
from stable_baselines3 import DQN


@pytest.fixture(scope="session")
def model() -> bytes:
    """The file of a small model."""
    model = DQN("MlpPolicy", gymnasium.make("CartPole-v1"), policy_kwargs={"net_arch": [4]}, buffer_size=10, seed=1)
    model.learn(20)
    file = io.BytesIO()
    model.save(file)
    return file.getvalue()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A folder that is only there once foreign code ran."""
    return tmp_path / "executed"
