"""Families of response curves: what every one has to keep, and numbers by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend.market.curves import FAMILIES, Curves, Envelope, Hill, Logistic, Mixed, Root, make_curves


@st.composite
def curves(draw: st.DrawFn, shape: tuple[int, ...] = (3,)) -> Curves:
    """Curves of one or several families."""
    families = draw(st.lists(st.sampled_from(sorted(FAMILIES)), min_size=shape[-1], max_size=shape[-1]))
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    alpha = np.where(rng.uniform(size=shape) < 0.3, 1.0, rng.uniform(0.3, 4.0, shape))
    highest = np.array([FAMILIES[family].highest_alpha for family in families])
    alpha = np.where(alpha > highest, alpha / 4.0, alpha)
    alpha = np.where([FAMILIES[family].has_shape for family in families], alpha, 1.0)
    return make_curves(families, rng.uniform(1.0, 1e3, shape), rng.uniform(1.0, 1e3, shape), alpha)


def test_logistic_curve_by_hand() -> None:
    """``beta * (1 - exp(-lam A)) / (1 + exp(-lam A))``; lam = ln(3) / 20, so 3**-1, 3**-2 and 3**-0.5 are left."""
    curve = Logistic(np.array(100.0), np.array(20.0), np.array(1.0))
    adstock = np.array([0.0, 20.0, 40.0, 10.0, 1e6])
    left = np.array([1.0, 1 / 3, 1 / 9, 3**-0.5, 0.0])
    np.testing.assert_allclose(curve.response(adstock), 100 * (1 - left) / (1 + left), rtol=1e-14)
    np.testing.assert_allclose(curve.response(adstock[:3]), [0.0, 50.0, 80.0], rtol=1e-14)
    lam = np.log(3) / 20
    np.testing.assert_allclose(curve.slope(adstock), 200 * lam * left / (1 + left) ** 2, rtol=1e-14)
    np.testing.assert_allclose(curve.curvature(adstock)[:2], [0.0, -100 * lam**2 * 3 / 16], rtol=1e-13)


@given(curves(), st.floats(0.05, 20.0))
@settings(max_examples=200, deadline=None)
def test_slope_and_curvature_against_differences(curves: Curves, level: float) -> None:
    adstock = level * curves.kappa
    step = 1e-5 * adstock
    slope = (curves.response(adstock + step) - curves.response(adstock - step)) / (2 * step)
    scale = curves.beta / curves.kappa
    np.testing.assert_allclose(curves.slope(adstock) / scale, slope / scale, rtol=1e-6, atol=1e-8)
    bend = (curves.slope(adstock + step) - curves.slope(adstock - step)) / (2 * step)
    scale = scale / adstock
    np.testing.assert_allclose(curves.curvature(adstock) / scale, bend / scale, rtol=1e-6, atol=1e-8)


@given(curves())
@settings(max_examples=100, deadline=None)
def test_every_family_rises_from_nothing_through_half_to_beta(curves: Curves) -> None:
    np.testing.assert_array_equal(curves.response(np.zeros(3)), 0.0)
    np.testing.assert_allclose(curves.response(curves.kappa), curves.beta / 2)
    adstock = np.geomspace(1e-3, 1e3, 200)[:, None] * curves.kappa
    levels = curves.response(adstock)
    assert np.all(np.diff(levels, axis=0) >= 0.0)
    for reached in (adstock[-1], 0.1 * curves.kappa):
        assert np.all(np.where(adstock <= reached, levels <= curves.most_sales(reached) * (1.0 + 1e-12), True))
    far = 1e30 * curves.kappa
    np.testing.assert_allclose(curves.response(far), curves.most_sales(far), rtol=1e-6)


def test_all_but_roots_saturate_at_beta() -> None:
    for name, family in FAMILIES.items():
        curve = family(np.array(100.0), np.array(20.0), np.array(1.0))
        assert (float(curve.most_sales(np.array(1e9))) == 100.0) == (name != "root")


def test_root_curve_by_hand() -> None:
    """``50 * (A / 20)**0.5``: half of beta at kappa, as much again at four times kappa, and ever more."""
    curve = Root(np.array([100.0, 100.0, 0.0]), np.array(20.0), np.array([0.5, 1.0, 0.5]))
    np.testing.assert_allclose(curve.response(np.array(80.0)), [100.0, 200.0, 0.0])
    np.testing.assert_allclose(curve.response(np.array(2e9)), [5e5, 5e9, 0.0])
    np.testing.assert_allclose(curve.slope(np.array(80.0)), [100.0 * 0.5 / 80.0, 2.5, 0.0])
    np.testing.assert_array_equal(curve.slope(np.array(0.0)), [np.inf, 2.5, 0.0])
    np.testing.assert_allclose(curve.curvature(np.array(80.0)), [-100.0 * 0.25 / 6400.0, 0.0, 0.0])
    assert curve.is_concave and not curve.inflexion.any() and not curve.touching.any()


def test_tanh_saturation_is_the_logistic_one() -> None:
    """``b * tanh(x / (b c))`` reaches half of b where ``x = b c ln(3) / 2``."""
    b, c, x = 7.0, 3.0, np.linspace(0.0, 100.0, 11)
    curve = Logistic(np.array(b), np.array(b * c * np.log(3.0) / 2.0), np.array(1.0))
    np.testing.assert_allclose(curve.response(x), b * np.tanh(x / (b * c)), rtol=1e-14)


@given(curves())
@settings(max_examples=100, deadline=None)
def test_inflexion_and_touching_point(curves: Curves) -> None:
    """Convex below the inflexion and concave above it; the response per money is highest where the line touches."""
    shares, concave = np.linspace(0.05, 0.99, 20)[:, None], curves.inflexion == 0.0
    below = curves.curvature(np.where(concave, 1.0, shares * curves.inflexion))
    assert np.all(concave | (below > 0.0))
    assert np.all(curves.curvature(np.where(concave, 1.0, 1.01 * curves.inflexion) / shares) <= 0.0)
    assert curves.is_concave == concave.all() and np.array_equal(concave, curves.touching == 0.0)
    at = np.where(concave, 1.0, curves.touching)
    efficiency = curves.response(at) / at
    others = np.geomspace(1e-3, 1e3, 301)[:, None] * at
    assert np.all(concave | (curves.response(others) / others <= efficiency * (1 + 1e-12)))
    np.testing.assert_allclose(np.where(concave, 0.0, curves.slope(at) / efficiency), np.where(concave, 0.0, 1.0))


def test_a_curve_that_sells_nothing_does_not_spoil_concavity() -> None:
    assert Hill(np.array([1.0, 0.0]), np.ones(2), np.array([1.0, 3.0])).is_concave
    assert not Hill(np.array([1.0, 0.1]), np.ones(2), np.array([1.0, 3.0])).is_concave


@given(curves(shape=(4, 3)), st.integers(0, 2**20))
@settings(max_examples=50, deadline=None)
def test_curves_are_elementwise_in_every_arrangement(curves: Curves, seed: int) -> None:
    """Each curve alone says what it says among the others: of rows, of a channel, with an axis of periods, scaled."""
    rng = np.random.default_rng(seed)
    adstock = rng.uniform(0.1, 3.0, (4, 3)) * curves.kappa
    factors = rng.uniform(0.5, 2.0, (5, 4, 3))
    scaled = curves.scaled(factors, 2.0 * factors)
    for name in ("response", "slope", "curvature"):
        values = getattr(curves, name)(adstock)
        for row, channel in product(range(4), range(3)):
            one = curves.map(lambda parameter, at=(row, channel): parameter[at])
            np.testing.assert_allclose(getattr(one, name)(adstock[row, channel]), values[row, channel], rtol=1e-13)
        np.testing.assert_allclose(getattr(curves.channel(1), name)(adstock[:, 1]), values[:, 1], rtol=1e-13)
        chosen = curves.map(lambda parameter: parameter[[2, 0]])
        np.testing.assert_allclose(getattr(chosen, name)(adstock[[2, 0]]), values[[2, 0]], rtol=1e-13)
        periods = curves.map(lambda parameter: parameter[..., None])
        repeated = np.repeat(adstock[..., None], 6, axis=-1)
        np.testing.assert_allclose(getattr(periods, name)(repeated)[..., 5], values, rtol=1e-13)
        power = {"response": 0, "slope": 1, "curvature": 2}[name]
        found = getattr(scaled, name)(2.0 * factors * adstock)
        np.testing.assert_allclose(found, values * factors / (2.0 * factors) ** power, rtol=1e-12)


def test_mixed_curves_are_those_of_their_families() -> None:
    beta, kappa, alpha = np.array([100.0, 80.0, 60.0]), np.array([20.0, 10.0, 5.0]), np.array([2.0, 1.0, 1.0])
    mixed, adstock = make_curves(["hill", "logistic", "hill"], beta, kappa, alpha), np.array([7.0, 8.0, 9.0])
    assert isinstance(mixed, Mixed) and not mixed.is_concave
    hill, logistic = Hill(beta, kappa, alpha), Logistic(beta, kappa, alpha)
    for name in ("response", "slope", "curvature"):
        expected = getattr(hill, name)(adstock)
        expected[1] = getattr(logistic, name)(adstock)[1]
        np.testing.assert_array_equal(getattr(mixed, name)(adstock), expected)
    np.testing.assert_allclose(mixed.touching, [20.0, 0.0, 0.0])
    np.testing.assert_allclose(mixed.inflexion, [20.0 / 3**0.5, 0.0, 0.0])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_curves_of_one_family_are_not_mixed(family: str) -> None:
    """They are in the simulator's step, and need no choosing there."""
    assert type(make_curves([family] * 2, np.ones(2), np.ones(2), np.ones(2))) is FAMILIES[family]


@given(curves(), st.floats(0.1, 10.0), st.integers(0, 2**20))
@settings(max_examples=100, deadline=None)
def test_envelope(curves: Curves, cap: float, seed: int) -> None:
    """Concave, nowhere below the curve, and on it from where it leaves the line on; slopes by differences."""
    highest = cap * curves.kappa
    envelope = Envelope(curves, highest)
    adstock = np.sort(np.random.default_rng(seed).uniform(0.0, 1.0, (40, 1)), axis=0) * highest
    values = envelope.response(adstock)
    assert np.all(values >= curves.response(adstock) - 1e-9 * curves.beta)
    np.testing.assert_allclose(envelope.response(highest), curves.response(highest))
    slopes = envelope.slope(adstock)
    assert np.all(np.diff(slopes, axis=0) <= 1e-9 * curves.beta / curves.kappa)
    chords = np.diff(values, axis=0)
    steps = np.diff(adstock, axis=0)
    assert np.all(chords <= slopes[:-1] * steps + 1e-9 * curves.beta)
    assert np.all(chords >= slopes[1:] * steps - 1e-9 * curves.beta)
    assert np.all(envelope.curvature(adstock) <= 0.0)
