"""The node's control thread: bus messages in, the core's commands out to the hot thread, the dialler and the log."""

from __future__ import annotations

import gc
import logging
import os
import random
import threading
from collections import deque
from collections.abc import Callable

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, seconds, utc_ns
from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import Cause, ConnectionHealth, ConnectionState, Counters, Event, OrderUpdate
from quotebus.bus.process.readiness import notify_ready
from quotebus.bus.process.terminal import Terminal
from quotebus.bus.sequence import Stamper, source_name
from quotebus.bus.transport.engines import find_own_name, open_engine
from quotebus.bus.transport.waker import Waker
from quotebus.pricing.announcements import Identity
from quotebus.pricing.bus_reader import BusReader
from quotebus.pricing.clock_watch import ClockWatch
from quotebus.pricing.commands import AskTrading, AskVenue, Publish, SendUpstream, SocketCommand
from quotebus.pricing.core import Core
from quotebus.pricing.counters import ControlCounters
from quotebus.pricing.halt_file import HaltFile
from quotebus.pricing.health_log import HealthLog
from quotebus.pricing.host_dials import HostDials
from quotebus.pricing.lock import AccountLock
from quotebus.pricing.messages import UpstreamCodec
from quotebus.pricing.orders.supervisor import OrderSupervisor
from quotebus.pricing.orders.thread import OrderThread
from quotebus.pricing.session_states import UP
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.trading_rest import AssetRead, AssetsRead, ClockRead
from quotebus.pricing.upstream.dialler import DialFailed, Dialler, Target
from quotebus.pricing.upstream.hot import HotPath, PrintReport, Report, SocketClosed, StatusReport
from quotebus.pricing.upstream.hot_thread import ATTACH, HANG_UP, PING, SEND, STOP, HotThread
from quotebus.pricing.upstream.publisher import SymbolReport
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket
from quotebus.pricing.venue import Report as VenueReport
from quotebus.pricing.venue import Venue
from quotebus.pricing.venue_delivery import deliver
from quotebus.pricing.venue_rest import VenueAnswer

log = logging.getLogger(__name__)
MAX_REPORTS = 200_000
_BATCH = 32
"""Requests answered before commands are carried out: answers do not wait for the whole queue."""
_INACTIVE = (ConnectionState.STANDBY, ConnectionState.STOPPED)
NodeReport = Report | UpstreamSocket | DialFailed | OrderUpdate | ConnectionHealth | VenueReport
Credentials = Callable[[], tuple[str, str]]


class ThreadEnded(QuotebusError, RuntimeError):
    """A thread that the node cannot work without has died of an error of ours."""


