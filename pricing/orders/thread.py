"""The thread of the order stream: its socket, its timers, and the events it hands to the control thread to publish."""

from __future__ import annotations

import json
import logging
import random
import select
import threading
from collections import deque
from collections.abc import Callable

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.events import Cause, ConnectionHealth, OrderUpdate
from quotebus.bus.transport.waker import Waker
from quotebus.pricing.commands import SendUpstream, SocketCommand
from quotebus.pricing.orders.core import OrderCore, Reconcile
from quotebus.pricing.orders.rest import OrdersRest, Reconciled, ReconcileFailed
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.trading_budget import TradingBudget
from quotebus.pricing.upstream.dialler import DialFailed, Dialler, Target
from quotebus.pricing.upstream.upstream_socket import UpstreamLost, UpstreamSocket

log = logging.getLogger(__name__)
TEXT_OPCODE = 1
PING = b"orders"
"""What a pong brings back; an empty one could not be told from none."""
FILLS_A_TURN = 64
JOIN_S = 2.0


class OrderThread:
    """One account's order stream. It calls `publish` from its own thread; the owner calls `allow` and `end`."""

    def __init__(
        self,
        settings: PricingSettings,
        credentials: Callable[[], tuple[str, str]],
        publish: Callable[[OrderUpdate | ConnectionHealth], None],
        connections: int = 0,
    ) -> None:
        """`connections` were opened by order streams before this one. `ended_by` is the error that has ended it."""
        self._credentials = credentials
        self._publish = publish
        self._core = OrderCore(settings.pricing_node, settings.order_alias, jitter=random.random)
        self._reports: deque[UpstreamSocket | DialFailed | Reconciled | ReconcileFailed] = deque()
        self._waker = Waker()
        target = Target(settings.order_stream_url, "json", settings.pricing_upstream_ca_file)
        self._dialler = Dialler(target, self._report)
        url, share = settings.order_rest_url, settings.execution_request_share
        budget = TradingBudget(url, settings.execution_budget_dir, share, credentials)
        self._rest = OrdersRest(url, settings.pricing_upstream_ca_file, credentials, self._report, budget)
        self._upstream: UpstreamSocket | None = None
        self._allowed = self._obeyed = False
        self._stopping = threading.Event()
        self._logged: tuple[str, str, str] | None = None
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)
        self._core.session.connection = connections
        self.ended_by = ""
        self.counters = self._core.counters

    def start(self) -> None:
        """Start the thread; it does not dial before `allow`."""
        self._thread.start()

    @property
    def connection(self) -> int:
        """How many sockets reached HTTP 101, those of its predecessors included."""
        return self._core.session.connection

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def allow(self, active: bool) -> None:
        """Whether this node is the active one and may dial."""
        if active != self._allowed:
            self._allowed = active
            self._waker.wake()

    def end(self) -> None:
        """Hang up and end; by then its last health has been published."""
        self._stopping.set()
        self._waker.wake()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def _report(self, report: UpstreamSocket | DialFailed | Reconciled | ReconcileFailed) -> None:
        self._reports.append(report)
        self._waker.wake()

    def _run(self) -> None:
        core = self._core
        try:
            while not self._stopping.is_set():
                if self._obeyed != self._allowed:
                    self._obeyed = self._allowed
                    core.allow(self._obeyed, now_ns())
                self._carry_out()
                self._wait()
                self._take_reports()
                self._read()
                core.on_time(now_ns())
            core.stop(now_ns())
            self._carry_out()
        except BaseException as error:  # whatever it was, its name stands in the health until the next one runs
            self.ended_by = type(error).__name__
            raise
        finally:
            self._dialler.abandon()
            self._rest.abandon()
            self._close_sockets()
            self._waker.close()

    def _close_sockets(self) -> None:
        """Without the core, which may be in no state to be told: the account has one stream, the next thread's."""
        if self._upstream is not None:
            self._upstream.close()
        while self._reports:
            report = self._reports.popleft()
            if isinstance(report, UpstreamSocket):
                report.close()

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._waker.fileno(), select.POLLIN)
        if self._upstream is not None:
            poller.register(
                self._upstream.fileno(), select.POLLIN | (select.POLLOUT if self._upstream.has_unsent else 0)
            )
        wait_ns = self._core.next_ns() - now_ns()
        if any(descriptor == self._waker.fileno() for descriptor, _ in poller.poll(max(0, -(-wait_ns // NS_PER_MS)))):
            self._waker.clear()

    def _take_reports(self) -> None:
        core = self._core
        while self._reports:
            match self._reports.popleft():
                case UpstreamSocket() as upstream:
                    if core.on_dialled(now_ns()):
                        self._upstream = upstream
                    else:
                        upstream.close()
                        core.session.on_dial_ended(now_ns())
                case DialFailed() as failure:
                    core.on_dial_failed(
                        failure.cause,
                        failure.for_operator,
                        failure.detail,
                        now_ns(),
                        retry_after_ns=failure.retry_after_ns,
                    )
                case Reconciled(orders, generation):
                    log.debug("read %d orders by REST, reading %d", len(orders), generation)
                    core.on_reconciled(orders, generation, now_ns())
                case ReconcileFailed(generation, why):
                    log.warning("reading orders by REST failed (%s)", why)
                    core.on_reconcile_failed(generation, why, now_ns())
            self._carry_out()

    def _read(self) -> None:
        core = self._core
        try:
            for _ in range(FILLS_A_TURN):
                upstream = self._upstream
                if upstream is None:
                    return
                if upstream.has_unsent:
                    upstream.flush()
                if not upstream.fill():
                    return
                core.last_byte_ns = now_ns()
                for payload in upstream.messages():
                    core.on_frame(payload, now_ns())
                    self._carry_out()
                    if self._upstream is not upstream:
                        return
                if upstream.take_pong():
                    core.session.on_pong()
        except UpstreamLost as lost:
            self._lost(lost.cause)

    def _lost(self, cause: Cause) -> None:
        log.debug("order stream lost (%s)", cause)
        self._core.on_lost(cause, now_ns())
        self._hang_up()
        self._carry_out()

    def _hang_up(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
            self._core.on_closed(now_ns())

    def _carry_out(self) -> None:
        while commands := self._core.take():
            for command in commands:
                try:
                    self._obey(command)
                except UpstreamLost as lost:
                    self._core.on_lost(lost.cause, now_ns())
                    self._hang_up()

    def _obey(self, command: object) -> None:
        if isinstance(command, SocketCommand):
            log.debug("order stream socket: %s", command)
        match command:
            case OrderUpdate():
                self._publish(command)
            case ConnectionHealth():
                self._log_change(command)
                self._publish(command)
            case SendUpstream(message):
                log.debug("order stream: %s", command.summarize())
                self._send(message)
            case Reconcile():
                log.debug("reading orders by REST, reading %d, %d known", command.generation, len(command.order_ids))
                self._rest.start(command)
            case SocketCommand.DIAL:
                self._dialler.dial()
            case SocketCommand.ABANDON_DIAL:
                self._dialler.abandon()
            case SocketCommand.AUTHENTICATE:
                key, secret = self._credentials()
                self._send({"action": "auth", "key": key, "secret": secret})
            case SocketCommand.PING:
                if self._upstream is not None:
                    self._upstream.ping(PING)
            case SocketCommand.HANG_UP:
                self._hang_up()

    def _send(self, message: dict[str, object]) -> None:
        if self._upstream is not None:
            self._upstream.send(json.dumps(message).encode(), TEXT_OPCODE)

    def _log_change(self, health: ConnectionHealth) -> None:
        now = (health.state, health.cause, health.detail)
        if now != self._logged:
            self._logged = now
            detail = f" [{health.detail}]" if health.detail else ""
            log.info("orders %s (%s)%s, connection %d", health.state, health.cause, detail, health.connection)
