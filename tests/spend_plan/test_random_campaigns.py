import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_ext import DDPG
from sb3_ext.cli import main as cli
from sb3_ext.envs.ad_spend import AdSpendEnv, Channel, Market, Randomness, plan_clairvoyant
from sb3_ext.envs.ad_spend.baselines import FixedPlan, certainty_equivalent_mpc, historical_proportions
from sb3_ext.envs.ad_spend.market.presets import PRESETS, adstock, delivery, noisy, s_shape, shock
from sb3_ext.envs.ad_spend.optimum.constraints import Constraints, share
from sb3_ext.spend_plan.agent import agent_rollout
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.comparison import CLAIRVOYANT, EVEN, OPTIMIZED, PAST_MIX, Gain, compare, paired_gain
from sb3_ext.spend_plan.outcome import Rollout
from sb3_ext.spend_plan.plan import SpendPlan, make_plan
from sb3_ext.spend_plan.random_campaigns import default_paths, play
from sb3_ext.spend_plan.wording import Wording
from sb3_ext.zoo import register

Planner = Callable[..., Path]
Mistake = Callable[..., str]
TINY = """
AdSpendShock-v0:
  n_timesteps: 60
  policy: MlpPolicy
  learning_starts: 20
  batch_size: 8
  normalize: true
  policy_kwargs: "dict(net_arch=[4])"
"""


def campaign(market: Market, budget: float = 20_000.0, periods: int = 5) -> Campaign:
    cap = market.spend_caps(budget, periods)
    return Campaign(market, budget, period_dates(date(2027, 1, 4), 1.0, periods), np.zeros(len(cap)), cap)


def one_campaign(policy: object, env: AdSpendEnv, seed: int) -> float:
    """What a policy earns in a single environment."""
    observation, _ = env.reset(seed=seed)
    state, start, info = None, np.ones(1, dtype=bool), {}
    for _ in range(env.periods):
        action, state = policy.predict(observation[None], state, start, deterministic=True)  # type: ignore[attr-defined]
        observation, *_, info = env.step(action[0])
        start = np.zeros(1, dtype=bool)
    return float(info["campaign_value"])


def warned(plan: SpendPlan) -> str:
    return "\n".join(find_caveats(plan))


def reaction(plan: SpendPlan) -> str | None:
    return Wording(plan).reaction


def with_reaction(plan: SpendPlan, name: str, values: list[float], planned: list[float]) -> str:
    return str(reaction(replace(plan, reaction=paired_gain(name, np.array(values), np.array(planned)))))


@pytest.fixture(scope="module")
def made() -> SpendPlan:
    return make_plan(campaign(shock()), n_paths=6)


