"""Loss, repetition, new sources, and memory that does not grow without end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec, sequence
from quotebus.bus.errors import MessageTooLarge
from quotebus.bus.sequence import LATE, NEW_LINE, SequenceTracker, Stamper, source_name
from tests.support.samples import ACKNOWLEDGED, HEALTH, INTENT, QUICK, STATUS, UTC_NS, like


def test_source_name_is_program_and_six_digits() -> None:
    assert source_name("pricing", 0x3F9C2A) == "pricing-3f9c2a"
    assert source_name("pricing", 0x12345000001) == "pricing-000001"


def test_numbers_count_per_topic_and_acknowledgements_share_one() -> None:
    stamper = Stamper("pricing-1")
    spy, qqq = STATUS, like(STATUS, symbol="QQQ")
    assert [stamper.stamp(event, UTC_NS).seq for event in (spy, qqq, spy, HEALTH, spy)] == [1, 1, 2, 1, 3]
    one, two = ACKNOWLEDGED, like(ACKNOWLEDGED, client="other")
    assert [stamper.stamp(event, UTC_NS).seq for event in (one, two, one)] == [1, 2, 3]
    stamped = stamper.stamp(spy, 42)
    assert (stamped.source, stamped.published_ns) == ("pricing-1", 42)


def test_a_frame_that_is_refused_takes_no_number() -> None:
    stamper = Stamper("strategy-1")
    stamper.frame(INTENT, UTC_NS)
    with pytest.raises(MessageTooLarge):
        stamper.frame(like(INTENT, urgency="x" * codec.MAX_PAYLOAD_BYTES), UTC_NS)
    assert codec.decode(stamper.frame(INTENT, UTC_NS)).seq == 2


def test_loss_is_counted_where_it_happened() -> None:
    tracker = SequenceTracker()
    assert [tracker.observe("s", b"t", seq) for seq in (5, 6, 9, 10)] == [0, 0, 2, 0]
    assert tracker.observe("s", b"other", 3) == 0
    assert (tracker.lost, tracker.repeated) == (2, 0)


def test_repeated_and_late_messages_are_no_loss_and_move_nothing() -> None:
    tracker = SequenceTracker()
    assert [tracker.observe("s", b"t", seq) for seq in (1, 2, 2, 1, 3)] == [0, 0, -1, -1, 0]
    assert (tracker.lost, tracker.repeated) == (0, 2)


def test_a_new_source_is_no_loss_and_the_former_is_remembered() -> None:
    tracker = SequenceTracker()
    for source, seq, missing in [("a", 8, 0), ("b", 1, 0), ("a", 9, 0), ("b", 4, 2), ("a", 9, -1), ("b", 5, 0)]:
        assert tracker.observe(source, b"t", seq) == missing, (source, seq)
    assert (tracker.lost, tracker.repeated) == (2, 1)


def test_a_forgotten_topic_starts_anew() -> None:
    tracker = SequenceTracker()
    tracker.observe("a", b"t", 1)
    tracker.observe("b", b"t", 1)
    tracker.observe("a", b"kept", 1)
    tracker.forget({b"t", b"never heard"})
    assert tracker.observe("a", b"t", 100) == 0
    assert tracker.observe("b", b"t", 100) == 0
    assert tracker.observe("a", b"kept", 3) == 1
    assert tracker.lost == 1


def test_made_up_sources_and_topics_do_not_fill_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "MAX_TOPICS", 50)
    tracker = SequenceTracker()
    for number in range(500):
        tracker.observe(f"source{number}", b"t", 1)
        tracker.observe("s", b"topic%d" % number, 1)
    assert len(tracker._former) <= 50
    assert len(tracker._newest) <= 50
    assert tracker.observe("source499", b"t", 3) in (0, 1)


FALSE = (2**60, 2**63 - 1, 2**63, 2**64, 0, -1, -(2**63), 7, 8, 50)


@pytest.mark.parametrize("false", FALSE)
@pytest.mark.parametrize("stamp", [11, 2**63, -1])
def test_after_one_false_number_the_true_ones_are_dropped_at_most_twice(false: int, stamp: int) -> None:
    tracker = SequenceTracker()
    for seq in range(1, 11):
        tracker.observe("s", b"t", seq, seq)
    tracker.observe("s", b"t", false, stamp)
    places = [tracker.observe("s", b"t", seq, seq) for seq in range(11, 20)]
    assert places.count(LATE) <= 2
    assert set(places[2:]) <= {0, NEW_LINE}


def test_a_false_number_with_a_past_stamp_costs_nothing() -> None:
    tracker = SequenceTracker()
    assert [tracker.observe("s", b"t", seq, at) for seq, at in [(1, 1), (2, 2), (60, 2), (3, 3), (4, 4)]] == [
        0, 0, 57, NEW_LINE, 0,
    ]  # fmt: skip
    assert tracker.renumbered == 1


def test_what_comes_late_is_late_however_often_it_comes() -> None:
    tracker = SequenceTracker()
    for seq in range(1, 11):
        tracker.observe("s", b"t", seq, seq)
    assert {tracker.observe("s", b"t", seq, seq) for _ in range(3) for seq in range(1, 11)} == {LATE}
    assert [tracker.observe("s", b"u", seq, seq) for seq in (1, 3, 2)] == [0, 1, LATE], "2 was published before 3"


def test_false_numbers_do_not_fill_memory_and_the_sum_of_losses_fits_the_wire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "_MAX_TROUBLED", 10)
    tracker = SequenceTracker()
    for number in range(100):
        topic = b"t%d" % number
        tracker.observe("s", topic, 1)
        for seq in (2**62, 2**61, 2**60, 2**59, 2**58, 2**57):
            for ahead in range(3):
                tracker.observe("s", topic, seq + 7 * ahead, 2**62)
    assert len(tracker._candidates) <= 10
    assert all(len(lines) <= 16 for lines in tracker._candidates.values())
    assert tracker.lost < 2**63


@QUICK
@given(st.lists(st.integers(1, 60), unique=True, min_size=1, max_size=60).map(sorted))
def test_lost_is_exactly_what_was_left_out(heard: list[int]) -> None:
    tracker = SequenceTracker()
    for seq in heard:
        tracker.observe("s", b"t", seq)
    assert tracker.lost == heard[-1] - heard[0] + 1 - len(heard)
    assert tracker.repeated == 0


def test_a_higher_number_that_was_published_earlier_is_dropped_until_three_come_in_a_row() -> None:
    tracker = SequenceTracker()
    for seq in (1, 2, 3):
        tracker.observe("s", b"t", seq, seq)
    assert tracker.observe("s", b"t", 4, 1) == LATE
    assert tracker.observe("s", b"t", 9, 1) == LATE
    assert tracker.observe("s", b"t", 4, 4) == 0, "the true one"
    assert tracker.observe("s", b"t", 5, 2**62) == 0, "a false stamp"
    assert [tracker.observe("s", b"t", seq, seq) for seq in (6, 7, 8)] == [LATE, LATE, NEW_LINE]
    assert tracker.observe("s", b"t", 9, 9) == 0


def test_the_newest_number_comes_again_only_where_it_may() -> None:
    for once, place in ((False, NEW_LINE), (True, LATE)):
        tracker = SequenceTracker()
        tracker.observe("s", b"t", 1, 1)
        tracker.observe("s", b"t", 2, 2)
        assert tracker.observe("s", b"t", 2, 3, once=once) == place
        assert tracker.observe("s", b"t", 3, 4, once=once) == 0
