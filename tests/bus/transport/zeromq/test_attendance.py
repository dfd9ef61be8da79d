"""Who came and who left, from connections and healths alone; changes of what a client wants are no coming and going."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.transport.zeromq.attendance import MAX_LINES, MAX_NAMES, Attendance


def test_a_client_connects_and_leaves_and_each_is_told_once() -> None:
    attendance = Attendance()
    assert attendance.changes(0) == []
    attendance.on_client(7, "blotter")
    attendance.on_client(7, "blotter")
    assert attendance.changes(0) == ["client blotter connected"]
    assert attendance.changes(0) == []
    attendance.on_end(7)
    assert attendance.changes(0) == [], "it may be connecting anew"
    assert attendance.changes(0) == ["client blotter left"]
    assert attendance.changes(0) == []


def test_who_connects_anew_has_not_left() -> None:
    attendance = Attendance()
    attendance.on_client(1, "blotter")
    attendance.changes(0)
    for connection in (2, 3, 4):
        attendance.on_end(connection - 1)
        assert attendance.changes(0) == []
        attendance.on_client(connection, "blotter")
        assert attendance.changes(0) == []


def test_a_name_of_two_connections_has_left_when_both_have_ended() -> None:
    attendance = Attendance()
    attendance.on_client(1, "blotter")
    attendance.on_client(2, "blotter")
    attendance.changes(0)
    attendance.on_end(1)
    assert [attendance.changes(0) for _ in range(3)] == [[], [], []]
    attendance.on_end(2)
    assert [attendance.changes(0) for _ in range(2)] == [[], ["client blotter left"]]


def test_a_node_is_who_publishes_health() -> None:
    attendance = Attendance()
    attendance.on_health(NS_PER_S)
    assert attendance.changes(NS_PER_S) == ["a node answers requests"]
    assert attendance.changes(HEALTH_SILENCE_NS) == []
    silent_ns = NS_PER_S + HEALTH_SILENCE_NS
    assert [attendance.changes(silent_ns) for _ in range(2)] == [[], ["no node answers requests any more"]]


def test_what_is_no_name_is_nobody_and_neither_lines_nor_memory_are_without_a_bound() -> None:
    attendance = Attendance()
    for name in ("", "two words", "é", "\0", "x" * 65):
        attendance.on_client(1, name)
    assert attendance.changes(0) == []
    for number in range(2 * MAX_NAMES):
        attendance.on_client(number, f"client-{number}")
    lines = attendance.changes(0)
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == f"and {MAX_NAMES - MAX_LINES} more that connected or left"
