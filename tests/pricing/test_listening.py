"""Several nodes on one bus, on a virtual clock: one is active, soon, and it stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.listening import CALL_NS, LISTEN_NS, LISTENING, MAX_NODES, OVERDUE_NS
from tests.support.core_rig import SOURCE, CoreRig, streaming
from tests.support.node_bus import BusNode, NodeBus
from tests.support.seeds import seeds

SETTLE_NS = 3 * NS_PER_S
HAND_OVER_NS = 5 * NS_PER_S


class Watch:
    """Runs a bus and keeps for how long two nodes had a socket, and none was active though one could be."""

    def __init__(self, bus: NodeBus) -> None:
        self.bus = bus
        self.two_ns = self.none_ns = 0
        self._two_since_ns: int | None = None
        self._none_since_ns: int | None = None

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """The seconds it took."""
        began_ns = self.bus.now_ns
        end_ns = began_ns + int(seconds * NS_PER_S)
        while self.bus.now_ns < end_ns and not until():
            self.bus.step(end_ns)
            self.note()
        return (self.bus.now_ns - began_ns) / NS_PER_S

    def note(self) -> None:
        """Look at the nodes now. While the broker is away nobody can tell who is active."""
        bus = self.bus
        two = bus.up and sum(node.dialled for node in bus.nodes) > 1
        none = bus.up and bool(bus.nodes) and not any(node.active for node in bus.nodes)
        self._two_since_ns, self.two_ns = self._measure(two, self._two_since_ns, self.two_ns)
        self._none_since_ns, self.none_ns = self._measure(none, self._none_since_ns, self.none_ns)

    def excuse(self) -> None:
        """A node ended: from now on the others have their time to take over."""
        self._none_since_ns = None

    def _measure(self, true: bool, since_ns: int | None, longest_ns: int) -> tuple[int | None, int]:
        if not true:
            return None, longest_ns
        since_ns = self.bus.now_ns if since_ns is None else since_ns
        return since_ns, max(longest_ns, self.bus.now_ns - since_ns)


def streams(node: BusNode) -> bool:
    return node.core.session.state == "streaming"


def streaming_bus(seed: int = 0, source: str = "pricing-ffffff") -> tuple[NodeBus, Watch, BusNode]:
    bus = NodeBus(seed)
    watch, node = Watch(bus), bus.start(source)
    watch.run(5, until=lambda: streams(node))
    assert streams(node)
    return bus, watch, node


# one node


def test_a_lone_node_listens_then_answers_what_was_asked_meanwhile() -> None:
    bus = NodeBus(0)
    watch, node = Watch(bus), bus.start()
    took_s = watch.run(5, until=lambda: bool(bus.acks))
    assert LISTEN_NS / NS_PER_S <= took_s < LISTEN_NS / NS_PER_S + 0.1
    first = bus.published[0][1]
    assert (first.state, first.cause, first.detail) == ("standby", "no_demand", LISTENING)
    assert watch.run(1, until=lambda: streams(node)) < 0.5


def test_what_is_kept_while_listening_is_the_newest_of_each_client_and_bounded() -> None:
    rig = CoreRig(starts_ns=NS_PER_S)
    for symbol in ("SPY", "QQQ"):
        assert rig.ask("a", symbol) == []
    assert rig.ask("b", "IWM") == []
    assert rig.ask("c", "DIA", source="replay:c") == []
    rig.run(1.3)
    assert set(rig.core.demand.wanted) == {"QQQ", "IWM"}
    assert rig.orders[0] == "dial"


def test_it_listens_for_as_long_as_it_cannot_hear() -> None:
    bus = NodeBus(0)
    bus.break_off()
    watch, node = Watch(bus), bus.start()
    watch.run(30)
    assert not node.active
    bus.restore()
    node.connected_ns = bus.now_ns
    assert watch.run(5, until=lambda: node.active) < 1.2 + CALL_NS / NS_PER_S + 0.1


def test_until_it_hears_itself_it_calls_ten_times_a_second() -> None:
    bus = NodeBus(0)
    bus.break_off()
    watch, node = Watch(bus), bus.start()
    watch.run(1)
    assert 10 <= len(bus.published) <= 12
    bus.restore()
    node.connected_ns = bus.now_ns
    assert watch.run(5, until=lambda: node.active) < LISTEN_NS / NS_PER_S + 0.15
    calls = [at_ns for at_ns, health in bus.published if health.state == "standby"]
    assert calls[-1] - calls[-2] >= CALL_NS


# a node beside another


@pytest.mark.parametrize("seed", seeds(6))
def test_a_node_started_beside_a_streaming_one_never_dials_or_answers(seed: int) -> None:
    bus, watch, first = streaming_bus(seed, f"pricing-{'0f'[seed % 2]}00000")
    watch.run(bus.rng.random() * 3)
    newcomer = bus.start()
    took_s = watch.run(5, until=lambda: newcomer.core.session.waiting)
    assert took_s < 1.2
    watch.run(20)
    assert newcomer.orders == []
    assert {source for _, source in bus.acks} == {first.source}
    assert first.orders.count("dial") == 1
    assert {health.state for _, health in bus.published if health.source == newcomer.source} == {"standby"}


@pytest.mark.parametrize("seed", seeds(6))
def test_a_node_started_beside_an_idle_one_waits_for_it(seed: int) -> None:
    bus = NodeBus(seed)
    bus.wants = False
    watch, first = Watch(bus), bus.start("pricing-ffffff")
    watch.run(3)
    newcomer = bus.start("pricing-000000")
    watch.run(5)
    assert newcomer.core.session.waiting
    bus.wants = True
    watch.run(5, until=lambda: streams(first))
    assert {source for _, source in bus.acks} == {first.source}


@pytest.mark.parametrize("seed", seeds(6))
def test_nodes_started_at_the_same_moment_settle_on_one(seed: int) -> None:
    bus = NodeBus(seed)
    watch = Watch(bus)
    nodes = [bus.start()]
    for _ in range(1 + seed % 3):
        watch.run(bus.rng.choice([0, 0.01, 0.3, 1.19, 1.21]))
        nodes.append(bus.start())
    watch.run(3)
    assert sum(node.active for node in nodes) == 1
    assert sum(node.core.session.waiting for node in nodes) == len(nodes) - 1
    watch.run(20)
    assert len({source for _, source in bus.acks}) == 1
    assert sum(node.orders.count("dial") for node in nodes) == 1


def test_a_newcomer_that_heard_one_message_of_a_node_that_died_starts_after_the_extension() -> None:
    rig = CoreRig(starts_ns=NS_PER_S)
    rig.hear("pricing-ffffff", "streaming")
    rig.run(2.4)
    assert rig.health().detail == LISTENING
    rig.run(0.2)
    assert rig.health().state == "idle"


def test_a_newcomer_that_hears_the_other_stop_starts_without_the_extension() -> None:
    rig = CoreRig(starts_ns=NS_PER_S)
    rig.hear("pricing-ffffff", "streaming")
    rig.hear("pricing-ffffff", "stopped")
    rig.run(1.3)
    assert rig.health().state == "idle"


def test_nodes_that_are_restarted_over_and_over_do_not_keep_a_newcomer_for_ever() -> None:
    rig = CoreRig(starts_ns=NS_PER_S, source="pricing-ffffff")
    for number in range(40):
        rig.hear(f"pricing-{number:06x}", "standby", detail=LISTENING)
        rig.run(0.1)
    assert rig.health().state == "idle"


# who answers, and how often


def test_a_newcomer_is_answered_at_once_and_many_with_one_health() -> None:
    rig = streaming("SPY")
    rig.run(0.5)
    before = len(rig.events)
    rig.hear("pricing-000001", "standby", detail=LISTENING)
    assert [type(event).__name__ for _, event in rig.events[before:]] == ["ConnectionHealth"]
    for number in range(200):
        rig.hear(f"pricing-1{number:05x}", "standby", detail=LISTENING)
    rig.run(0.25)
    assert len(rig.events) - before <= 4
    assert rig.health().state == "streaming"
    assert len(rig.core.others._nodes) == MAX_NODES


def test_repeated_and_late_messages_are_no_second_proof_and_new_numbers_are_taken_over() -> None:
    rig = CoreRig()
    rig.hear("pricing-ffffff", "streaming")
    rig._others -= 1
    rig.hear("pricing-ffffff", "streaming")
    assert rig.health().state == "idle"
    assert rig.core.others.late == 1
    rig.hear("pricing-ffffff", "idle")
    rig._others = 2**60
    rig.hear("pricing-ffffff", "stopped")
    rig._others = 10
    rig.hear("pricing-ffffff", "streaming", times=4)
    assert rig.health().state == "standby", "one message with a wild number must not hide a node"
    assert rig.core.others.late == 2


def test_two_that_stream_settle_by_the_smaller_source() -> None:
    for theirs, stays in (("pricing-000001", False), ("pricing-ffffff", True)):
        rig = streaming("SPY")
        rig.hear(theirs, "streaming", times=4)
        assert (rig.health().state == "streaming") == stays
        assert rig.source == SOURCE


# hand-over


@pytest.mark.parametrize("seed", seeds(6))
def test_orderly_stop_hands_over_within_a_second(seed: int) -> None:
    bus, watch, first = streaming_bus(seed)
    waiting = [bus.start() for _ in range(1 + seed % 3)]
    watch.run(5 + bus.rng.random())
    bus.stop(first)
    assert watch.run(5, until=lambda: any(streams(node) for node in waiting)) < 1.0
    watch.run(10)
    assert sum(node.orders.count("dial") for node in waiting) == 1
    assert watch.two_ns == 0


@pytest.mark.parametrize("seed", seeds(6))
def test_kill_hands_over_within_five_seconds(seed: int) -> None:
    bus, watch, first = streaming_bus(seed)
    waiting = [bus.start() for _ in range(1 + seed % 3)]
    watch.run(5 + bus.rng.random())
    bus.kill(first)
    assert watch.run(9, until=lambda: any(streams(node) for node in waiting)) < 5.0
    watch.run(10)
    assert sum(node.orders.count("dial") for node in waiting) == 1
    assert watch.two_ns == 0


@pytest.mark.parametrize("seed", seeds(6))
def test_a_freed_lock_and_one_missed_health_hand_over_within_two_seconds(seed: int) -> None:
    bus, watch, first = streaming_bus(seed)
    waiting = [bus.start() for _ in range(1 + seed % 3)]
    watch.run(5 + bus.rng.random())
    bus.share_lock(first)
    watch.run(bus.rng.random())
    bus.kill(first)
    assert watch.run(9, until=lambda: any(node.active for node in waiting)) <= OVERDUE_NS / NS_PER_S + 0.15
    assert watch.run(9, until=lambda: any(streams(node) for node in waiting)) < 1.0
    watch.run(10)
    assert sum(node.orders.count("dial") for node in waiting) == 1
    assert watch.two_ns == 0


@pytest.mark.parametrize("seed", seeds(4))
def test_the_lock_of_another_node_than_the_active_one_proves_nothing(seed: int) -> None:
    bus, watch, first = streaming_bus(seed)
    holder, other = bus.start(), bus.start()
    watch.run(5 + bus.rng.random())
    bus.holder, other.core.lock_held = holder, False
    bus.kill(holder)
    other.core.on_lock(True, bus.now_ns, former=holder.source)
    watch.run(5)
    assert streams(first)
    assert not other.active
    bus.kill(first)
    assert watch.run(9, until=lambda: other.active) > 2.0, "silence alone needs three seconds"


@pytest.mark.parametrize("seed", seeds(4))
def test_a_node_that_is_heard_lives_whatever_its_lock_says(seed: int) -> None:
    bus, watch, first = streaming_bus(seed)
    other = bus.start()
    watch.run(5 + bus.rng.random())
    for _ in range(10):
        other.core.on_lock(True, bus.now_ns, former=first.source)
        watch.run(2 * bus.rng.random())
    assert streams(first)
    assert other.orders == []
    watch.run(3)
    bus.kill(first)
    assert watch.run(9, until=lambda: other.active) > 2.0, "what was contradicted is no proof any more"


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("away_s", [0.3, 1, 1.4, 1.6, 2.2, 2.8, 3.3, 30])
def test_a_restarted_broker_changes_no_role(seed: int, away_s: float) -> None:
    bus, watch, first = streaming_bus(seed)
    second = bus.start()
    watch.run(5 + bus.rng.random())
    acks = len(bus.acks)
    bus.break_off()
    watch.run(away_s)
    bus.restore()
    watch.run(20)
    assert second.orders == []
    assert {source for _, source in bus.acks[acks:]} == {first.source}
    assert first.orders.count("dial") == 1


# everything at once


def live(bus: NodeBus, watch: Watch, minutes: float) -> None:
    """Random starts, kills, stops and broker restarts; at times nothing happens, and the nodes settle."""
    rng, end_ns = bus.rng, bus.now_ns + int(minutes * 60 * NS_PER_S)
    while bus.now_ns < end_ns:
        what = rng.randrange(10)
        if not bus.up:
            bus.restore()
        elif len(bus.nodes) < 2 or (what < 4 and len(bus.nodes) < 4):
            bus.start()
        elif what < 6:
            bus.kill(rng.choice(bus.nodes))
            watch.excuse()
        elif what < 8:
            bus.stop(rng.choice(bus.nodes))
            watch.excuse()
        else:
            bus.break_off()
        watch.note()
        watch.run(rng.choice([0, 0.1, 0.5, 1.2, 3, 8, 15]))


@pytest.mark.parametrize("seed", seeds(3))
def test_any_life_of_several_nodes_has_one_that_is_active(seed: int) -> None:
    bus = NodeBus(seed, delay_ms=100)
    watch = Watch(bus)
    live(bus, watch, minutes=8)
    assert watch.two_ns <= SETTLE_NS
    assert watch.none_ns <= HAND_OVER_NS
    assert len(bus.acks) > 40


@pytest.mark.parametrize("seed", seeds(3))
def test_a_bus_that_loses_and_repeats_messages_only_takes_longer(seed: int) -> None:
    bus = NodeBus(seed, loss=0.1, repeats=0.1, delay_ms=300)
    watch = Watch(bus)
    live(bus, watch, minutes=8)
    assert watch.two_ns <= SETTLE_NS
    assert watch.none_ns <= HAND_OVER_NS + 2 * NS_PER_S
    if not bus.up:
        bus.restore()
    watch.run(15)
    assert sum(node.active for node in bus.nodes) == 1
