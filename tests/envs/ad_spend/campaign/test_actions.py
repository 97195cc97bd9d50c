import numpy as np
import pytest
from ad_spend_strategies import one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend.campaign.actions import ActionMap

LOW, CAP = np.array([0.0, 10.0]), np.array([100.0, 30.0])


def test_normalized_actions_by_hand() -> None:
    actions = ActionMap("normalized", LOW, CAP)
    np.testing.assert_array_equal([actions.space.low, actions.space.high], [[-1, -1], [1, 1]])
    batch = np.array([[-1.0, -1.0], [1.0, 1.0], [-0.5, 0.5], [2.0, -3.0]])
    spends = [[0.0, 10.0], [100.0, 30.0], [25.0, 25.0], [150.0, -10.0]]
    np.testing.assert_allclose(actions.to_spend(batch), spends)
    np.testing.assert_allclose(actions.limit(actions.to_spend(batch)), [*spends[:3], [100.0, 10.0]])
    np.testing.assert_array_equal(actions.to_action(spends), np.clip(batch, -1, 1))


def test_currency_actions_are_the_money() -> None:
    actions = ActionMap("currency", LOW, CAP)
    np.testing.assert_array_equal([actions.space.low, actions.space.high], [LOW, CAP])
    np.testing.assert_array_equal(actions.to_spend(np.array([3.0, 12.0])), [3.0, 12.0])
    np.testing.assert_array_equal(actions.to_action([150.0, 0.0]), [100.0, 10.0])


amounts = st.floats(0.01, 1e6)


@given(st.sampled_from(["normalized", "currency"]), amounts, amounts, st.floats(0.0, 1.0))
@settings(max_examples=300)
def test_spend_survives_the_way_through_an_action(mode, low: float, width: float, share: float) -> None:
    actions = ActionMap(mode, np.array([low]), np.array([low + width]))
    spend = np.array([low + share * width])
    action = actions.to_action(spend)
    assert actions.space.contains(action)
    np.testing.assert_allclose(actions.to_spend(action.astype(np.float64)), spend, atol=2e-7 * (low + width))


@given(st.sampled_from(["normalized", "currency"]), amounts, amounts)
@settings(max_examples=300)
def test_bounds_of_the_space_are_within_the_limits(mode, low: float, width: float) -> None:
    """Rounding to float32 must not make a bound look like a request beyond it."""
    actions = ActionMap(mode, np.array([low]), np.array([low + width]))
    for bound in (actions.space.low, actions.space.high):
        spend = actions.to_spend(bound.astype(np.float64))
        np.testing.assert_array_equal(actions.limit(spend), spend)
    np.testing.assert_allclose([actions.low, actions.cap], [[low], [low + width]], rtol=1e-7)


@pytest.mark.parametrize("mode", ["", "Full", None, 1])
def test_unknown_modes(mode) -> None:
    with pytest.raises(ValueError) as error:
        ActionMap(mode, LOW, CAP)
    one_line(error, "action_mode", "currency", repr(mode))
