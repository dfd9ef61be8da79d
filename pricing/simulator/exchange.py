"""The exchange: its connections, market, faults and counters. `server.py` brings the sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from random import Random

from quotebus.bus import clock
from quotebus.pricing.simulator.audit import Audit
from quotebus.pricing.simulator.bandwidth import BandwidthLimit
from quotebus.pricing.simulator.broadcast import Broadcast
from quotebus.pricing.simulator.connection import Connection
from quotebus.pricing.simulator.connection_faults import act_on_open, limit_bandwidth, thaw_lifted
from quotebus.pricing.simulator.connections import Connections
from quotebus.pricing.simulator.fault_table import FAULTS
from quotebus.pricing.simulator.faults import FaultChange, Faults
from quotebus.pricing.simulator.halts import HaltHistory
from quotebus.pricing.simulator.records import Quote, Record, Trade, TradingStatus, Written
from quotebus.pricing.simulator.session import Rules, Session, Slots
from quotebus.pricing.simulator.settings import SimulatorSettings
from quotebus.pricing.simulator.spoiler import Spoiler
from quotebus.pricing.simulator.tls import Endpoint
from quotebus.pricing.simulator.trading.brokerage import Brokerage
from quotebus.pricing.simulator.trading.data_api import DataApi
from quotebus.pricing.simulator.trading.order_session import FEED, ORDERS_PATHS, OrderSession, choose_order_encoding
from quotebus.pricing.simulator.trading.streams import Streams, describe
from quotebus.pricing.simulator.wire import Upgrade

FEEDS = {f"/v2/{feed}": feed for feed in ("iex", "sip", "delayed_sip", "test")}
REDIRECT_PATH = "/elsewhere"
MOST_BUFFERED_BYTES = 4 * 1_048_576
FAST_BUFFERED_BYTES = 262_144
COUNTERS = ("upgrades_refused", "requests_undecodable", "errors_told", "closed", "frames", "quotes", "trades",
            "statuses", "spoiled")  # fmt: skip
_log = logging.getLogger(__name__)
_COUNTED: dict[type, str] = {Quote: "quotes", Trade: "trades", TradingStatus: "statuses"}


class Exchange:
    """The host of all connections. Each turn of the loop sets `now_ns`, reports what has happened, and calls `turn`."""

    def __init__(self, settings: SimulatorSettings, audit: Audit | None) -> None:
        self.now_ns = self._started_ns = clock.now_ns()
        self.faults = Faults(Random(f"faults/{settings.seed}"))
        self.broadcast = Broadcast(settings.seed, settings.rate)
        self.batch = settings.batch
        self.ping_interval_ns = clock.seconds(settings.ping_interval_s)
        self.pong_timeout_ns = clock.seconds(settings.pong_timeout_s)
        self.slow_client_ns = clock.seconds(settings.slow_client_s)
        self.room_bytes = MOST_BUFFERED_BYTES
        self.address = ""
        self.connections = Connections()
        self.release: Callable[[Connection], None] = lambda _: None
        self.set_listen_mode: Callable[[str], None] = lambda _: None
        self.needs: dict[str, str] = {}
        self.scheme = "ws"
        self._rules = Rules(
            key=settings.key,
            secret=settings.secret.get_secret_value(),
            symbol_limit=settings.symbol_limit,
            auth_timeout_ns=clock.seconds(settings.auth_timeout_s),
            limit_close_ns=clock.seconds(settings.limit_close_s),
        )
        self._slots = Slots(settings.max_connections)
        self._order_slots = Slots(1)
        self._order_frames = settings.order_frames
        data = DataApi(self._latest_quote, self._latest_trade)
        self.brokerage = Brokerage(
            settings, self.faults, lambda symbol: self.broadcast.top(symbol, clock.utc_ns()), data, audit
        )
        self.streams = Streams()
        self.halts = HaltHistory()
        self.broadcast.halted = self.halts.halted
        self._audit = audit
        self._spoiler = Spoiler(settings.seed)
        self._rate = settings.rate
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._redirects_followed = 0
        self.set_rate(settings.rate)

    # The loop.

    def accept(self, sock: Endpoint) -> Connection:
        """A client has connected."""
        self.connections.sweep()
        connection = Connection(sock, self)
        self.connections.add(connection)
        return connection

    def next_ns(self) -> int | None:
        """When `turn` has something to do, whatever the clients do."""
        times = [self.broadcast.next_ns(), self.brokerage.next_ns(), *(c.deadline_ns() for c in self.connections.open)]
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def turn(self) -> None:
        """Do what is due, and send."""
        for connection in list(self.connections.open):
            due_ns = connection.deadline_ns()
            if due_ns is not None and due_ns <= self.now_ns:
                connection.tick()
        self.brokerage.at(self.now_ns)
        self.broadcast.run(self.now_ns, clock.utc_ns)
        self._send_updates()
        for connection in list(self.connections.open):
            if connection.number:
                connection.flush()
        if self._audit is not None:
            self._audit.flush()

    def _send_updates(self) -> None:
        for update in self.brokerage.turn():
            for connection in self.connections.order_streams():
                connection.send_update(update, describe(update))
        new = self.brokerage.take_new_symbols()
        if new is not None:
            self._rebuild(new)

    def close(self) -> None:
        """End all connections; the program is about to exit."""
        for connection in list(self.connections.open):
            connection.socket.cut("fin", self.now_ns)
            connection.socket.close("shutdown")
        self.connections.unpark()
        if self._audit is not None:
            self._audit.flush()

    # What connections report.

    def upgrade(self, connection: Connection, upgrade: Upgrade) -> Session | OrderSession | int:
        """A session for this request, or the HTTP status that it gets instead."""
        orders = upgrade.path in ORDERS_PATHS
        status = self.faults.value("stream_http_status" if orders else "http_status")
        if isinstance(status, int):
            self.count("upgrades_refused")
            return status
        if orders:
            self.connections.sweep(but=connection)
            encoding = choose_order_encoding(upgrade.content_type, self._order_frames)
            return OrderSession(self._rules, self._order_slots, self.faults, encoding, self.now_ns)
        feed = FEEDS.get(upgrade.path)
        if feed is None:
            self.count("upgrades_refused")
            self._redirects_followed += upgrade.path == REDIRECT_PATH
            return 404
        self.connections.sweep(but=connection)
        return Session(feed, self._rules, self._slots, self.faults, self.now_ns)

    def rejection_headers(self, status: int) -> dict[str, str]:
        """The headers of a response that rejects an upgrade."""
        headers = {}
        if 300 <= status < 400:
            headers["Location"] = f"{self.scheme}://{self.address}{REDIRECT_PATH}"
        retry_after_s = self.faults.value("retry_after_s")
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        return headers

    def limit_bandwidth(self) -> BandwidthLimit | None:
        """The bandwidth limit of a new connection, None for full speed."""
        return limit_bandwidth(self.faults)

    def on_open(self, connection: Connection) -> int:
        """The upgrade was answered with 101: the connection's number among those of its kind."""
        if connection.feed == FEED:
            number = self.streams.add(1 + len(self.connections.order_streams()))
            _log.info("order stream %d opened", number)
            if self._audit is not None:
                self._audit.write_event(number, "open", clock.utc_ns(), "stream")
            return number
        number = self.connections.number(connection)
        _log.info("connection %d opened (%s)", number, connection.feed)
        if self._audit is not None:
            self._audit.write_event(number, "open", clock.utc_ns(), feed=connection.feed)
        self._rebuild()
        return number

    def on_authenticated(self, connection: Connection) -> None:
        """The client is authenticated."""
        if connection.feed == FEED:
            self.streams.authenticated_total += 1
            _log.info("order stream %d authenticated", connection.number)
            return
        self.connections.authenticated_total += 1
        _log.info("connection %d authenticated", connection.number)

    def on_subscribed(self, connection: Connection, new: list[str], *, ticking: bool) -> None:
        """The client's subscriptions changed; `new` symbols want their first tick. Only quotes and trades tick."""
        counts = {c: len(connection.symbols(c)) for c in ("quotes", "trades", "statuses", "bars")}
        listing = ", ".join(f"{count} {channel}" for channel, count in counts.items() if count)
        _log.info("connection %d is subscribed to %s", connection.number, listing or "nothing")
        if ticking:
            self._rebuild(new)

    def on_written(self, connection: Connection, records: Sequence[Written]) -> None:
        """The socket took a whole frame with these records."""
        self.count("frames")
        for record in records:
            self.count(_COUNTED.get(record.__class__, "spoiled"))
        if self._audit is not None:
            self._audit.write_records(connection.number, records, self._kind(connection))

    def on_closed(self, connection: Connection, why: str) -> None:
        """The connection has ended."""
        self.connections.remove(connection)
        self.count("closed")
        self.release(connection)
        if connection.number:
            self._rebuild()
            if self._audit is not None:
                self._audit.write_event(connection.number, "close", clock.utc_ns(), self._kind(connection), why=why)
        kind = "order stream" if connection.feed == FEED else "connection"
        _log.info("%s %s closed: %s", kind, connection.number or "without an upgrade", why)

    def _kind(self, connection: Connection) -> str:
        return "stream" if connection.feed == FEED else "connection"

    def count(self, name: str) -> None:
        """Add one to the counter of this name."""
        self._counters[name] += 1

    def park(self, sock: Endpoint) -> None:
        """Keep a socket open whose client hung up while it was frozen."""
        self.connections.park(sock)

    def _rebuild(self, new: Sequence[str] = ()) -> None:
        clients = [c for c in self.connections.open if c.session is not None]
        self.broadcast.rebuild(clients, new, self.now_ns, [self.brokerage])

    # What the control endpoint asks for.

    def set_rate(self, rate: float) -> None:
        """Set the quotes per second over all symbols; 0: as fast as the clients read."""
        self._rate = rate
        self.broadcast.set_rate(rate * (self.faults.number("flood") or 1), self.now_ns)
        self.brokerage.has_room = rate > 0
        self.room_bytes = MOST_BUFFERED_BYTES if rate else FAST_BUFFERED_BYTES

    def time_ns(self, symbol: str) -> int:
        """The exchange time of something that happens to a symbol now, with the fault `skew_ms`."""
        skew_ns = self._spoiler.skew_ns(symbol)
        return max(0, self.broadcast.market(symbol).next_t_ns(clock.utc_ns()) + skew_ns)

    def _latest_quote(self, symbol: str, utc_ns: int) -> Quote | None:
        """By the exchange's own clock, which is that of the streams."""
        quote = self.broadcast.latest_quote(symbol, utc_ns)
        return quote and quote._replace(t_ns=max(0, quote.t_ns + self._spoiler.skew_ns(symbol)))

    def _latest_trade(self, symbol: str, utc_ns: int) -> Trade | None:
        trade = self.broadcast.latest_trade(symbol, utc_ns)
        return trade and trade._replace(t_ns=max(0, trade.t_ns + self._spoiler.skew_ns(symbol)))

    def inject(self, record: Record) -> int:
        """Send a record to its subscribers now. Returns how many got it."""
        if isinstance(record, TradingStatus):
            what = self.halts.on_status(record, clock.utc_ns())
            if what and self._audit is not None:
                self._audit.write_halt(record.symbol, what, clock.utc_ns())
        sent_to = self.broadcast.inject(record)
        self.brokerage.on_injected(record)
        return sent_to

    def inject_raw(self, opcode: int, payload: bytes) -> int:
        """Send a payload to every authenticated connection now. Returns how many got it."""
        receivers = [c for c in self.connections.market_data() if c.session and c.session.authenticated and c.has_room]
        for connection in receivers:
            connection.send_raw(opcode, payload)
        return len(receivers)

    def change_faults(self, changes: Mapping[str, object]) -> dict[str, object]:
        """Merge changes into the fault plan and act on them. Returns the plan; ValueError if a change is wrong."""
        for name, needed in self.needs.items():
            if changes.get(name):
                raise ValueError(f"{name} needs {needed}")
        self._act(self.faults.change(changes))
        return self.faults.plan()

    def fault_meanings(self) -> dict[str, str]:
        """Every fault that exists, in force or not, with its description."""
        return {name: fault.meaning for name, fault in FAULTS.items()}

    def lift_faults(self) -> None:
        """Lift every fault."""
        self._act(self.faults.lift_all())

    def _act(self, change: FaultChange) -> None:
        thaw_lifted(change, self.connections)
        still = self.faults.symbols("mute_symbol", "ack_missing", "ack_extra")
        self.broadcast.mute(self.faults.value("mute") is True, still, self.faults.symbols("mute"))
        self.broadcast.spoiler = self._spoiler if self._spoiler.change(self.faults) else None
        if "flood" in change.set or "flood" in change.lifted:
            self.set_rate(self._rate)
        self.set_listen_mode(
            "refuse" if self.faults.on("refuse") else "black_hole" if self.faults.on("black_hole") else ""
        )
        act_on_open(change, self.faults, self.connections, self.now_ns)
        if change.set or change.lifted:
            shown = " ".join(f"{name}={value}" for name, value in change.set.items()) or "none"
            _log.info("faults set: %s; in force: %s", shown, " ".join(self.faults.plan()) or "none")

    def counters(self) -> dict[str, int]:
        """All counters since the start, and what is open and queued now."""
        return {
            **self.connections.counters(),
            **self._counters,
            "withheld": self.broadcast.withheld,
        }

    def state(self) -> dict[str, object]:
        """The state for `/state`, as JSON values."""
        return {
            "connections": [c.state() for c in self.connections.market_data()],
            "orders": {
                **self.brokerage.state(),
                **self.streams.state([c.state() for c in self.connections.order_streams()]),
            },
            **self.connections.state(),
            "redirects_followed_total": self._redirects_followed,
            "faults": self.faults.plan(),
            "rate": self.broadcast.rate,
            "uptime_s": round((self.now_ns - self._started_ns) / clock.NS_PER_S, 3),
        }
