"""What environments show of a belief."""

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ad_spend_strategies import DRAWN_ONE as ONE
from ad_spend_strategies import DRAWN_TWO as TWO
from ad_spend_strategies import one_line
from gymnasium.vector import AutoresetMode

from sb3_ext.envs.ad_spend import AdSpendEnv, AdSpendVectorEnv, Channel, Market, Randomness
from sb3_ext.envs.ad_spend.campaign.belief import Belief
from sb3_ext.envs.ad_spend.market.presets import PRESETS

EVERYTHING = replace(TWO, randomness=Randomness(0.3, 0.5, 0.6, 0.4, False, 0.1, 0.3, 0.05))


# Nearly no noise and many parameters: in the end one or two points are left.
SHARP = Market(
    tuple(Channel(name, beta=100.0, kappa=20.0, historical_mean=20.0) for name in "abcd"),
    randomness=Randomness(beta_sigma=2.0, kappa_sigma=2.0, delivery_sigma=1.0, drift_sigma=0.3),
)


def of_belief(env: AdSpendEnv | AdSpendVectorEnv) -> np.ndarray:
    """Which entries of an observation are the belief's."""
    return np.array([name.startswith(("belief", "doubt")) for name in env.observation_names])


def orders(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Actions from nothing to the caps, at most times little enough for the whole campaign."""
    return rng.choice([-1.0, -0.5, 0.0, 1.0], shape, p=[0.3, 0.4, 0.2, 0.1]).astype(np.float32)


def test_environments_show_the_marginal_sales_of_their_adstock() -> None:
    env, belief = AdSpendEnv(TWO, 300.0, periods=3, belief=True, references=False), Belief(TWO, 1)
    at = [env.observation_names.index(name) for name in belief.marginal_names]
    observation, info = env.reset(seed=0)
    np.testing.assert_allclose(observation[at], belief.marginal(info["adstock"][None])[:, 0], rtol=1e-6)
    observation, _, _, _, info = env.step(np.zeros(2))
    belief.learn(info["adstock"][None], np.array([env.history[-1].total_sales]), 1.0)
    np.testing.assert_allclose(observation[at], belief.marginal(info["adstock"][None])[:, 0], rtol=1e-5)


def test_entries_are_named_in_their_place() -> None:
    env = AdSpendEnv(EVERYTHING, 300.0, periods=5, belief=True, urgency=True, lags=1)
    pairs = [f"{parameter}_{name}" for parameter in ("beta", "kappa") for name in "ab"]
    assert env.observation_names == (
        *("spend_a", "spend_b", "sales", "budget_left", "adstock_a", "adstock_b", "pace", "time_left", "urgency"),
        *("demand_index", "season_sin", "season_cos", "price_shock_a", "price_shock_b"),
        *(f"belief_{pair}" for pair in pairs),
        *(f"doubt_{pair}" for pair in pairs),
        *("marginal_a", "marginal_b"),
        *("spend_a_lag1", "spend_b_lag1", "sales_lag1"),
    )
    bounds = np.column_stack([env.observation_space.low, env.observation_space.high])[of_belief(env)]
    np.testing.assert_array_equal(bounds, [[-5.0, 5.0]] * 4 + [[0.0, 2.0]] * 4)


@pytest.mark.parametrize("market", [ONE, TWO, EVERYTHING], ids=["one", "two", "everything"])
def test_belief_and_urgency_leave_the_other_entries_as_they_are(market: Market) -> None:
    rng = np.random.default_rng(0)
    plain = AdSpendEnv(market, 300.0, periods=5, lags=2, references=False)
    told = AdSpendEnv(market, 300.0, periods=5, lags=2, references=False, belief=True, urgency=True)
    shared = [told.observation_names.index(name) for name in plain.observation_names]
    assert sorted(shared) == shared and len(told.observation_names) == len(shared) + 1 + 5 * len(market.names)
    for episode in range(2):
        observations = [env.reset(seed=episode)[0] for env in (plain, told)]
        for t in range(6):
            np.testing.assert_array_equal(observations[0], observations[1][shared])
            assert observations[1][told.observation_names.index("urgency")] == np.float32(1 / max(5 - t, 1))
            if t < 5:
                action = orders(rng, len(market.names))
                observations = [env.step(action)[0] for env in (plain, told)]


def test_environments_show_what_a_belief_learned_from_adstock_and_sales() -> None:
    env, belief = AdSpendEnv(TWO, 300.0, periods=5, belief=True, references=False), Belief(TWO, 1)
    rng, at = np.random.default_rng(2), of_belief(env)
    for episode in range(2):
        belief.reset()
        observation = env.reset(seed=episode)[0]
        np.testing.assert_allclose(observation[at], [0.0] * 4 + [1.0] * 4, atol=1e-6)
        for demand in (1.0, 2.0, 0.5, 1.0, 2.0):
            observation, _, _, _, info = env.step(orders(rng, 2))
            belief.learn(info["adstock"][None], np.array([env.history[-1].total_sales]), demand)
            np.testing.assert_allclose(observation[at], belief.entries[:, 0], atol=1e-6)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("market", [ONE, EVERYTHING], ids=["one", "everything"])
def test_single_and_vector_environments_agree_and_every_campaign_starts_ignorant(
    market: Market, mode: AutoresetMode
) -> None:
    options: dict[str, Any] = {"budget": 300.0, "periods": 4, "lags": 1, "belief": True, "urgency": True}
    envs = AdSpendVectorEnv(3, market, **options, autoreset_mode=mode)
    singles = [AdSpendEnv(market, **options, references=False) for _ in range(3)]
    rng, n_channels, at = np.random.default_rng(5), len(market.names), of_belief(envs)
    start = np.repeat([0.0, 1.0], 2 * n_channels)
    many, ones = envs.reset(seed=9)[0], [env.reset(seed=9 + i)[0] for i, env in enumerate(singles)]
    for _ in range(3):
        np.testing.assert_allclose(many[:, at], np.tile(start, (3, 1)), atol=1e-6)
        np.testing.assert_allclose(many, ones, atol=1e-6, rtol=1e-6)
        for t in range(4):
            actions = orders(rng, 3, n_channels)
            many, _, _, _, info = envs.step(actions)
            ones = [env.step(action)[0] for env, action in zip(singles, actions, strict=True)]
            last = info["final_obs"] if t == 3 and mode is AutoresetMode.SAME_STEP else many
            np.testing.assert_allclose(last, ones, atol=1e-6, rtol=1e-6)
        assert np.abs(last[:, at] - start).max() > 0.1
        if mode is AutoresetMode.NEXT_STEP:
            many = envs.step(actions)[0]
        elif mode is AutoresetMode.DISABLED:
            many = envs.reset()[0]
        ones = [env.reset()[0] for env in singles]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_in_the_middle_learn_on_their_own(copied: Callable[[AdSpendEnv], AdSpendEnv]) -> None:
    env = AdSpendEnv(TWO, 300.0, periods=4, belief=True, references=False)
    env.reset(seed=1)
    env.step(np.zeros(2, dtype=np.float32))
    twin = copied(env)
    for action in orders(np.random.default_rng(0), 3, 2):
        np.testing.assert_array_equal(env.step(action)[0], twin.step(action)[0])


def play(envs: AdSpendVectorEnv) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(7)
    yield envs.reset(seed=0)[0]
    for _ in range(envs.periods):
        yield envs.step(orders(rng, envs.num_envs, len(envs.market.names)))[0]


@pytest.mark.parametrize(
    "market", [PRESETS["uncertain"](), EVERYTHING, SHARP], ids=["uncertain", "everything", "sharp"]
)
def test_observations_are_in_their_space(market: Market) -> None:
    """Also where two points are left, far apart."""
    envs = AdSpendVectorEnv(500, market, periods=20, belief=True, urgency=True, autoreset_mode="Disabled")
    low, high = envs.single_observation_space.low, envs.single_observation_space.high
    for observations in play(envs):
        assert observations.shape == envs.observation_space.shape and observations.dtype == np.float32
        assert np.all((observations >= low) & (observations <= high))


@pytest.mark.parametrize("vector", [False, True], ids=["single", "vector"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"market": TWO, "obs_mode": "partial"}, ["belief", "obs_mode", "full"]),
        ({"market": TWO, "obs_mode": "spend"}, ["belief", "obs_mode", "full"]),
        ({"market": TWO, "obs_range": (0.0, 1.0)}, ["belief", "obs_mode", "full"]),
        ({"sales_function": lambda spend: float(spend.sum()), "budget": 10.0}, ["belief", "market"]),
        ({"market": "static"}, ["belief", "beta_sigma", "kappa_sigma"]),
        ({"market": "shock"}, ["belief", "beta_sigma", "kappa_sigma"]),
        (
            {"market": replace(TWO, draws=(TWO.channels,) * 2, randomness=Randomness(use_draws=True))},
            ["belief", "beta_sigma", "kappa_sigma"],
        ),
    ],
    ids=["partial", "spend", "range", "function", "deterministic", "nothing-drawn", "draws"],
)
def test_errors_at_the_door(arguments: dict[str, Any], said: list[str], vector: bool) -> None:
    with pytest.raises(ValueError) as error:
        AdSpendVectorEnv(2, belief=True, **arguments) if vector else AdSpendEnv(belief=True, **arguments)
    one_line(error, *said)
