"""The account's order stream without its thread and sockets: messages and time in, events and commands out. Pure.

The session is the same machine as for market data, but needs no client to request anything: it is wanted from the
start. `streaming` needs two proofs: the upstream has acknowledged `listen`, and then the orders were read by REST. A
subscriber that sees `streaming` has therefore received what was missed: updates are published as they arrive, the
orders that were read after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import Cause, ConnectionHealth, ConnectionState, OrderUpdate
from quotebus.bus.protocol import HEALTH_EVERY_NS
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.commands import SendUpstream, SocketCommand
from quotebus.pricing.orders import messages
from quotebus.pricing.orders.messages import Authorization, Listening, Refusal, UnreadableOrder
from quotebus.pricing.pongs import NO_PONGS
from quotebus.pricing.session import Session
from quotebus.pricing.session_states import UP

ACK_TIMEOUT_NS = 5 * NS_PER_S
RETRY_NS = (NS_PER_S // 4, NS_PER_S, 2 * NS_PER_S, 5 * NS_PER_S)
READING_NS = 120 * NS_PER_S
"""How long reading all orders may take: many are read one by one, as the account's budget lets them go."""
MARGIN_NS = 60 * NS_PER_S
"""How much before the start of the gap an order may have been placed, by the upstream's clock."""
FIRST_NS = 3_600 * NS_PER_S
"""How far back the first read goes."""
MOST_KNOWN = 10_000
RECONCILING = "reconciling"
COUNTERS = ("updates", "reconciled", "reconcile_failed", "bad_messages", "ignored")


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Read by REST: open orders, those submitted since, and these ids. The answer carries `generation`."""

    since_utc_ns: int
    order_ids: tuple[str, ...]
    generation: int


Command = SendUpstream | Reconcile | SocketCommand | ConnectionHealth | OrderUpdate


class OrderCore:
    """One account's order stream, `alias` in its updates. `jitter` returns a float in [0, 1)."""

    def __init__(self, node: str, alias: str, *, jitter: Callable[[], float]) -> None:
        self.session = Session(Backoff(jitter), self._publish_health, self._commands_add, name="orders", linger_ns=0)
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.last_byte_ns = 0
        self._node = f"{node}.orders"
        self._alias = alias
        self._commands: list[Command] = []
        self._known: dict[str, None] = {}
        self._health_ns = 0
        self._listening = False
        self._generation = 0
        self._tries = 0
        self._again_ns: int | None = None
        self._asked_ns: int | None = None
        self._why = ""
        self._missed_since_ns: int | None = None

    def take(self) -> list[Command]:
        """The commands since the last call, in order."""
        commands, self._commands = self._commands, []
        return commands

    def _commands_add(self, command: Command) -> None:
        self._commands.append(command)

    # whether it runs

    def allow(self, active: bool, now_ns: int) -> None:
        """Whether this node is the active one: only that one keeps the account's stream."""
        if active:
            self.session.on_alone(now_ns)
            self.session.on_demand(now_ns)
        else:
            self.session.on_other_node(now_ns)

    def stop(self, now_ns: int) -> None:
        """Orderly exit."""
        self.session.stop(now_ns)

    # the connection

    def on_dialled(self, now_ns: int) -> bool:
        """The dialler has a socket. False when it is no longer needed and must be closed."""
        self.last_byte_ns = now_ns
        self._listening, self._again_ns, self._asked_ns, self._tries, self._why = False, None, None, 0, ""
        self._generation += 1
        wanted = self.session.on_dialled(now_ns)
        self.session.on_greeting()  # this stream sends no greeting
        return wanted

    def on_dial_failed(
        self, cause: Cause, for_operator: bool, detail: str, now_ns: int, *, retry_after_ns: int = 0
    ) -> None:
        """The attempt brought no socket."""
        if not self.session.abandoned:
            self.session.on_failure(
                cause, now_ns, for_operator=for_operator, detail=detail, retry_after_ns=retry_after_ns
            )
        self.session.on_dial_ended(now_ns)

    def on_lost(self, cause: Cause, now_ns: int) -> None:
        """The connection has ended. The shell then closes the socket and calls `on_closed`."""
        self._failed(cause, now_ns)

    def on_closed(self, now_ns: int) -> None:
        """The shell has closed the socket."""
        self.session.on_socket_closed(now_ns)

    def on_frame(self, payload: bytes, now_ns: int) -> None:
        """One message of the upstream."""
        try:
            message = messages.read_frame(payload, self._alias, to_utc_ns(now_ns))
        except UnreadableOrder:
            self.counters["bad_messages"] += 1
            return
        match message:
            case OrderUpdate():
                self.counters["updates"] += 1
                self._publish(message)
            case Authorization(True):
                self.session.on_authenticated(now_ns)
                if self.session.state is ConnectionState.SUBSCRIBING:
                    streams = [messages.TRADE_UPDATES]
                    self._commands.append(SendUpstream({"action": "listen", "data": {"streams": streams}}))
            case Authorization():
                self._failed(Cause.AUTH_FAILED, now_ns, for_operator=True)
            case Listening(streams):
                self._on_listening(messages.TRADE_UPDATES in streams, now_ns)
            case Refusal():
                self._failed(Cause.UPSTREAM_ERROR, now_ns)
            case _:
                self.counters["ignored"] += 1

    def _on_listening(self, ours: bool, now_ns: int) -> None:
        if self.session.state is ConnectionState.SUBSCRIBING and not self._listening:
            if not ours:
                self._failed(Cause.NOT_IN_ACK, now_ns)
                return
            self._listening = True
            self._reconcile(now_ns)

    # what was missed

    def _reconcile(self, now_ns: int) -> None:
        if self._missed_since_ns is None:  # a new node does not know when its predecessor ended
            self._missed_since_ns = now_ns - FIRST_NS
        since_utc_ns = to_utc_ns(self._missed_since_ns) - MARGIN_NS
        self._again_ns, self._asked_ns = None, now_ns
        self._publish_health(now_ns)
        self._commands.append(Reconcile(since_utc_ns, tuple(self._known), self._generation))

    def on_reconciled(self, orders: Sequence[Mapping[str, Any]], generation: int, now_ns: int) -> None:
        """The orders read by REST for the Reconcile of this generation."""
        if generation != self._generation or self.session.state is not ConnectionState.SUBSCRIBING:
            return  # of a connection that is over: the next one reads again
        for order in orders:
            try:
                self._publish(messages.read_order(order, self._alias, to_utc_ns(now_ns)))
                self.counters["reconciled"] += 1
            except UnreadableOrder:
                self.counters["bad_messages"] += 1
        self._missed_since_ns = self._asked_ns = None
        self.session.on_subscribed(now_ns, detail=NO_PONGS if self.session.pongs.missing else "")

    def on_reconcile_failed(self, generation: int, why: str, now_ns: int) -> None:
        """REST failed: it is retried; the stream stays, and is not `streaming` until it succeeds."""
        if generation == self._generation and self.session.state is ConnectionState.SUBSCRIBING:
            self.counters["reconcile_failed"] += 1
            self._generation += 1  # a late answer of this read is ignored
            self._asked_ns, self._why = None, why
            self._again_ns = now_ns + RETRY_NS[min(self._tries, len(RETRY_NS) - 1)]
            self._tries += 1

    # time

    def on_time(self, now_ns: int) -> None:
        """Let time pass."""
        session = self.session
        session.on_time(now_ns, self.last_byte_ns)
        session.annotate(NO_PONGS if session.pongs.missing else "", now_ns)
        if session.state is ConnectionState.SUBSCRIBING:
            if not self._listening and now_ns - session.since_ns >= ACK_TIMEOUT_NS:
                self._failed(Cause.ACK_TIMEOUT, now_ns)
            elif self._again_ns is not None and now_ns >= self._again_ns:
                self._reconcile(now_ns)
            elif self._asked_ns is not None and now_ns - self._asked_ns >= READING_NS:
                self.on_reconcile_failed(self._generation, "timed out", now_ns)
        if now_ns - self._health_ns >= HEALTH_EVERY_NS:
            self._publish_health(now_ns)

    def next_ns(self) -> int:
        """When `on_time` has something to do."""
        times = [self._health_ns + HEALTH_EVERY_NS]
        due_ns = self.session.next_ns(self.last_byte_ns)
        if due_ns is not None:
            times.append(due_ns)
        if self.session.state is ConnectionState.SUBSCRIBING:
            if not self._listening:
                times.append(self.session.since_ns + ACK_TIMEOUT_NS)
            elif self._again_ns is not None:
                times.append(self._again_ns)
            elif self._asked_ns is not None:
                times.append(self._asked_ns + READING_NS)
        return min(times)

    # out

    def _failed(self, cause: Cause, now_ns: int, *, for_operator: bool = False) -> None:
        if self._missed_since_ns is None and self.session.state in UP:
            self._missed_since_ns = self.last_byte_ns
        self.session.on_failure(cause, now_ns, for_operator=for_operator, last_byte_ns=self.last_byte_ns)

    def _publish(self, update: OrderUpdate) -> None:
        if update.status in messages.CLOSED:
            self._known.pop(update.order_id, None)
        elif update.order_id not in self._known:
            self._known[update.order_id] = None
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        self._commands.append(update)

    def _publish_health(self, now_ns: int) -> None:
        session = self.session
        self._health_ns = now_ns
        up = session.state in UP
        detail = session.detail
        if self._listening and session.state is ConnectionState.SUBSCRIBING:
            detail = f"{RECONCILING}, {self._why}" if self._why else RECONCILING
        self._commands.append(
            ConnectionHealth(
                node=self._node,
                feed="orders",
                state=session.state,
                cause=session.cause,
                detail=detail,
                since_ns=to_utc_ns(session.since_ns),
                connection=session.connection,
                attempt=session.attempt,
                next_retry_ns=None if session.next_retry_ns is None else to_utc_ns(session.next_retry_ns),
                last_frame_ns=to_utc_ns(self.last_byte_ns) if self.last_byte_ns else None,
                desired=1,
                acknowledged=int(self._listening),
                live=int(up),
                gap_start_ns=None if session.gap.start_ns is None else to_utc_ns(session.gap.start_ns),
                gap_end_ns=None if session.gap.end_ns is None else to_utc_ns(session.gap.end_ns),
                lag_ns=None,
            )
        )