class Node:
    """One pricing node; `run` is the control thread. `credentials` is called for each authentication."""

    def __init__(self, settings: PricingSettings, credentials: Credentials) -> None:
        """Opens the account's lock file without taking the lock. Raises ConfigError if it cannot be opened."""
        self._credentials = credentials
        self._engine = open_engine(settings.bus_address)
        self._waker = Waker()
        self._stopping = threading.Event()
        self.clock_was_set = False
        """Why `run` has ended: another node must be made, with the time that the system has now."""
        self._clock_watch = ClockWatch(settings.session_rule)
        self._hung_up = threading.Event()
        self._terminal = Terminal()
        self._watch_terminal = False
        self._reports: deque[NodeReport] = deque()
        own = find_own_name(settings.bus_address) or "pricing"
        self._stamper = Stamper(source_name(own, int.from_bytes(os.urandom(3))))
        self._lock = AccountLock(settings.pricing_lock_dir, settings.feed, credentials()[0], self._stamper.source)
        self._health_log = HealthLog()
        self._halt_file = HaltFile(self._lock.halts_path)
        self._codec = UpstreamCodec(settings.pricing_upstream_encoding)
        self._shared = SharedState()
        limit = settings.pricing_symbol_limit or None
        self.core = Core(
            Identity(settings.pricing_node, settings.feed, self._stamper.source, limit, settings.feed_class),
            self._shared,
            linger_ns=seconds(settings.pricing_linger_s),
            quiet_ns=seconds(settings.pricing_quiet_s),
            slow_line_ns=seconds(settings.pricing_slow_line_s),
            first_tick_ns=seconds(settings.pricing_first_tick_s),
            jitter=random.random,
            session_rule=settings.session_rule,
        )
        target = Target(settings.upstream_url, settings.pricing_upstream_encoding, settings.pricing_upstream_ca_file)
        self._dialler = Dialler(target, self._report)
        self._host_dials = HostDials(settings.pricing_lock_dir, self._dialler.host, settings.dial_limit)
        self._hot = HotThread(self._engine)
        self._subscriber = self._engine.subscriber((topics.prefix(topics.REQUESTED), b"health."))
        self._subscriber.connect()
        self._path = HotPath(
            self._hot.publisher,
            self._stamper.source,
            self._shared,
            self._codec,
            self._report,
            conflate=settings.pricing_conflation == "backlog",
            trades_prove=settings.trades_prove,
        )
        self._shared.counters = self._path.counters
        self._venue = Venue(settings, credentials, self._report)
        self._orders: OrderSupervisor | None = None
        if settings.keeps_order_stream:
            self._orders = OrderSupervisor(
                lambda connections: OrderThread(settings, credentials, self._report, connections),
                f"{settings.pricing_node}{topics.ORDERS}",
                self._report,
            )
        self.control_counters = ControlCounters()
        self._bus = BusReader(self._subscriber, self.control_counters, self._note_health, self._hot.give_way)
        self._garbage_left = False

    @property
    def source(self) -> str:
        """This process's name in the envelope of everything it publishes."""
        return self._stamper.source

    def stop(self) -> None:
        """End `run`; may be called from any thread."""
        self._stopping.set()
        self._waker.wake()

    def hang_up(self) -> None:
        """SIGHUP has come: end if it was the terminal that went, else connect at once. From any thread."""
        self._hung_up.set()
        self._waker.wake()

    def run(self) -> None:
        """Serve until `stop`. Raises ThreadEnded when the hot thread has died: without it there is no health."""
        self._hot.start(self._path)
        if self._orders is not None:
            self._orders.start(now_ns())
        poller = self._engine.poller()
        poller.watch(self._subscriber)
        poller.watch(self._waker)
        core = self.core
        self._try_lock(first=True)
        next_second_ns = now_ns()
        try:
            while not self._stopping.is_set():
                self._carry_out()
                wait_ns = min(core.next_ns(now_ns()), next_second_ns) - now_ns()
                if poller.wait(max(0, -(-wait_ns // NS_PER_MS))):
                    self._waker.clear()
                if self._hung_up.is_set():
                    self._take_hang_up()
                self._take_messages()
                self._take_reports()
                if now_ns() >= next_second_ns:
                    next_second_ns = now_ns() + NS_PER_S
                    self._each_second()
                elif core.awaits_lock(now_ns()):
                    self._try_lock()
                self._hot.give_way()
                core.on_time(now_ns())
                self._halt_file.follow(core.lifecycle.halts, keeps=core.lock_held)
                if not self._hot.is_alive():
                    raise ThreadEnded("the hot thread has ended")
                if self._orders is not None:
                    active = self.core.lock_held and self.core.session.state not in _INACTIVE
                    self._orders.watch(active, now_ns())
            if self._orders is not None:
                self._orders.end()
                self._take_reports()
            core.stop(now_ns())
            self._carry_out()
        finally:
            self._end()

    # in

    def _take_hang_up(self) -> None:
        self._hung_up.clear()
        self._watch_terminal = True  # a shell that ends tells its programs before the terminal is gone
        if self._terminal.is_gone():
            self.stop()
        elif self.core.session.probe(now_ns()):
            log.info("SIGHUP: trying to connect at once")
        else:
            log.info("SIGHUP: line %s, no attempt at once is due", self.core.session.state)

    def _report(self, report: NodeReport) -> None:
        """Called by other threads. What does not fit is dropped: control would be too far behind to use it."""
        if len(self._reports) < MAX_REPORTS or isinstance(report, (SocketClosed, UpstreamSocket, DialFailed)):
            self._reports.append(report)
        else:
            self.control_counters.add("control_dropped")
        self._waker.wake()

    def _take_reports(self) -> None:
        core, together = self.core, 0
        while self._reports:
            report = self._reports.popleft()
            at_ns = now_ns()
            if together and not isinstance(report, SymbolReport):
                self._carry_out()
            match report:
                case SymbolReport(kind, symbol):
                    takes = core.on_quote if kind == "quote" else core.on_trade if kind == "trade" else core.on_bad_data
                    takes(symbol, at_ns)
                    together += 1
                    if together < _BATCH and self._reports:
                        continue  # to hand over one status costs more than to make it
                case StatusReport(status, exchange_ns):
                    core.halt_watch.on_status(status, exchange_ns, at_ns)
                case PrintReport(symbol, exchange_ns, reopening):
                    core.halt_watch.on_print(symbol, exchange_ns, at_ns, reopening=reopening)
                case OrderUpdate() | ConnectionHealth():
                    self._send_to_hot(self._stamper.frame(report, utc_ns()))
                case SocketClosed(cause):
                    log.debug("upstream socket closed (%s)", cause or "ordered")
                    self._garbage_left = True
                    if cause is not None:
                        self.control_counters.add("lines_lost")
                    core.on_closed(cause, at_ns)
                case UpstreamSocket():
                    self._attach(report, at_ns)
                case DialFailed():
                    if report.cause is not Cause.DIAL_LIMIT:
                        self.control_counters.add("dials_failed")
                    core.on_dial_failed(
                        report.cause, report.for_operator, report.detail, at_ns, retry_after_ns=report.retry_after_ns
                    )
                case VenueAnswer() | AssetsRead() | AssetRead() | ClockRead():
                    deliver(report, core, at_ns)
                case _:
                    self._hot.give_way()
                    core.on_record(report, at_ns)
            together = 0
            self._carry_out()

    def _attach(self, upstream: UpstreamSocket, at_ns: int) -> None:
        if self.core.on_dialled(at_ns):
            log.debug("upstream socket: attached as connection %d", self.core.session.connection)
            self._hot.sockets.append((upstream, self.core.session.connection))
            self._send_to_hot(ATTACH)
        else:
            upstream.close()
            self.core.session.on_dial_ended(at_ns)

    def _take_messages(self) -> None:
        """Everything that waits, before any lease may expire; meanwhile the connection and health are kept up."""
        core, inbox = self.core, self._bus.inbox
        while not self._stopping.is_set():
            unread = self._bus.read()
            for _ in range(min(len(inbox), _BATCH)):
                self._hot.give_way()
                core.on_request(inbox.take(), now_ns())
            if not (unread or inbox):
                return
            self._carry_out()
            self._take_reports()
            core.on_time(now_ns(), all_read=False)

    def _note_health(self, health: ConnectionHealth) -> None:
        at_ns = now_ns()
        if self.core.on_health(health, at_ns):
            self.control_counters.note_own_health(at_ns)
            notify_ready()  # what it publishes and what is asked of it get through

    # out

    def _carry_out(self) -> None:
        for number, command in enumerate(self.core.take()):
            if number % _BATCH == 0:
                self._hot.give_way()
            if isinstance(command, SocketCommand):
                log.debug("upstream socket: %s", command)
            match command:
                case Publish(event):
                    self._publish(event)
                case SendUpstream(message):
                    log.debug("upstream: %s", command.summarize())
                    self._send_to_hot(SEND + self._codec.encode(message))
                case SocketCommand.DIAL:
                    self._dial()
                case SocketCommand.ABANDON_DIAL:
                    self._dialler.abandon()
                case SocketCommand.AUTHENTICATE:
                    key, secret = self._credentials()
                    self._send_to_hot(SEND + self._codec.encode({"action": "auth", "key": key, "secret": secret}))
                case SocketCommand.PING:
                    self._send_to_hot(PING)
                case SocketCommand.HANG_UP:
                    self._send_to_hot(HANG_UP)
                case AskVenue() | AskTrading():
                    self._venue.ask(command)

    def _dial(self) -> None:
        wait_ns = self._host_dials.take(utc_ns())
        if wait_ns:
            self._report(DialFailed(Cause.DIAL_LIMIT, retry_after_ns=wait_ns))
            return
        self.control_counters.add("dials")
        self._dialler.dial()

    def _publish(self, event: Event) -> None:
        if type(event) is ConnectionHealth:
            self._health_log.note(event)
        self.control_counters.count_published(event)
        self._send_to_hot(self._stamper.frame(event, utc_ns()))

    def _send_to_hot(self, message: bytes) -> None:
        if not self._hot.control.put(message):
            self.control_counters.add("control_dropped")

    def _each_second(self) -> None:
        if self._watch_terminal and self._terminal.is_gone():
            self.stop()
        if not self.core.lock_held:
            self._try_lock()
        if self._garbage_left and self.core.session.state not in UP:
            gc.collect()  # only now, when no quote has to wait for it
            self._garbage_left = False
        self.control_counters.check_silence(now_ns())
        if self._clock_watch.look(now_ns()):
            self.clock_was_set = True
            self.stop()
        self._publish(Counters(program="pricing-node", counters=self.counters()))

    def _try_lock(self, *, first: bool = False) -> None:
        if held := self._lock.acquire():  # who holds it writes the file: in it is what the last holder knew
            self.core.halt_watch.on_kept(self._halt_file.read(), now_ns())
        if held or first:
            self.core.on_lock(held, now_ns(), former=self._lock.former)

    def counters(self) -> dict[str, int]:
        """Everything both threads have counted, and how much waits where."""
        hot, counts = self._hot, self.control_counters.counts
        orders = self._orders.count() if self._orders is not None else {}
        return {
            **self._path.counters,
            **counts,
            **hot.counters,
            "control_dropped": counts["control_dropped"] + hot.counters["control_dropped"],
            "dials_unshared": self._host_dials.unshared,
            "multipart": self._subscriber.multipart,
            "forged": self._subscriber.forged,
            "connections": self.core.session.connection,
            "leases": len(self.core.demand.leases),
            "symbols": len(self.core.demand.wanted),
            "healths_late": self.core.others.late,
            "healths_copied": self.core.others.copied,
            "requests_late": self.core.demand.late,
            "requests_overtaken": self._bus.inbox.overtaken,
            "suspicions": self.core.feed_watch.suspicions,
            "mute_proofs": self.core.feed_watch.proofs,
            "symbols_refused": self.core.venue_watch.assets.refused,
            **self._venue.count(),
            **self.core.halt_watch.count(self._halt_file.failures),
            "reports_waiting": len(self._reports),
            "frames_held": hot.count_held(),
            **self._path.tick_publisher.count_waiting(),
            **{f"orders_{name}": count for name, count in orders.items()},
        }

    def _end(self) -> None:
        if self._orders is not None:
            self._orders.end()
        self._dialler.abandon()
        self._venue.abandon()
        self._send_to_hot(STOP)
        self._hot.join(1.0)
        self._halt_file.close(1.0)
        self._subscriber.close()
        self._engine.close(500)
        self._lock.close()
        self._waker.close()
