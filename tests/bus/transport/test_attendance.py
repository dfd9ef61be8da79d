"""Who came and who left, from subscriptions alone; changes of what a client wants are no coming and going."""

from __future__ import annotations

from quotebus.bus.transport.attendance import MAX_LINES, MAX_NAMES, Attendance


def answers(name: str) -> bytes:
    return b"symbols.acknowledged." + name.encode() + b"\0"


def test_a_client_connects_and_leaves_and_each_is_told_once() -> None:
    attendance = Attendance()
    assert attendance.changes() == []
    attendance.on_subscription(b"\1" + answers("blotter"))
    attendance.on_subscription(b"\1quote.SPY\0")
    assert attendance.changes() == ["client blotter connected"]
    assert attendance.changes() == []
    attendance.on_subscription(b"\0" + answers("blotter"))
    assert attendance.changes() == [], "it may be subscribing anew"
    assert attendance.changes() == ["client blotter left"]
    assert attendance.changes() == []


def test_who_subscribes_anew_has_not_left() -> None:
    attendance = Attendance()
    attendance.on_subscription(b"\1" + answers("blotter"))
    attendance.changes()
    for _ in range(3):
        attendance.on_subscription(b"\0" + answers("blotter"))
        assert attendance.changes() == []
        attendance.on_subscription(b"\1" + answers("blotter"))
        assert attendance.changes() == []


def test_a_node_is_who_listens_to_requests() -> None:
    attendance = Attendance()
    attendance.on_subscription(b"\1symbols.requested\0")
    assert attendance.changes() == ["a node answers requests"]
    attendance.on_subscription(b"\0symbols.requested\0")
    assert [attendance.changes() for _ in range(2)] == [[], ["no node answers requests any more"]]


def test_what_is_no_name_is_nobody_and_neither_lines_nor_memory_are_without_a_bound() -> None:
    attendance = Attendance()
    for topic in (b"", b"symbols.acknowledged.", b"symbols.acknowledged.\0", answers("two words"), answers("é"), b"\0"):
        attendance.on_subscription(b"\1" + topic)
    assert attendance.changes() == []
    for number in range(2 * MAX_NAMES):
        attendance.on_subscription(b"\1" + answers(f"client-{number}"))
    lines = attendance.changes()
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == f"and {MAX_NAMES - MAX_LINES} more that connected or left"
