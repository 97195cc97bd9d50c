"""Algorithms are built with what they have in common, warmed up, and timed doing what is said."""

import itertools
import sys
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
import torch as th
from stable_baselines3 import DDPG as UpstreamDDPG

from benchmarks import contests
from benchmarks.contenders import Contender
from benchmarks.contests import Contestant, enter
from benchmarks.groups import Missing
from benchmarks.plain_loops import ddpg_loop, dqn_loop
from benchmarks.rivals import SBX_VARIABLE, Rival
from sb3_ext.app.errors import UserError

SMALL: dict[str, Any] = {"env": "Pendulum-v1", "buffer_size": 50, "policy_kwargs": {"net_arch": [4]}}


@pytest.mark.parametrize("algorithm", ["stable_baselines3:DQN", "sb3_ext:DuelingDQN"])
def test_a_filled_buffer_is_drawn_from_everywhere(algorithm: str) -> None:
    contender = Contender(algorithm, "CartPole-v1", buffer_size=500, policy_kwargs={"net_arch": [4]})
    contender.fill()
    buffer = contender.model.replay_buffer
    batch = buffer.sample(10_000)
    assert buffer.size() == 500
    assert len(np.unique(batch.rewards)) == 500
    assert set(batch.actions.flatten().tolist()) == {0, 1}
    assert 0 < batch.dones.sum() < 1_000


def test_updates_are_those_of_train() -> None:
    contender = Contender("sb3_ext:DDPG", **SMALL)
    contender.fill()
    assert contender.updates_per_second(calls=3, per_call=5, batch_size=4) > 0
    assert contender.model._n_updates == 20, "one call warms up"


def test_steps_go_on_where_they_stopped() -> None:
    contender = Contender("sb3_ext:DDPG", noise=0.1, learning_starts=5, **SMALL)
    for _ in range(2):
        assert contender.steps_per_second(10) > 0
    assert (contender.model.num_timesteps, contender.model._n_updates) == (20, 15)
    assert contender.model.action_noise._sigma == pytest.approx([0.1])


def test_the_arguments_in_common_stay_as_they_are() -> None:
    entries = enter(
        [Contestant("SB3", "stable_baselines3:DDPG", {}), Contestant("ours", "sb3_ext:DDPG", {})],
        lambda contender: contender.fill(),
        **SMALL,
    )
    found = dict(entry for entry in entries if not isinstance(entry, Missing))
    assert isinstance(found["SB3"].model, UpstreamDDPG) and list(found) == ["SB3", "ours"]  # type: ignore[union-attr]
    assert SMALL["policy_kwargs"] == {"net_arch": [4]}


def test_what_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SBX_VARIABLE, raising=False)

    def warm_up(contender: Any) -> None:
        warnings.warn("compile=True: the update cannot be compiled (no compiler), going on without.", stacklevel=1)

    entrants = [
        Contestant("sbx", "sbx:DDPG", {}),
        Contestant("uncompiled", "sb3_ext:DDPG", {}),
    ]
    sbx, uncompiled = enter(entrants, warm_up, **SMALL)
    assert isinstance(sbx, Missing) and "--sbx-python" in sbx.reason
    assert isinstance(uncompiled, Missing) and "no compiler" in uncompiled.reason


class TestRival:
    """A process of this Python with SB3's own algorithms stands for one with sbx."""

    def test_measures_and_ends_in_its_own_process(self) -> None:
        rival = Rival(sys.executable, algorithm="stable_baselines3:DDPG", learning_starts=5, noise=0.1, **SMALL)
        process = rival._process
        assert rival.steps_per_second(10) > 0
        rival.fill()
        assert rival.updates_per_second(2, 5, 4) > 0
        with pytest.raises(UserError, match="steps_per_second: TypeError"):
            rival.steps_per_second(None)  # type: ignore[arg-type]
        assert process.poll() is None
        del rival
        assert process.poll() is not None

    def test_is_chosen_for_sbx(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(SBX_VARIABLE, sys.executable)
        built: list[Any] = []
        monkeypatch.setattr(contests, "Rival", lambda python, **build: built.append((python, build)) or "rival")
        ((name, rival),) = enter([Contestant("sbx DQN", "sbx:DQN", {})], lambda _: None, env="CartPole-v1")
        assert (name, rival) == ("sbx DQN", "rival")
        assert built == [(sys.executable, {"algorithm": "sbx:DQN", "env": "CartPole-v1"})]

    def test_a_process_that_dies_is_an_error(self) -> None:
        with pytest.raises(UserError, match="the process ended with code"):
            Rival("/bin/false", algorithm="sbx:DDPG", env="Pendulum-v1")


class TestPlainLoops:
    COMMON: ClassVar[dict[str, Any]] = {"hidden": (64, 64), "batch_size": 64, "buffer_size": 20_000}

    def ddpg(self, learning_starts: int) -> Iterator[float | None]:
        return ddpg_loop("Pendulum-v1", learning_starts=learning_starts, noise=0.1, **self.COMMON)

    def dqn(self, learning_starts: int) -> Iterator[float | None]:
        frequencies = {"train_freq": 1, "target_update_interval": 250}
        return dqn_loop(
            "CartPole-v1", learning_starts=learning_starts, learning_rate=1e-3, **frequencies, **self.COMMON
        )

    def returns(self, loop: Iterator[float | None], steps: int) -> list[float]:
        return [found for found in itertools.islice(loop, steps) if found is not None]

    def test_returns_are_those_of_the_episodes(self) -> None:
        (pendulum,) = self.returns(self.ddpg(190), 210)
        assert -2_000 < pendulum < -500
        cart_pole = self.returns(self.dqn(190), 210)
        assert 200 - 60 < sum(cart_pole) <= 210 and min(cart_pole) >= 8

    @pytest.mark.slow
    def test_ddpg_learns(self) -> None:
        th.manual_seed(0)
        assert np.mean(self.returns(self.ddpg(1_000), 10_000)[-10:]) > -250

    @pytest.mark.slow
    def test_dqn_learns(self) -> None:
        th.manual_seed(0)
        np.random.seed(0)
        assert np.mean(self.returns(self.dqn(1_000), 15_000)[-10:]) > 150
