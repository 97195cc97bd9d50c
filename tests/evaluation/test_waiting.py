import math

from sb3_ext.evaluation.waiting import Waiting, median_waiting, steps_to_threshold


def test_the_first_evaluation_at_the_threshold_counts() -> None:
    assert steps_to_threshold([10, 20, 30], [1.0, 5.0, 2.0], 5.0) == Waiting(20.0, True)
    assert steps_to_threshold([10, 20, 30], [1.0, 4.9, 2.0], 5.0) == Waiting(30.0, False)


def test_median_without_early_stops_is_when_half_have_reached_it() -> None:
    waits = [Waiting(steps, True) for steps in (10.0, 20.0, 30.0)] + [Waiting(100.0, False)]
    assert median_waiting(waits) == 20.0
    assert median_waiting([*waits, Waiting(100.0, False)]) == 30.0
    assert median_waiting([*waits, Waiting(100.0, False), Waiting(100.0, False), Waiting(100.0, False)]) == math.inf
    assert median_waiting([Waiting(100.0, False)]) == math.inf


def test_median_with_trainings_that_stopped_early_is_kaplan_and_meiers() -> None:
    """At 10 one of 5 arrives (4/5 wait), one stops at 15, at 20 one of the 3 left (8/15), at 30 one of 2 (4/15)."""
    waits = [Waiting(10.0, True), Waiting(15.0, False), Waiting(20.0, True), Waiting(30.0, True), Waiting(40.0, False)]
    assert median_waiting(waits) == 30.0


def test_a_training_that_stops_where_others_arrive_was_still_on_the_way() -> None:
    assert median_waiting([Waiting(10.0, True), Waiting(10.0, False)]) == 10.0


def test_a_half_is_a_half_in_spite_of_rounding() -> None:
    waits = [Waiting(float(step), True) for step in range(1, 11)]
    assert median_waiting(waits) == 5.0
