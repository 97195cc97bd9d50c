"""Vector environments for the tests of the adapter, and how two are compared."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_ext.vec_env import GymnasiumVecEnv

MODES = list(AutoresetMode)


class Scripted(gym.Env):
    """Ends after a number of steps; a dictionary observation and the given infos."""

    def __init__(self, length: int = 3, infos: tuple[dict[str, Any], ...] = ({},), truncates: bool = False) -> None:
        parts = {"t": spaces.Box(0, 100, (2,), np.float32), "parity": spaces.Discrete(2)}
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Discrete(3)
        self.length, self.infos, self.truncates = length, infos, truncates
        self.begun = 0

    def _observe(self) -> dict[str, Any]:
        return {"t": np.full(2, self.t, np.float32), "parity": self.t % 2}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.t = 0
        self.begun += 1
        return self._observe(), {"begun": self.begun}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        ends = self.t == self.length
        info = dict(self.infos[self.t % len(self.infos)])
        return self._observe(), 0.1 * self.t, ends and not self.truncates, ends and self.truncates, info

    def double(self, number: int) -> int:
        return 2 * number


class Counters(VectorEnv):
    """Counts steps in one array; episode ``i`` lasts ``i + 2`` steps. Infos and observations as Gymnasium asks."""

    def __init__(self, num_envs: int = 3, mode: AutoresetMode | None = AutoresetMode.SAME_STEP, masks: bool = True):
        self.num_envs, self.mode, self.masks = num_envs, mode, masks
        self.metadata = {"autoreset_mode": mode} if mode else {}
        self.single_observation_space = spaces.Box(0, 100, (1,), np.float32)
        self.single_action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.count = np.zeros((num_envs, 1), np.float32)
        self.calls = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        mask = (options or {}).get("reset_mask") if self.masks else None
        self.count[slice(None) if mask is None else mask] = 0
        return self.count, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        assert actions.dtype == np.float32
        self.count += 1
        done = self.count[:, 0] == np.arange(self.num_envs) + 2
        infos: dict[str, Any] = {"doubled": 2 * self.count[:, 0]}
        if self.mode is AutoresetMode.SAME_STEP and done.any():
            final = {"doubled": infos["doubled"], "_doubled": done}
            infos = {"final_obs": self.count.copy(), "_final_obs": done, "final_info": final, "_final_info": done}
            self.count[done] = 0
        return self.count, np.ones(self.num_envs), done, np.zeros_like(done), infos

    def call_me(self) -> int:
        self.calls += 1
        return self.calls


def scripted(n: int, adapted: bool, mode: AutoresetMode = AutoresetMode.SAME_STEP, **kwargs: Any) -> VecEnv:
    makers = [lambda i=i: Scripted(length=i + 2, truncates=bool(i % 2), **kwargs) for i in range(n)]
    if adapted:
        return GymnasiumVecEnv(SyncVectorEnv(makers, autoreset_mode=mode), all_infos=True)
    return DummyVecEnv([lambda maker=maker: Monitor(maker()) for maker in makers])


def assert_same_trajectory(ours: VecEnv, theirs: VecEnv, steps: int, scale: int = 1) -> None:
    """Both step alike from the same seed, with infos equal at episode ends (everywhere, if the adapter gives all)."""
    for env in (ours, theirs):
        env.seed(7)
        env.action_space.seed(7)
    compare(ours.reset(), theirs.reset())
    n_ends = 0
    for _ in range(steps):
        actions = scale * np.stack([theirs.action_space.sample() for _ in range(theirs.num_envs)])
        observations, rewards, dones, infos = ours.step(actions)
        expected = theirs.step(actions)
        compare(observations, expected[0])
        assert (rewards.dtype, dones.dtype) == (np.float32, np.bool_)
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        compare(ours.reset_infos, theirs.reset_infos)
        for done, info, expected_info in zip(dones, infos, expected[3], strict=True):
            if "episode" in expected_info:
                assert info["episode"].pop("t") >= 0 and expected_info["episode"].pop("t") >= 0
            if done or (isinstance(ours, GymnasiumVecEnv) and ours.all_infos):
                compare(info, expected_info)
            else:
                assert info == {}
            n_ends += bool(done)
    assert n_ends > 3
    ours.close()
    theirs.close()


def compare(given: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert given.keys() == expected.keys()
        for key in expected:
            compare(given[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            compare(one, other)
    elif isinstance(expected, np.ndarray):
        assert given.dtype == expected.dtype and given.shape == expected.shape
        np.testing.assert_array_equal(given, expected)
    else:
        assert given == expected


def cart_poles(n: int) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gym.make_vec("CartPole-v1", n, "vector_entry_point"))
