"""Playback time: rates, pause, resume, step and seek, with time set by assignment."""

from __future__ import annotations

import pytest

from quotebus.bus.capture.replay.timeline import Timeline

S = 1_000_000_000


@pytest.mark.parametrize(("rate", "later_s"), [(1.0, 10.0), (10.0, 1.0), (0.5, 20.0)])
def test_messages_are_due_at_the_rate(rate: float, later_s: float) -> None:
    timeline = Timeline(rate)
    assert timeline.compute_due_ns(100 * S, 5 * S) == 5 * S
    timeline.sent(100 * S)
    assert timeline.compute_due_ns(110 * S, 6 * S) == 5 * S + round(later_s * S)


def test_lateness_does_not_add_up() -> None:
    timeline = Timeline()
    timeline.compute_due_ns(0, 0)
    timeline.sent(0)
    assert timeline.compute_due_ns(3 * S, 9 * S) == 3 * S, "in the past, so at once; the next is due in its own time"
    assert timeline.compute_due_ns(10 * S, 9 * S) == 10 * S


def test_max_is_always_due_now() -> None:
    timeline = Timeline(None)
    assert [timeline.compute_due_ns(at, 7) for at in (0, 10 * S, 5 * S)] == [7, 7, 7]


def test_pause_takes_no_time_out_of_the_recording() -> None:
    timeline = Timeline()
    timeline.compute_due_ns(0, 0)
    timeline.sent(0)
    timeline.pause(4 * S)
    assert timeline.compute_due_ns(10 * S, 5 * S) is None
    assert timeline.reached_ns(100 * S) == 4 * S
    timeline.resume()
    assert timeline.compute_due_ns(10 * S, 100 * S) == 106 * S


def test_steps_are_sent_at_once_and_end() -> None:
    timeline = Timeline()
    timeline.step(2, 0)
    for at in (3 * S, 9 * S):
        assert timeline.compute_due_ns(at, 1) == 1
        timeline.sent(at)
    assert timeline.compute_due_ns(10 * S, 2) is None
    timeline.resume()
    assert timeline.compute_due_ns(10 * S, 5 * S) == 6 * S


def test_another_rate_counts_from_where_it_stands() -> None:
    timeline = Timeline()
    timeline.compute_due_ns(0, 0)
    timeline.sent(0)
    timeline.change_rate(2.0, 4 * S)
    assert timeline.compute_due_ns(10 * S, 4 * S) == 7 * S
    timeline.seek(20 * S)
    assert timeline.compute_due_ns(22 * S, 10 * S) == 11 * S


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        Timeline(rate)
