from dataclasses import replace

import numpy as np
import pytest

import sb3_ext  # noqa: F401
from sb3_ext.envs.ad_spend import Randomness
from sb3_ext.envs.ad_spend.market.presets import PRESETS


def test_presets_differ_as_described() -> None:
    static, adstock, seasonal, profit = (PRESETS[name]() for name in ("static", "adstock", "seasonal", "profit"))
    np.testing.assert_array_equal([static.theta, static.alpha], [[0, 0], [1, 1]])
    np.testing.assert_allclose(adstock.theta**7, [0.3, 0.1])
    np.testing.assert_allclose([adstock.beta, adstock.kappa], [[9000, 6000], [3000, 1500]])
    np.testing.assert_allclose(adstock.initial_adstock, 100_000 / 56)
    season = seasonal.season_factors(28)
    assert season.argmax() in (20, 21, 22) and 1.9 < season.max() < 2.6
    assert season[7] / season[0] == pytest.approx(1.0, abs=1e-6)
    assert season[:14].max() == pytest.approx(1 + 0.25 * np.sin(4 * np.pi / 7), abs=1e-3)
    assert profit == replace(adstock, spend_cost=1.5)
    s_shape = PRESETS["s_shape"]()
    np.testing.assert_array_equal(s_shape.alpha, 3.0)
    assert replace(s_shape, channels=adstock.channels) == adstock


@pytest.mark.parametrize(
    ("preset", "random"),
    [
        ("shock", {"price_sigma": 0.3, "price_persistence": 0.7}),
        ("uncertain", {"beta_sigma": 0.5, "kappa_sigma": 0.5, "sales_sigma": 0.05}),
        ("drift", {"drift_sigma": 0.1}),
        ("delivery", {"delivery_sigma": 0.3}),
        ("noisy", {"sales_sigma": 0.1}),
    ],
)
def test_random_presets_are_the_profit_problem_with_randomness(preset: str, random: dict[str, float]) -> None:
    assert PRESETS[preset]() == replace(PRESETS["profit"](), randomness=Randomness(**random))
