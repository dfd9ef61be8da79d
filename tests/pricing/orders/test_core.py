"""The order stream's decisions in virtual time."""

from __future__ import annotations

import json
from typing import Any

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import Cause, ConnectionHealth, OrderUpdate
from quotebus.pricing.commands import SendUpstream, SocketCommand
from quotebus.pricing.orders.core import READING_NS, OrderCore, Reconcile
from tests.pricing.orders.test_messages import order, trade_update

AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}


class Rig:
    """A core, what it ordered, and a clock."""

    def __init__(self) -> None:
        self.core = OrderCore("pricing", "paper", jitter=lambda: 0.5)
        self.now_ns = 100 * NS_PER_S
        self.commands: list[Any] = []

    def take(self) -> list[Any]:
        """What was ordered since; healths are kept in `states`."""
        commands = self.core.take()
        self.commands += commands
        return [command for command in commands if not isinstance(command, ConnectionHealth)]

    @property
    def health(self) -> ConnectionHealth:
        return next(c for c in reversed(self.commands) if isinstance(c, ConnectionHealth))

    def hear(self, *messages: object) -> list[Any]:
        self.core.last_byte_ns = self.now_ns
        for message in messages:
            self.core.on_frame(json.dumps(message).encode(), self.now_ns)
        return self.take()

    def dialled(self) -> None:
        assert self.core.on_dialled(self.now_ns)
        assert self.take()[-1] is SocketCommand.AUTHENTICATE

    def pass_s(self, seconds: float) -> list[Any]:
        self.now_ns += int(seconds * NS_PER_S)
        self.core.on_time(self.now_ns)
        return self.take()

    def streaming(self) -> Rig:
        self.core.allow(True, self.now_ns)
        assert self.take() == [SocketCommand.DIAL]
        self.dialled()
        listen = SendUpstream({"action": "listen", "data": {"streams": ["trade_updates"]}})
        assert self.hear(AUTHORIZED) == [SocketCommand.PING, listen]
        self.core.session.on_pong()
        [wanted] = self.hear(LISTENING)
        self.core.on_reconciled([], wanted.generation, self.now_ns)
        self.take()
        return self

    def lost_and_back(self) -> Reconcile:
        self.core.on_lost(Cause.RESET, self.now_ns)
        self.core.on_closed(self.now_ns)
        self.take()
        assert SocketCommand.DIAL in self.pass_s(1)
        self.dialled()
        self.hear(AUTHORIZED)
        [wanted] = self.hear(LISTENING)
        assert isinstance(wanted, Reconcile)
        return wanted


def test_nothing_before_the_node_is_active_and_nothing_for_want_of_symbols() -> None:
    rig = Rig()
    assert rig.pass_s(5) == []
    assert rig.health.state == "idle"
    rig.streaming()
    assert (rig.health.node, rig.health.state, rig.health.connection) == ("pricing.orders", "streaming", 1)
    rig.core.allow(False, rig.now_ns)
    assert rig.take() == [SocketCommand.HANG_UP]
    assert rig.health.state == "standby"


def test_streaming_only_after_the_orders_were_read() -> None:
    rig = Rig()
    rig.core.allow(True, rig.now_ns)
    rig.take()
    rig.dialled()
    rig.hear(AUTHORIZED)
    [wanted] = rig.hear(LISTENING)
    assert wanted.order_ids == ()
    assert wanted.since_utc_ns < to_utc_ns(rig.now_ns - 3_600 * NS_PER_S), "nobody knows what came before this node"
    [update] = rig.hear(trade_update())
    assert isinstance(update, OrderUpdate), "published as it comes"
    assert (rig.health.state, rig.health.detail) == ("subscribing", "reconciling")
    rig.core.on_reconcile_failed(wanted.generation, "HTTP 500", rig.now_ns)
    [again] = rig.pass_s(0.3)
    assert again.order_ids == ("o-1",)
    rig.core.on_reconciled([order()], wanted.generation, rig.now_ns)
    assert rig.take() == [], "the answer to a question that was given up"
    rig.core.on_reconciled([order(), {"id": "nonsense"}], again.generation, rig.now_ns)
    known, ping = rig.take()
    assert ping is SocketCommand.PING, "whether pings are answered is not known here"
    assert (known.event, known.status) == ("reconciled", "partially_filled")
    assert rig.health.state == "streaming"
    assert rig.core.counters["bad_messages"] == 1


def test_after_a_gap_what_was_open_and_what_was_placed_since_is_asked_for() -> None:
    rig = Rig().streaming()
    rig.hear(trade_update(), trade_update(order=order(id="o-2", status="filled"), event="fill"))
    before_ns = rig.core.last_byte_ns
    wanted = rig.lost_and_back()
    assert wanted.order_ids == ("o-1",), "what is over needs no asking"
    assert wanted.since_utc_ns == to_utc_ns(before_ns) - 60 * NS_PER_S
    rig.core.on_reconciled([order(status="canceled")], wanted.generation, rig.now_ns)
    rig.take()
    assert rig.health.state == "streaming"
    assert rig.health.gap_end_ns is not None
    assert rig.health.gap_start_ns is not None
    assert rig.health.gap_end_ns - rig.health.gap_start_ns == rig.now_ns - before_ns
    assert rig.lost_and_back().order_ids == ()


def test_a_reading_without_end_is_given_up_and_asked_again() -> None:
    rig = Rig().streaming()
    wanted = rig.lost_and_back()
    again: list[Any] = []
    for _ in range(READING_NS // NS_PER_S + 2):
        rig.core.last_byte_ns = rig.now_ns
        again += [command for command in rig.pass_s(1) if isinstance(command, Reconcile)]
    assert [asked.generation > wanted.generation for asked in again] == [True]


def test_errors_and_silence_end_the_line() -> None:
    rig = Rig()
    rig.core.allow(True, rig.now_ns)
    rig.take()
    rig.dialled()
    assert SocketCommand.HANG_UP in rig.hear({"stream": "authorization", "data": {"status": "unauthorized"}})
    assert (rig.health.state, rig.health.cause) == ("refused", "auth_failed")

    rig = Rig().streaming()
    assert SocketCommand.HANG_UP in rig.hear({"action": "error", "data": {"error_message": "slow"}})
    assert (rig.health.state, rig.health.cause) == ("backing_off", "upstream_error")

    rig = Rig().streaming()
    assert SocketCommand.PING in rig.pass_s(1.1)
    rig.pass_s(1.5)
    assert rig.health.state == "suspect"
    assert SocketCommand.HANG_UP in rig.pass_s(2.5)
    assert rig.health.cause == "no_life"


def test_no_acknowledgement_of_listen() -> None:
    for answer, cause in ((None, "ack_timeout"), ({"stream": "listening", "data": {"streams": []}}, "not_in_ack")):
        rig = Rig()
        rig.core.allow(True, rig.now_ns)
        rig.take()
        rig.dialled()
        rig.hear(AUTHORIZED, *([answer] if answer else []))
        for _ in range(6):
            rig.core.last_byte_ns = rig.now_ns
            rig.pass_s(1)
        assert any(h.cause == cause for h in rig.commands if isinstance(h, ConnectionHealth)), cause


def test_nonsense_is_counted_and_the_stream_goes_on() -> None:
    rig = Rig().streaming()
    rig.core.on_frame(b"\xc1", rig.now_ns)
    assert rig.hear({"stream": "trade_updates", "data": None}) == []
    assert len(rig.hear(trade_update())) == 1
    assert (rig.core.counters["bad_messages"], rig.core.counters["ignored"]) == (1, 1)
    assert rig.health.state == "streaming"
