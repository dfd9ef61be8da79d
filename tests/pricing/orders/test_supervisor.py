"""An order stream whose thread dies: told in its health, started again after growing waits, counted on."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionHealth, ConnectionState
from quotebus.pricing.orders.supervisor import FORGIVEN_NS, LONGEST_WAIT_NS, OrderSupervisor


class Stream:
    """An order stream that lives until a test kills it."""

    def __init__(self, connections: int) -> None:
        self.counters = {"updates": 0}
        self.ended_by = ""
        self.connections = connections
        self.started = self.ended = False
        self.allowed: list[bool] = []

    @property
    def connection(self) -> int:
        return self.connections

    def start(self) -> None:
        self.started = True

    def is_alive(self) -> bool:
        return self.started and not self.ended_by and not self.ended

    def allow(self, active: bool) -> None:
        self.allowed.append(active)

    def end(self) -> None:
        self.ended = True


class Rig:
    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.healths: list[ConnectionHealth] = []
        self.supervisor = OrderSupervisor(self._make, "pricing.orders", self.healths.append)
        self.supervisor.start(0)

    def _make(self, connections: int) -> Stream:
        self.streams.append(Stream(connections))
        return self.streams[-1]

    def die(self, now_ns: int) -> int:
        """The newest stream dies; when the next one is planned, in ns from now."""
        self.streams[-1].ended_by = "KeyError"
        self.supervisor.watch(True, now_ns)
        retry_ns = self.healths[-1].next_retry_ns
        assert retry_ns is not None
        return retry_ns - self.healths[-1].since_ns


def test_a_stream_that_runs_is_left_alone_and_told_whether_it_may_dial() -> None:
    rig = Rig()
    rig.supervisor.watch(True, NS_PER_S)
    rig.supervisor.watch(False, 2 * NS_PER_S)
    assert [stream.allowed for stream in rig.streams] == [[True, False]]
    assert rig.healths == []


def test_a_dead_one_says_so_each_second_and_another_starts_after_the_wait() -> None:
    rig = Rig()
    rig.streams[0].connections = 3
    assert rig.die(5 * NS_PER_S) == NS_PER_S
    health = rig.healths[-1]
    assert (health.node, health.feed) == ("pricing.orders", "orders")
    assert (health.state, health.cause, health.detail) == (
        ConnectionState.BACKING_OFF,
        Cause.PROTOCOL,
        "ended by KeyError",
    )
    assert (health.attempt, health.connection, health.live, health.acknowledged) == (1, 3, 0, 0)
    rig.supervisor.watch(True, 5 * NS_PER_S + NS_PER_S // 2)
    assert len(rig.streams) == 1
    rig.supervisor.watch(True, 6 * NS_PER_S)
    assert [stream.started for stream in rig.streams] == [True, True]
    assert rig.streams[1].connection == 3, "connections are counted since the node's start"
    assert rig.streams[1].allowed == [True]
    assert rig.die(7 * NS_PER_S) == 2 * NS_PER_S
    rig.supervisor.watch(True, 8 * NS_PER_S)
    assert [health.attempt for health in rig.healths] == [1, 2, 2], "the wait is no silence"


def test_waits_double_to_a_minute_and_a_long_life_forgives() -> None:
    rig = Rig()
    now_ns, waits = 0, []
    for _ in range(9):
        waits.append(rig.die(now_ns))
        now_ns += waits[-1]
        rig.supervisor.watch(True, now_ns)
    assert waits == [min(NS_PER_S << number, LONGEST_WAIT_NS) for number in range(9)]
    now_ns += FORGIVEN_NS
    rig.supervisor.watch(True, now_ns)
    assert rig.die(now_ns) == NS_PER_S


def test_counters_go_on_where_the_dead_one_left_them() -> None:
    rig = Rig()
    rig.streams[0].counters["updates"] = 7
    rig.die(0)
    assert rig.supervisor.count() == {"restarts": 1, "updates": 7}
    rig.supervisor.watch(True, NS_PER_S)
    rig.streams[1].counters["updates"] = 2
    assert rig.supervisor.count() == {"restarts": 1, "updates": 9}


def test_the_end_ends_the_one_that_runs_or_none() -> None:
    rig = Rig()
    rig.supervisor.end()
    assert rig.streams[0].ended
    other = Rig()
    other.die(0)
    other.supervisor.end()
    assert not other.streams[0].ended
