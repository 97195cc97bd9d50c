"""What workers share, without the workers."""

import ctypes
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.sb2_compat.rmsprop_tf_like import RMSpropTFLike
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

from sb3_ext import A3C
from sb3_ext.a3c import statistics
from sb3_ext.a3c.shared import AsynchronousOptimizer, Memory, Shared, size_of

OPTIMIZERS = [th.optim.RMSprop, RMSpropTFLike]


def model(optimizer: Any = th.optim.RMSprop, seed: int = 0) -> A3C:
    return A3C("MlpPolicy", "CartPole-v1", seed=seed, policy_kwargs={"net_arch": [4], "optimizer_class": optimizer})


def memory(policy: Any, n_workers: int = 2) -> Memory:
    return Memory((ctypes.c_char * size_of(policy))(), (ctypes.c_double * 1)(), (ctypes.c_longlong * n_workers)())


def set_gradients(policy: Any, seed: int) -> None:
    generator = th.Generator().manual_seed(seed)
    for parameter in policy.parameters():
        parameter.grad = th.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steps_of_two_workers_are_steps_of_one_optimizer(optimizer: Any) -> None:
    alone = model(optimizer).policy
    copies = [model(optimizer, seed).policy for seed in (0, 1)]
    shared = Shared(memory(alone), alone)
    shared.copy_from(alone)
    steps = [AsynchronousOptimizer(shared, copy, worker) for worker, copy in enumerate(copies)]
    for turn in range(6):
        shared.copy_to(copies[turn % 2])
        for policy in (alone, copies[turn % 2]):
            set_gradients(policy, turn)
        steps[turn % 2].step()
        steps[turn % 2].zero_grad()
        alone.optimizer.step()
        assert all(parameter.grad is None for parameter in copies[turn % 2].parameters())
    assert list(shared.updates) == [3, 3]
    shared.copy_all_to(copies[0])
    for ours, theirs in zip(copies[0].parameters(), alone.parameters(), strict=True):
        assert th.equal(ours, theirs)
        squares = [policy.optimizer.state[p]["square_avg"] for policy, p in ((copies[0], ours), (alone, theirs))]
        assert th.equal(*squares)


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    policy = model().policy
    shared = Shared(memory(policy), policy)
    shared.copy_from(policy)
    before = shared.parameters.clone(), shared.squares.clone()
    set_gradients(policy, 0)
    next(policy.parameters()).grad[0, 0] = np.nan  # type: ignore[index]
    with pytest.raises(FloatingPointError):
        AsynchronousOptimizer(shared, policy, 0).step()
    assert th.equal(shared.parameters, before[0]) and th.equal(shared.squares, before[1])
    assert list(shared.updates) == [0, 0]


def test_what_is_frozen_stays() -> None:
    policy = model().policy
    shared = Shared(memory(policy), policy)
    shared.copy_from(policy)
    set_gradients(policy, 0)
    first, *others = policy.parameters()
    first.grad = None
    AsynchronousOptimizer(shared, policy, 1).step()
    copy = model(seed=1).policy
    shared.copy_to(copy)
    assert th.equal(next(copy.parameters()), first)
    assert not any(th.equal(new, old) for new, old in zip(list(copy.parameters())[1:], others, strict=True))


def test_running_means_in_memory_are_those_of_sb3() -> None:
    def normalized() -> VecNormalize:
        return VecNormalize(VecFrameStack(make_vec_env("CartPole-v1", 3), 2))

    parent, *workers = (normalized() for _ in range(3))
    expected = RunningMeanStd(shape=(8,))
    batches = np.random.default_rng(0).normal(3.0, 2.0, (5, 4, 8))
    means = (ctypes.c_double * statistics.numbers_in(parent))()
    for one in (parent.obs_rms, expected):
        one.update(batches[0])  # type: ignore[union-attr]
    statistics.write(parent, means)
    for turn, batch in enumerate(batches[1:]):
        worker = workers[turn % 2]
        statistics.attach(worker, means)
        worker.obs_rms.update(batch)  # type: ignore[union-attr]
        expected.update(batch)
    statistics.read(parent, means)
    assert type(parent.obs_rms) is RunningMeanStd
    for name in ("mean", "var", "count"):
        np.testing.assert_array_equal(getattr(parent.obs_rms, name), getattr(expected, name))
    workers[0].reset()
    assert parent.obs_rms.count == expected.count, "a copy, which stays as it is"
    workers[0].step(np.zeros(3, int))
    assert workers[1].ret_rms.count == workers[0].ret_rms.count == pytest.approx(3 + 1e-4)


def test_running_means_of_one_normalization_around_another() -> None:
    inner = VecNormalize(make_vec_env("CartPole-v1", 1))
    outer = VecNormalize(inner, norm_obs=False)
    found = list(statistics.running_means(outer))
    assert [(wrapper, key) for wrapper, key, _ in found] == [(outer, ""), (inner, None), (inner, "")]
