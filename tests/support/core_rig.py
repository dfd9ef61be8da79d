"""A pricing core on a virtual clock: model dialler, model upstream, and the hot thread's part played by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import Cause, ConnectionHealth, Event, MarketSession, SymbolsAcknowledged, SymbolStatus
from quotebus.bus.sequence import Stamper
from quotebus.pricing.announcements import Identity
from quotebus.pricing.commands import AskTrading, AskVenue, Publish, SendUpstream, SocketCommand
from quotebus.pricing.core import Core
from quotebus.pricing.listening import LISTEN_NS
from quotebus.pricing.messages import Subscription, Success, UpstreamError, UpstreamStatus
from quotebus.pricing.sessions import SessionRule
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.venue_answers import VenueTrade
from tests.support.pricing import T0, request
from tests.support.samples import HEALTH, QUOTE
from tests.support.upstream import Upstream

EventT = TypeVar("EventT", bound=Event)
SOURCE = "pricing-000005"
CODES = {Cause.BAD_SYMBOL: 400, Cause.SYMBOL_LIMIT: 405, Cause.NOT_ENTITLED: 410}

ALWAYS_REGULAR = SessionRule(always=MarketSession.REGULAR)


class CoreRig:
    """`hears` is whether the node's own health comes back; `dials` and `answers` whether the upstream is kind."""

    def __init__(
        self,
        *,
        limit: int | None = None,
        linger_s: float = 30,
        quiet_s: float = 30,
        seed: int = 0,
        source: str = SOURCE,
        starts_ns: int | None = None,
        session_rule: SessionRule = ALWAYS_REGULAR,
        first_tick_s: float = 60,
    ) -> None:
        """A node that has listened and is idle; one that starts at `starts_ns` where that is given."""
        self.now_ns = T0 - LISTEN_NS if starts_ns is None else starts_ns
        self.rng = random.Random(seed)
        self.source = source
        self.upstream = Upstream(self.rng)
        self.shared = SharedState()
        self.counters = {"quotes": 0, "trades": 0}
        self.shared.counters = self.counters
        self.venue_ahead_s: float | None = None
        """How much newer the venue's quotes are than ours, None where it does not answer."""
        self.venue_trades: dict[str, VenueTrade] | None = None
        """The venue's latest trades, None where it does not answer."""
        self.asked: list[AskVenue] = []
        self.asked_of_trades: list[AskVenue] = []
        self.asked_of_trading: list[AskTrading] = []
        self.hears = self.dials = self.answers = self.alive = self.pongs = True
        self.socket = self.dialling = False
        self.orders: list[SocketCommand] = []
        self.said: list[dict[str, Any]] = []
        self.events: list[tuple[int, Event]] = []
        self._stamper = Stamper(source)
        self.stamp_offset_ns = 0
        self._requests = self._others = 0
        self.core = Core(
            Identity("pricing", "iex", source, limit),
            self.shared,
            linger_ns=int(linger_s * NS_PER_S),
            quiet_ns=int(quiet_s * NS_PER_S),
            slow_line_ns=2 * NS_PER_S,
            first_tick_ns=int(first_tick_s * NS_PER_S),
            jitter=self.rng.random,
            session_rule=session_rule,
        )
        self.core.on_lock(True, self.now_ns)
        self.step()
        if starts_ns is None:
            self.run(LISTEN_NS / NS_PER_S)
            self.events = [(self.now_ns, self.health())]

    # what was published

    def all(self, kind: type[EventT], where: Callable[[EventT], bool] = lambda _: True, since: int = 0) -> list[EventT]:
        return [event for _, event in self.events[since:] if isinstance(event, kind) and where(event)]

    def healths(self) -> list[tuple[str, str]]:
        """(state, cause) of each health that differs from the one before."""
        told: list[tuple[str, str]] = []
        for health in self.all(ConnectionHealth):
            if not told or told[-1] != (health.state, health.cause):
                told.append((health.state, health.cause))
        return told

    def health(self) -> ConnectionHealth:
        return self.all(ConnectionHealth)[-1]

    def statuses(self, symbol: str) -> list[tuple[str, str]]:
        """(state, cause) of each status of a symbol that differs from the one before."""
        told: list[tuple[str, str]] = []
        for status in self.all(SymbolStatus, lambda status: status.symbol == symbol):
            if not told or told[-1] != (status.state, status.cause):
                told.append((status.state, status.cause))
        return told

    # what happens

    def ask(self, client: str, *symbols: str, **fields: Any) -> list[SymbolsAcknowledged]:
        """A request; the parts of its acknowledgement, which must come within the same call."""
        self._requests += 1
        position = len(self.events)
        self.core.on_request(request(client, symbols, seq=self._requests, **fields), self.now_ns)
        self._take()
        acks = self.all(SymbolsAcknowledged, since=position)
        self.settle()
        return acks

    def hear(self, source: str, state: str, *, node: str = "pricing", detail: str = "", times: int = 1) -> None:
        """Healths of another node, a message at a time as in the real loop, 100 ms apart."""
        for number in range(times):
            if number:
                self.run(0.1)
            self._others += 1
            health = msgspec.structs.replace(
                HEALTH, source=source, seq=self._others, node=node, state=state, detail=detail,
                published_ns=to_utc_ns(self.now_ns) + 1,
            )  # fmt: skip
            self.core.on_health(health, self.now_ns)
            self.step()

    def quote(self, symbol: str, *, good: bool = True) -> None:
        """What the hot thread does with a quote."""
        slot = self.shared.slots.get(symbol)
        self.shared.last_byte_ns = self.now_ns
        if slot is None or not self.socket:
            return
        if not good:
            slot.watch_quote = True
            self.core.on_bad_data(symbol, self.now_ns)
        else:
            slot.quote_seq += 1
            self.counters["quotes"] += 1
            slot.exchange_ns = to_utc_ns(self.now_ns)
            connection = slot.exchange_ns_of = self.core.session.connection
            slot.frame = codec.encode(
                msgspec.structs.replace(
                    QUOTE, symbol=symbol, source=self.source, seq=slot.quote_seq, connection=connection,
                    published_ns=to_utc_ns(self.now_ns), exchange_ns=to_utc_ns(self.now_ns),
                    received_ns=to_utc_ns(self.now_ns),
                )
            )  # fmt: skip
            slot.connection, slot.received_ns = connection, self.now_ns
            if slot.watch_quote:
                slot.watch_quote = False
                self.core.on_quote(symbol, self.now_ns)
        self.settle()

    def trade(self, symbol: str, *, reopening: bool = True, exchange_ns: int | None = None) -> None:
        """What the hot thread does with a trade; by default one that says that trading has just resumed."""
        slot = self.shared.slots.get(symbol)
        exchange_ns = to_utc_ns(self.now_ns) if exchange_ns is None else exchange_ns
        if slot is None:
            return
        if slot.watch_print and exchange_ns > (slot.reopening_after_ns if reopening else slot.print_after_ns):
            slot.watch_print = False
            self.core.halt_watch.on_print(symbol, exchange_ns, self.now_ns, reopening=reopening)
            self.step()
        if slot.watch_trade:
            slot.watch_trade = False
            self.core.on_trade(symbol, self.now_ns)
            self.settle()

    def status(self, symbol: str, code: str, reason: str = "", *, exchange_ns: int | None = None) -> None:
        """A status, on the tape that has its code."""
        record = self.status_record(symbol, code, reason)
        self.core.halt_watch.on_status(
            record, to_utc_ns(self.now_ns) if exchange_ns is None else exchange_ns, self.now_ns
        )
        self.step()

    def status_record(self, symbol: str, code: str, reason: str = "") -> UpstreamStatus:
        return UpstreamStatus(symbol, msgspec.Raw(b"\xc0"), code, rc=reason, z="B" if code in "235" else "C")

    def hear_itself(self) -> None:
        """Our own health comes back through the broker."""
        self.core.on_health(self.health(), self.now_ns)

    def error(self, code: int) -> None:
        self.core.on_record(UpstreamError(code), self.now_ns)
        self.settle()

    def lose(self, cause: Cause = Cause.RESET) -> None:
        """The line ends."""
        if self.socket:
            self.socket = False
            self.upstream.entries = set()
            self.core.on_closed(cause, self.now_ns)
            self.settle()

    def refuse_dial(self, cause: Cause = Cause.CONNECT_REFUSED, *, for_operator: bool = False) -> None:
        assert self.dialling
        self.dialling = False
        self.core.on_dial_failed(cause, for_operator, "", self.now_ns)
        self.settle()

    def step(self) -> None:
        if self.alive and self.socket:
            self.shared.last_byte_ns = self.now_ns
        self.core.on_time(self.now_ns)
        self.settle()

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass as the real loop does: from one `next_ns` to the next."""
        end_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < end_ns and not until():
            next_ns = self.core.next_ns(self.now_ns)
            assert next_ns > self.now_ns, f"busy loop in {self.core.session.state}"
            self.now_ns = min(next_ns, end_ns)
            self.step()

    def settle(self) -> None:
        """Carry out the commands and let the upstream answer, until nothing is left to do."""
        self._take()
        for _ in range(500):
            if self.dialling and self.dials:
                self.dialling = False
                if self.core.on_dialled(self.now_ns):
                    self.socket = True
                    self.core.on_record(Success("connected"), self.now_ns)
                else:
                    self.core.session.on_dial_ended(self.now_ns)
            elif self.said and self.answers and self.socket:
                message = self.said.pop(0)
                self.shared.last_byte_ns = self.now_ns
                if message["action"] == "auth":
                    self.core.on_record(Success("authenticated"), self.now_ns)
                else:
                    answer = self.upstream.ask(message)
                    if answer is None:  # an upstream that keeps silent about it
                        continue
                    record = answer if isinstance(answer, Subscription) else UpstreamError(CODES[answer])
                    self.core.on_record(record, self.now_ns)
            else:
                return
            self._take()
        raise AssertionError("never settles")

    def _take(self) -> None:
        for command in self.core.take():
            if isinstance(command, Publish):
                event = codec.decode(self._stamper.frame(command.event, to_utc_ns(self.now_ns) + self.stamp_offset_ns))
                self._publish(event)
            elif isinstance(command, SendUpstream):
                self.said.append(command.message)
            elif isinstance(command, AskTrading):
                self.asked_of_trading.append(command)
            elif isinstance(command, AskVenue):
                (self.asked if command.number > 0 else self.asked_of_trades).append(command)
                self._answer(command)
            else:
                self._obey(command)

    def _answer(self, question: AskVenue) -> None:
        ahead_s, slots = self.venue_ahead_s, self.shared.slots
        if question.number < 0:
            self.core.halt_watch.on_venue(question.number, self.venue_trades, self.now_ns)
            return
        newest_ns = None
        if ahead_s is not None:
            newest_ns = {symbol: slots[symbol].exchange_ns + int(ahead_s * NS_PER_S) for symbol in question.symbols}
        self.core.on_venue(question.number, newest_ns, self.now_ns)

    def _publish(self, event: Event) -> None:
        self.events.append((self.now_ns, event))
        if isinstance(event, ConnectionHealth) and self.hears:
            self.core.on_health(event, self.now_ns)

    def _obey(self, order: SocketCommand) -> None:
        self.orders.append(order)
        if order is SocketCommand.DIAL:
            assert not self.socket
            assert not self.dialling
            self.dialling = True
        elif order is SocketCommand.PING and self.pongs and self.alive:
            self.shared.ponged = True
        elif order is SocketCommand.AUTHENTICATE:
            self.said.append({"action": "auth"})
        elif order is SocketCommand.HANG_UP and self.socket:
            self.socket = False
            self.said.clear()
            self.upstream.entries = set()
            self.core.on_closed(None, self.now_ns)
            self._take()
        elif order is SocketCommand.ABANDON_DIAL and self.dialling and self.dials:
            self.dialling = False
            self.core.on_dial_failed(Cause.CONNECT_TIMEOUT, False, "abandoned", self.now_ns)
            self._take()


def streaming(*symbols: str, pongs: bool = True, **settings: float) -> CoreRig:
    rig = CoreRig(**settings)  # type: ignore[arg-type]
    rig.pongs = pongs
    rig.ask("a", *(symbols or ("SPY",)), channels=("quotes", "trades"), ttl_ms=120_000)
    for symbol in symbols or ("SPY",):
        rig.quote(symbol)
    assert rig.health().state == "streaming"
    return rig


def state(rig: CoreRig, symbol: str = "SPY") -> str | None:
    return rig.core.symbols.state(symbol)
