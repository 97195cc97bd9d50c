"""The batched forward pass equals single ones; the episodes are shared out and added up correctly."""

from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from sb3_contrib.ars.policies import LinearPolicy, MlpPolicy
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    BasePolicy,
    MultiInputActorCriticPolicy,
)

from sb3_ext.policy_search.evaluation import PolicyBatch, Tournament

BOX = spaces.Box(np.array([-2, 0], np.float32), np.array([2, 7], np.float32))
VECTOR = spaces.Box(-1, 1, (3,))
IMAGE = spaces.Box(0, 255, (1, 36, 36), np.uint8)
SPACES = {
    "discrete": (MlpPolicy, VECTOR, spaces.Discrete(3), {}),
    "box, squashed": (MlpPolicy, VECTOR, BOX, {}),
    "box, clipped": (MlpPolicy, VECTOR, BOX, {"squash_output": False, "net_arch": [5]}),
    "linear": (LinearPolicy, VECTOR, spaces.Discrete(3), {}),
    "matrix": (MlpPolicy, VECTOR, spaces.Box(-1, 1, (2, 2)), {}),
    "discrete observations": (MlpPolicy, spaces.Discrete(4), spaces.Discrete(3), {}),
    "actor-critic": (ActorCriticPolicy, VECTOR, BOX, {}),
    "images": (ActorCriticCnnPolicy, IMAGE, spaces.Discrete(3), {}),
    "dictionary": (
        MultiInputActorCriticPolicy,
        spaces.Dict({"a": VECTOR, "b": spaces.Discrete(3)}),
        spaces.Discrete(3),
        {},
    ),
}


def sample(space: spaces.Space[Any], n: int) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: sample(part, n) for key, part in space.items()}
    return np.stack([space.sample() for _ in range(n)])


def randomize(policy: BasePolicy) -> th.Tensor:
    genome = th.nn.utils.parameters_to_vector(policy.parameters()).detach()
    genome = genome + 0.3 * th.randn_like(genome)
    th.nn.utils.vector_to_parameters(genome, policy.parameters())
    return genome


@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize(("policy_class", "observations", "actions", "kwargs"), SPACES.values(), ids=SPACES.keys())
def test_each_policy_acts_on_its_own_observation(
    policy_class: Any, observations: spaces.Space[Any], actions: spaces.Space[Any], kwargs: Any, size: int
) -> None:
    th.manual_seed(0)
    observations.seed(0)
    arguments = [observations, actions] + ([lambda _: 0.0] if issubclass(policy_class, ActorCriticPolicy) else [])
    policy = policy_class(*arguments, **kwargs)
    batch = PolicyBatch(policy, size)
    obs = sample(observations, size)
    expected = []
    for index in range(size):
        batch.assign(index, randomize(policy))
        own = {key: value[index] for key, value in obs.items()} if isinstance(obs, dict) else obs[index]
        expected.append(policy.predict(own, deterministic=True)[0])
    taken, _ = batch.predict(obs)
    np.testing.assert_allclose(taken, np.stack(expected), rtol=1e-4, atol=1e-5)
    assert all(actions.contains(action) for action in taken.astype(actions.dtype))
    assert size == 1 or len(np.unique(taken, axis=0)) > 1


def test_the_original_policy_stays_as_it_is() -> None:
    policy = MlpPolicy(VECTOR, spaces.Discrete(3))
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    batch = PolicyBatch(policy, 1)
    batch.assign(0, th.zeros(batch._genomes.shape[1]))
    assert all(value.equal(before[name]) for name, value in policy.state_dict().items())
    assert all(parameter.requires_grad for parameter in policy.parameters())


def test_episodes_by_hand() -> None:
    """Three members, one episode each, two environments: the second one is free first, and is later left over."""
    tournament = Tournament(np.array([0, 1, 2]), n_members=3, n_envs=2)
    assert tournament.players.tolist() == [0, 1] and tournament.started.tolist() == [0, 1]
    assert tournament.add(np.array([1.0, 10.0]), np.array([False, True])).tolist() == [1]
    assert tournament.players.tolist() == [0, 2] and tournament.started.tolist() == [1]
    assert tournament.add(np.array([2.0, 20.0]), np.array([False, False])).tolist() == []
    assert tournament.started.tolist() == [] and tournament.longest_running == 2
    assert tournament.add(np.array([4.0, 40.0]), np.array([False, True])).tolist() == [1]
    assert tournament.players.tolist() == [0, -1] and not tournament.over
    assert tournament.add(np.array([8.0, 99.0]), np.array([True, True])).tolist() == [0]
    assert tournament.over and tournament.longest_running == 0
    assert tournament.return_sums.tolist() == [15, 10, 60] and tournament.n_played.tolist() == [1, 1, 1]


@given(st.lists(st.integers(0, 4), max_size=20), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_each_member_plays_as_often_as_it_should(episodes: list[int], n_envs: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tournament = Tournament(np.array(episodes, dtype=np.int64), 5, n_envs)
    total, returns = 0.0, np.zeros(n_envs)
    while not tournament.over:
        rewards, dones, players = rng.normal(size=n_envs), rng.random(n_envs) < 0.5, tournament.players.copy()
        returns += rewards
        total += returns[dones & (players >= 0)].sum()
        returns[dones] = 0
        tournament.add(rewards, dones)
    assert tournament.n_played.tolist() == np.bincount(episodes, minlength=5).tolist()
    assert tournament.return_sums.sum() == pytest.approx(total)