@pytest.mark.parametrize("preset", ["shock", "uncertain", "delivery"])
def test_all_policies_face_the_campaigns_of_the_single_environment(preset: str) -> None:
    asked = campaign(PRESETS[preset]())
    plan = np.full((5, 2), 1500.0)
    played = play(asked, plan, {}, n_paths=3)
    assert len(played.plan.value) == 3
    env = AdSpendEnv(asked.market, asked.budget, asked.periods)
    policies = {
        PAST_MIX: historical_proportions(env),
        OPTIMIZED: FixedPlan(env, plan),
        "certainty-equivalent MPC": None,
    }
    policies["certainty-equivalent MPC"] = certainty_equivalent_mpc(env)
    for name, policy in policies.items():
        values = [one_campaign(policy, env, 10_000 + path) for path in range(3)]
        np.testing.assert_allclose(played.values[name], values, rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(played.reference.value, played.values[PAST_MIX], rtol=1e-5)
    for path in range(3):
        env.reset(seed=10_000 + path)
        noise = 0.0 if env.scenario.sales_noise is None else env.scenario.sales_noise.sum()
        best = plan_clairvoyant(asked.market, asked.budget, asked.periods, asked.cap, env.scenario)
        assert played.values[CLAIRVOYANT][path] == pytest.approx(best.value + noise)


def sigma(highest: float) -> st.SearchStrategy[float]:
    return st.just(0.0) | st.floats(0.01, highest)


@settings(max_examples=10, deadline=None)
@given(
    st.builds(
        Randomness,
        price_sigma=sigma(1.0),
        beta_sigma=sigma(0.5),
        drift_sigma=st.floats(0.01, 0.3),
        delivery_sigma=sigma(0.5),
        sales_sigma=sigma(0.2),
    ),
    st.floats(0.0, 3.0),
)
def test_nobody_beats_the_clairvoyant_or_the_budget(randomness: Randomness, spend_cost: float) -> None:
    asked = campaign(replace(adstock(), randomness=randomness, spend_cost=spend_cost), periods=2)
    played = play(asked, np.full((2, 2), 4000.0), {}, n_paths=2)
    bound = played.values[CLAIRVOYANT]
    for name, rollout in played.rollouts.items():
        assert np.all(rollout.value <= bound + 1e-5 * (1.0 + np.abs(bound))), name
        assert np.all(rollout.spend >= 0.0) and np.all(rollout.spend.sum(axis=(1, 2)) <= asked.budget * (1.0 + 1e-9))
    assert played.upper_bound >= bound.mean() * (1.0 - 1e-9)


def test_the_plan_is_made_for_what_is_expected_and_compared_at_random(made: SpendPlan) -> None:
    expected = make_plan(campaign(replace(shock(), randomness=Randomness())))
    np.testing.assert_array_equal(made.cents, expected.cents)
    assert (made.policy, made.n_paths, expected.n_paths) == (OPTIMIZED, 6, 0)
    assert made.planned_gap == pytest.approx(expected.relative_gap, abs=1e-9)
    played = play(campaign(shock()), made.spend, {}, n_paths=6)
    values = played.values
    for score in made.scores:
        assert score.value == pytest.approx(values[score.name].mean()) and score.low is not None
        assert score.low < score.value < (score.high or 0.0)
    gain = made.score.value - made.reference.value
    low, high = made.score.gain_interval or (0.0, 0.0)
    assert low < gain < high
    assert made.score.ahead == np.mean(values[OPTIMIZED] > values[PAST_MIX])
    assert made.upper_bound == pytest.approx(values[CLAIRVOYANT].mean(), rel=1e-5)
    np.testing.assert_allclose(made.outcome.sales[0], played.plan.sales.mean(axis=0))
    assert made.sales_interval is not None
    np.testing.assert_allclose(made.sales_interval, np.quantile(played.plan.sales, [0.025, 0.975], axis=0))
    text = warned(made)
    low, high = np.quantile(values[OPTIMIZED], [0.025, 0.975])
    assert f"95% of the single ones earn {low:,.0f} to {high:,.0f}" in text
    assert "this market is random" not in warned(expected)


def test_differences_are_paired() -> None:
    even = np.array([1000.0, 5.0, -700.0])
    best, worst = compare({"even": even, "plan": even + 5.0}, "even")
    assert best.gain_interval == pytest.approx((5.0, 5.0))
    assert best.low is not None and best.low < -600.0
    assert worst.gain_interval is None
    assert paired_gain("x", np.array([3.0, 4.0]), np.array([1.0, 1.0])) == ("x", 2.5, 2.0, 3.0)


def test_what_reacting_earns_more_is_said_in_a_sentence(made: SpendPlan) -> None:
    assert made.reaction is not None and made.reaction.name == "certainty-equivalent MPC"
    gain = made.score_of("certainty-equivalent MPC").value - made.score.value
    assert made.reaction.mean == pytest.approx(gain)
    assert made.reaction.low > 0.0
    assert f"Re-planning every day as certainty-equivalent MPC does would earn {gain:,.0f} more" in str(reaction(made))
    text = with_reaction(made, "agent (ppo, x.zip)", [1300.0, 1200.0], [200.0, 200.0])
    assert "Letting the agent decide every day would earn 1,050 more" in text
    assert "95% interval +1,000 to +1,100, in the same 6 random campaigns" in text
    assert "Reacting every day as PID pacing does" in with_reaction(made, "PID pacing", [2.0, 2.0], [1.0, 1.0])
    unclear = with_reaction(made, "PID pacing", [20.0, -10.0], [1.0, 1.0])
    assert "not earn significantly more than following this plan: at best +4 (95% interval -11 to +19)" in unclear
    null = reaction(make_plan(campaign(noisy()), n_paths=4))
    assert null is not None and "would not earn significantly more" in null
    assert reaction(make_plan(campaign(adstock()))) is None


def test_plans_made_beforehand_are_no_reaction() -> None:
    # Nothing beats even pacing here, and feedback holds nothing but noise.
    market = Market((Channel("tv", beta=1000.0, kappa=300.0),), randomness=Randomness(sales_sigma=0.1))
    played = play(campaign(market, budget=1000.0), np.full((5, 1), 200.0), {}, n_paths=2)
    assert played.reaction is not None
    assert played.reaction.name in {"ROAS chasing", "greedy marginal ROAS", "certainty-equivalent MPC"}
    assert played.values[EVEN].mean() >= played.values[OPTIMIZED].mean() - 1e-3


def test_an_agent_that_reacts_leaves_the_plan_as_it_is(made: SpendPlan) -> None:
    rich = Rollout(np.full((6, 5, 2), 100.0), np.full(6, 1e6))
    plan = make_plan(campaign(shock()), {"agent": rich}, n_paths=6)
    assert plan.policy == OPTIMIZED and plan.scores[0].name == "agent"
    np.testing.assert_array_equal(plan.cents, made.cents)
    assert plan.reaction is not None and plan.reaction.name == "agent"
    assert plan.spent["agent"] == pytest.approx(1000.0)


def test_a_plan_of_nothing_loses_nothing() -> None:
    caveats = warned(make_plan(campaign(replace(shock(), spend_cost=1000.0)), n_paths=2))
    assert "the plan earns nothing" in caveats and "loses money" not in caveats


def test_draws_that_random_campaigns_leave_out_are_named() -> None:
    market = replace(delivery(), draws=(delivery().channels,))
    assert "draws of the parameters are no part" in warned(make_plan(campaign(market), n_paths=2))


def test_campaigns_take_their_parameters_from_the_draws() -> None:
    draws = tuple(tuple(replace(c, beta=f * c.beta) for c in adstock().channels) for f in (0.5, 1.5))
    market = replace(adstock(), draws=draws, randomness=Randomness(use_draws=True))
    plan = make_plan(campaign(market), n_paths=6)
    assert len(set(np.round(plan.sales_interval or 0.0, 3)[:, 0])) == 2
    assert "draws of the parameters are no part" not in warned(plan)


def test_the_best_policy_is_compared_with_what_none_without_foresight_exceeds() -> None:
    plan = make_plan(campaign(shock()), n_paths=40)
    left = plan.unreached
    assert left is not None and left.name == plan.scores[1].name and plan.scores[0].name == CLAIRVOYANT
    assert 0.0 < left.high and plan.scores[1].value + left.mean < plan.upper_bound
    assert f"more than {left.name} does (95% interval" in Wording(plan).certificate
    close = Wording(replace(plan, unreached=Gain(OPTIMIZED, -47.0, -129.0, 42.0))).certificate
    assert f"no policy can earn significantly more on average than {OPTIMIZED} does: at best -47 (95%" in close
    unbounded = make_plan(campaign(delivery()), n_paths=2)
    assert unbounded.unreached is None and "Without foresight" not in Wording(unbounded).certificate


def test_policies_that_break_the_constraints_in_random_campaigns_are_marked() -> None:
    instagram, everywhere = np.ones((5, 2), dtype=bool) & [False, True], np.ones((5, 2), dtype=bool)
    limits = Constraints((share("instagram", instagram, everywhere, 0.75),))
    plan = make_plan(replace(campaign(shock()), constraints=limits), n_paths=20)
    assert {EVEN, PAST_MIX, "certainty-equivalent MPC"} <= plan.breaking and OPTIMIZED not in plan.breaking
    assert (Wording(plan).reaction or "").endswith("campaigns), but does not keep to the constraints.")
    loose = Constraints((share("instagram", instagram, everywhere, 0.5),))
    assert EVEN not in make_plan(replace(campaign(shock()), constraints=loose), n_paths=2).breaking
    # What is delivered is not what was ordered, of the plan either.
    assert not make_plan(replace(campaign(delivery()), constraints=limits), n_paths=2).breaking


def test_slow_campaigns_are_fewer_by_default() -> None:
    assert default_paths(campaign(shock(), periods=28)) == 300
    assert default_paths(campaign(shock(), periods=90)) == 20
    assert default_paths(campaign(replace(s_shape(), randomness=shock().randomness), periods=28)) == 20


def test_the_command_compares_in_random_campaigns(planner: Planner, capfd: pytest.CaptureFixture[str]) -> None:
    delivery().save("market.json")
    folder = planner("--market", "market.json", "--budget", "20000", "--paths", "5")
    page = (folder / "plan.html").read_text(encoding="utf-8")
    shown = " ".join(capfd.readouterr().out.split())
    for part in (
        "means over the same 5 random campaigns",
        "clairvoyant (bound)",
        "not even a clairvoyant one, can earn more than",
        "following this plan",
        "this market is random",
    ):
        assert part in page and part in shown, part
    assert "delivered over ordered spend (log standard deviation 0.3)" in page
    plan = make_plan(campaign(delivery()), n_paths=5)
    with (folder / "plan.csv").open(encoding="utf-8") as file:
        sales = [float(row["expected_sales"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(sales, plan.outcome.sales[0], atol=0.006)


@pytest.mark.usefixtures("planner")
def test_paths_are_for_random_markets(mistake: Mistake) -> None:
    assert "--paths goes with a random market" in mistake("--paths", "5")
    for number in ("0", "1", "-3", "100000"):
        assert "give a number from 2 to 5000" in mistake("--market", "shock", "--paths", number)


@pytest.mark.parametrize(
    ("env_id", "seen"),
    [
        ("AdSpendShock-v0", {}),
        ("AdSpendUncertain-v0", {}),
        ("AdSpendUncertain-v0", {"belief": True, "lags": 0}),  # as the hyperparameters have it
    ],
)
def test_a_model_goes_through_the_same_campaigns(env_id: str, seen: dict[str, Any], tmp_path: Path) -> None:
    register()
    env = gymnasium.make(env_id, budget=10_000.0, periods=5, action_mode="currency", **seen).unwrapped
    assert isinstance(env, AdSpendEnv)
    model = DDPG("MlpPolicy", env, policy_kwargs={"net_arch": [4]}, seed=0)
    model.save(tmp_path / "mine.zip")
    asked = campaign(env.market, 10_000.0)
    rollout = agent_rollout(str(tmp_path / "mine.zip"), "ddpg_ext", asked, False, range(10_000, 10_003))
    assert rollout.spend.shape == (3, 5, 2)
    values = [one_campaign(model, env, seed) for seed in range(10_000, 10_003)]
    np.testing.assert_allclose(rollout.value, values, rtol=1e-5)
    assert len(set(values)) == 3


def test_a_model_of_the_zoo_goes_through_them_normalized(planner: Planner) -> None:
    Path("tiny.yml").write_text(TINY)
    arguments = ["train", "--algo", "ddpg_ext", "--env", "AdSpendShock-v0", "-f", "logs", "--conf-file", "tiny.yml"]
    campaign_of = ["--env-kwargs", "budget:10000", "periods:5", "--seed", "3", "--eval-freq", "-1", "--verbose", "0"]
    assert cli([*arguments, *campaign_of]) == 0
    folder = Path("logs", "ddpg_ext", "AdSpendShock-v0_1")
    path = str(folder / "AdSpendShock-v0.zip")
    model = DDPG.load(path)
    venv = DummyVecEnv([lambda: gymnasium.make("AdSpendShock-v0", budget=10_000.0, periods=5)])
    normalizer = VecNormalize.load(str(folder / "AdSpendShock-v0" / "vecnormalize.pkl"), venv)

    class Normalized:
        def predict(self, observation: np.ndarray, *arguments: object, **options: object) -> object:
            return model.predict(normalizer.normalize_obs(observation), deterministic=True)

    values = [one_campaign(Normalized(), venv.envs[0].unwrapped, seed) for seed in range(10_000, 10_003)]  # type: ignore[arg-type]
    page = planner("--market", "shock", "--model", path, "--paths", "3") / "plan.html"
    assert f">{np.mean(values):,.0f}<" in page.read_text(encoding="utf-8")
