from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.app.errors import UserError
from sb3_ext.spend_plan.calendar import default_start, period_dates
from sb3_ext.spend_plan.cents import as_money, ceil_cents, floor_cents, round_plan
from sb3_ext.spend_plan.comparison import compare, interval_over_draws


@pytest.mark.parametrize(
    ("period_days", "today", "start"),
    [
        (1.0, date(2026, 12, 31), date(2027, 1, 1)),
        (7.0, date(2026, 11, 21), date(2026, 11, 23)),
        (7.0, date(2026, 11, 23), date(2026, 11, 30)),
        (30.4375, date(2026, 12, 1), date(2027, 1, 1)),
        (14.0, date(2026, 2, 28), date(2026, 3, 1)),
    ],
)
def test_default_start(period_days: float, today: date, start: date) -> None:
    assert default_start(period_days, today) == start


def test_dates_follow_days_weeks_and_calendar_months() -> None:
    assert period_dates(date(2028, 2, 28), 1.0, 3) == [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]
    assert period_dates(date(2026, 12, 28), 7.0, 2) == [date(2026, 12, 28), date(2027, 1, 4)]
    assert period_dates(date(2026, 10, 31), 30.4375, 5) == [
        date(2026, 10, 31),
        date(2026, 11, 30),
        date(2026, 12, 31),
        date(2027, 1, 31),
        date(2027, 2, 28),
    ]


@pytest.mark.parametrize(
    ("start", "days", "expected"), [(date(9999, 12, 1), 30.4375, "9999"), (date(2026, 1, 1), 0.5, "0.5 days")]
)
def test_impossible_dates_are_one_line(start: date, days: float, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        period_dates(start, days, 40)


def test_cents_are_exact() -> None:
    assert (floor_cents(0.29), ceil_cents(0.29), floor_cents(1.005), ceil_cents(1.005)) == (29, 29, 100, 101)
    assert floor_cents(1e13 + 0.01) == 1_000_000_000_000_001
    assert (as_money(5), as_money(123_456)) == ("0.05", "1234.56")


def test_largest_remainders_are_rounded_up() -> None:
    cents = round_plan(np.array([[1.004, 1.008], [1.009, 0.979]]), 4.0, np.zeros(2), np.full(2, 5.0))
    assert cents.tolist() == [[100, 101], [101, 98]]


def test_traces_are_cleared_and_not_lost() -> None:
    cents = round_plan(np.array([[100.0, 0.0006], [99.9994, 0.0]]), 200.0, np.zeros(2), np.full(2, 150.0))
    assert cents.sum() == 20_000
    assert cents[:, 1].tolist() == [0, 0]


def test_traces_stay_where_nothing_else_takes_them() -> None:
    cents = round_plan(np.array([[0.06, 100_000.0]]), 200_000.0, np.zeros(2), np.full(2, 100_000.0))
    assert cents.tolist() == [[6, 10_000_000]]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 5),
    st.floats(0.05, 1e9),
    st.floats(0.0, 0.9),
    st.booleans(),
    st.integers(0, 10_000),
)
def test_rounded_plans_keep_to_budget_and_bounds(
    periods: int, n_channels: int, budget: float, least: float, all_spent: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    even = budget / periods / n_channels
    low = even * least * rng.integers(0, 2, n_channels)
    cap = even * rng.uniform(1.0, 5.0, n_channels)
    above = rng.uniform(size=(periods, n_channels)) ** rng.choice([0.3, 1.0, 20.0]) * (cap - low)
    spare = budget - low.sum() * periods
    if all_spent or above.sum() > spare:
        above = np.minimum(above * spare / above.sum(), cap - low)
    plan = low + above
    cents = round_plan(plan, budget, low, cap)
    assert np.all(cents >= 0)
    assert int(cents.sum()) <= floor_cents(budget)
    assert np.all(cents <= [floor_cents(limit) for limit in cap])
    # A cent less than asked for is possible only where cents are too coarse for the caps.
    assert cents.sum() / 100.0 >= plan.sum() - 0.01 * (plan.size + 1)
    if plan.size <= floor_cents(spare):
        assert np.all(cents >= np.minimum([ceil_cents(limit) for limit in low], [floor_cents(limit) for limit in cap]))


def test_single_numbers_have_no_interval() -> None:
    scores = compare({"even": 10.0, "plan": [12.0]}, "even")
    assert [(score.name, score.value, score.low, score.high, score.ahead) for score in scores] == [
        ("plan", 12.0, None, None, None),
        ("even", 10.0, None, None, None),
    ]


def test_paths_give_the_mean_a_bootstrap_interval_and_a_paired_share() -> None:
    rng = np.random.default_rng(0)
    even = rng.normal(100.0, 10.0, 400)
    plan = even + rng.choice([-1.0, 3.0], 400)
    best, worst = compare({"even": even, "plan": plan}, "even")
    assert (best.name, worst.name) == ("plan", "even")
    assert best.value == pytest.approx(plan.mean())
    assert best.ahead == pytest.approx(np.mean(plan > even))
    assert worst.ahead is None
    assert best.low is not None and best.high is not None
    half_width = 1.96 * plan.std() / 20.0
    assert best.low == pytest.approx(plan.mean() - half_width, abs=0.2 * half_width)
    assert best.high == pytest.approx(plan.mean() + half_width, abs=0.2 * half_width)


def test_draws_give_the_middle_of_the_cases_around_the_expected_number() -> None:
    values = np.arange(1001.0)
    (score,) = compare({"plan": values}, "plan", expected={"plan": 480.0})
    assert (score.value, score.low, score.high) == pytest.approx((480.0, 25.0, 975.0))
    low, high = interval_over_draws(np.stack([values, 2.0 * values]))
    np.testing.assert_allclose([low, high], [[25.0, 50.0], [975.0, 1950.0]])
