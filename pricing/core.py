"""The node without its threads and sockets: requests, upstream records and time in, commands out. Pure.

It connects demand, session, reconciler, allocation and lifecycle, and decides nothing that one of them could decide.
The shell calls one `on_*` method at a time and then carries out the commands of `take()`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import Cause, ConnectionHealth, ConnectionState, SymbolsRequested, SymbolState
from quotebus.pricing import faults
from quotebus.pricing.allocation import Allocation
from quotebus.pricing.announcements import (
    Counts,
    Identity,
    build_acknowledgements,
    build_health,
    build_status,
)
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.commands import AskTrading, AskVenue, Publish, SendUpstream, SocketCommand
from quotebus.pricing.demand import Demand, LeaseClock
from quotebus.pricing.feed_watch import FeedWatch
from quotebus.pricing.halt_watch import HaltWatch
from quotebus.pricing.halts import Halts
from quotebus.pricing.line_watch import LineWatch
from quotebus.pricing.listening import LISTENING, OtherNodes
from quotebus.pricing.messages import Record, Subscription, Success, UpstreamError
from quotebus.pricing.session import Session
from quotebus.pricing.session_states import UP
from quotebus.pricing.sessions import SessionRule, VenueDay
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.subscription import Reconciler, SubscriptionChange
from quotebus.pricing.symbol_lifecycle import SymbolLifecycle
from quotebus.pricing.symbols import SymbolEntry, SymbolTable
from quotebus.pricing.venue_watch import VenueWatch

log = logging.getLogger(__name__)
TICK_NS = NS_PER_S // 4
BUSY_TICK_NS = NS_PER_S // 20
_ASKING = frozenset({ConnectionState.SUBSCRIBING, *UP})
_INACTIVE = frozenset({ConnectionState.STANDBY, ConnectionState.STOPPED})


Command = Publish | SendUpstream | SocketCommand | AskVenue | AskTrading


class Core:
    """One pricing node's decisions."""

    def __init__(
        self,
        identity: Identity,
        shared: SharedState,
        *,
        linger_ns: int,
        quiet_ns: int,
        slow_line_ns: int,
        first_tick_ns: int,
        jitter: Callable[[], float],
        session_rule: SessionRule,
    ) -> None:
        """`jitter` returns a float in [0, 1)."""
        self.demand = Demand()
        self.session = Session(
            Backoff(jitter),
            self._publish_health,
            self._command,
            linger_ns=linger_ns,
            slow_line_ns=slow_line_ns,
            state=ConnectionState.STANDBY,
            detail=LISTENING,
        )
        self.others = OtherNodes(identity.source)
        self.reconciler = Reconciler()
        self.symbols = SymbolTable(self._publish_status)
        self.lock_held = False
        self._identity = identity
        self._shared = shared
        self._quiet_ns = quiet_ns
        subscriptions, halts = self.reconciler.subscriptions, Halts(in_time=identity.is_in_time)
        self.lifecycle = SymbolLifecycle(self.demand, self.symbols, subscriptions, shared, halts)
        self.allocation = Allocation(
            identity.symbol_limit, self.demand, self.symbols, self.reconciler, self.lifecycle, shared
        )
        watched = (self.lifecycle, self.symbols, subscriptions, shared)
        self.halt_watch = HaltWatch(*watched, self._ask_venue, self.allocation.arrange)
        self.feed_watch = FeedWatch(shared, self.symbols, self._ask_venue)
        self.line_watch = LineWatch(self.session, self.feed_watch, subscriptions)
        self.venue_day = VenueDay(session_rule, shared.begin_session)
        asks = (self.venue_day, self._command, self._rearrange, first_tick_ns)
        self.venue_watch = VenueWatch(self.symbols, subscriptions, self.allocation, *asks)
        self._lease_clock = LeaseClock()
        self._commands: list[Command] = []
        self._health_ns = 0
        self._quiet_checked_ns = 0

    def take(self) -> list[Command]:
        """The commands since the last call, in order."""
        commands, self._commands = self._commands, []
        return commands

    # the bus

    def on_request(self, request: SymbolsRequested, now_ns: int) -> None:
        """A client's request: applied and acknowledged immediately, whatever the upstream does."""
        if request.source.startswith(REPLAYED):
            return
        if self._listens:
            self.others.keep(request)
        if self.session.state in _INACTIVE:
            return
        answer = self.demand.apply(request, self._lease_clock.tick(now_ns))
        asked = (request.seq, request.client, request.source, len(request.symbols))
        log.debug("request %d of %.40r (%.40r): %d symbols, %s", *asked, answer.cause)
        if answer.late:
            return  # unanswered, its client asks again: three of them in a row are believed
        if answer.changed:
            self._demand_changed(Cause.NO_DEMAND, now_ns)
        if answer.applied and request.halts:
            self.halt_watch.on_claims(request.halts, self.demand.wanted, now_ns)
        if answer.added:
            self.venue_watch.assets.on_wanted(answer.added, now_ns)
            self.session.on_new_request(now_ns)
        if not topics.is_topic(topics.acknowledged(request.client)):
            return  # a name with such bytes is a bad request, and nobody can listen for its answer
        for part in build_acknowledgements(request, answer, self.symbols, self._shared):
            self._commands.append(Publish(part))

    def on_health(self, heard: ConnectionHealth, now_ns: int) -> bool:
        """A node's health came through the bus. True for our own, which proves that requests can reach us."""
        if heard.node.endswith(topics.ORDERS) or heard.source.startswith(REPLAYED):
            return False
        if heard.source != self._identity.source:
            self.others.note_health(heard, self.session.state, now_ns)
            return False
        if not self.others.note_own_health(heard, now_ns):
            return False
        self._lease_clock.note_own_health(now_ns)
        return True

    def on_lock(self, held: bool, now_ns: int, *, former: str = "") -> None:
        """This node holds the lock on the account's one connection, or another node does.

        `former`: the source that held it before, whose process has ended; empty when not known.
        """
        self.lock_held = held
        if held and former:
            self.others.note_ended(former, now_ns)
        if self.session.since_ns == 0:  # the first thing that a node learns
            self.session.since_ns = now_ns
        if not held:
            self._stand_by(now_ns)

    # the connection

    def on_dialled(self, now_ns: int) -> bool:
        """The dialler has a socket. False when it is no longer needed and must be closed."""
        self._shared.last_byte_ns = now_ns
        if not self.session.on_dialled(now_ns):
            self.reconciler.reset()
            return False
        self.lifecycle.connection = self.session.connection
        self.halt_watch.on_dialled()
        if self.allocation.limit.learned == 0:  # with nothing to subscribe to, a new connection would never stream
            self.allocation.limit.forget()
        self.allocation.renew(now_ns)
        return True

    def on_dial_failed(
        self, cause: Cause, for_operator: bool, detail: str, now_ns: int, *, retry_after_ns: int = 0
    ) -> None:
        """The attempt brought no socket; `detail` is for people and holds no secret."""
        if not self.session.abandoned:
            self.session.on_failure(
                cause, now_ns, for_operator=for_operator, detail=detail, retry_after_ns=retry_after_ns
            )
        self.session.on_dial_ended(now_ns)

    def on_closed(self, cause: Cause | None, now_ns: int) -> None:
        """The hot thread has closed the socket. `cause` is None when it was told to."""
        if cause is not None:
            self.session.on_failure(cause, now_ns, last_byte_ns=self._shared.last_byte_ns)
        self.session.on_socket_closed(now_ns)

    def on_record(self, record: Record, now_ns: int) -> None:
        """One of the upstream's control records."""
        match record:
            case Success(msg="connected"):
                self.session.on_greeting()
            case Success(msg="authenticated"):
                self.session.on_authenticated(now_ns)
            case UpstreamError(code=code):
                self._on_error(code, now_ns)
            case Subscription():
                if self.session.state in _ASKING:
                    self._settle(self.reconciler.on_answer(record, now_ns), now_ns, answered=True)
            case _:
                return
        self._send_request(now_ns)

    def on_quote(self, symbol: str, now_ns: int) -> None:
        """The first good quote since the symbol was pending, quiet or stale."""
        self.lifecycle.on_quote(symbol, now_ns)

    def on_trade(self, symbol: str, now_ns: int) -> None:
        """The first trade of a symbol of which only trades are wanted."""
        self.lifecycle.on_trade(symbol, now_ns)

    def on_bad_data(self, symbol: str, now_ns: int) -> None:
        """A quote of this symbol was invalid: the last good one may be outdated."""
        self.lifecycle.on_bad_data(symbol, now_ns)

    def on_venue(self, number: int, newest_ns: Mapping[str, int] | None, now_ns: int) -> None:
        """The venue's answer to question `number`: the exchange time of each symbol's newest quote; None for none."""
        self.feed_watch.on_venue(number, newest_ns, now_ns)

    # time

    def on_time(self, now_ns: int, *, all_read: bool = True) -> None:
        """Let time pass: leases, deadlines, signs of life, health and statuses.

        `all_read`: no message waits unread, so leases may expire, and it is known what the other nodes do.
        """
        lease_now_ns = self._lease_clock.tick(now_ns)
        if all_read:
            self._decide_role(now_ns)
            if self.demand.expire(lease_now_ns):
                self._demand_changed(Cause.LEASE_EXPIRED, now_ns)
            self.allocation.end_graces(lease_now_ns)
        open_request = self.reconciler.open_request
        if self.session.state in _ASKING and open_request is not None and now_ns >= open_request.deadline_ns:
            if self.reconciler.drop_overdue_side_request(now_ns):
                self._settle(SubscriptionChange(), now_ns, answered=False)
            else:
                self.session.on_failure(Cause.ACK_TIMEOUT, now_ns, last_byte_ns=self._shared.last_byte_ns)
        if self._shared.ponged:
            self.session.on_pong()
        self.session.on_lag(self._shared.lag_ns or 0, now_ns)
        self.line_watch.on_time(self.venue_day.session, now_ns)
        self.session.on_time(now_ns, self._shared.last_byte_ns)
        streams = self.session.state is ConnectionState.STREAMING
        self.venue_watch.on_time(self.demand.wanted, now_ns, streams=self.session.connection if streams else 0)
        self.halt_watch.on_time(now_ns, self.venue_day.session, up=self.session.state in UP)
        if self.session.state in UP and self.allocation.limit.probe(now_ns):
            self.allocation.arrange(now_ns)
        self.reconciler.wake(now_ns)
        self._send_request(now_ns)
        if streams and now_ns - self._quiet_checked_ns >= NS_PER_S:
            self._quiet_checked_ns = now_ns
            self.lifecycle.mark_quiet(self._quiet_ns, now_ns)
        if self.venue_day.follow(to_utc_ns(now_ns)) or now_ns >= self._health_due_ns(now_ns):
            self._publish_health(now_ns)
        self.symbols.rotate(now_ns)

    def next_ns(self, now_ns: int) -> int:
        """When `on_time` should be called at the latest."""
        times = [self._health_due_ns(now_ns)]
        count = len(self.symbols.entries)
        if count:
            times.append(now_ns + (BUSY_TICK_NS if count > 100 else TICK_NS))
        asks_ns = self.reconciler.next_ns() if self.session.state in _ASKING else None
        role_ns = None
        if self.session.state is ConnectionState.STANDBY:
            role_ns = self.others.next_ns(now_ns, listening=self._listens, lock_held=self.lock_held)
        deadlines = (self.session.next_ns(self._shared.last_byte_ns), asks_ns, role_ns)
        times += [at_ns for at_ns in deadlines if at_ns is not None]
        for end_ns in (self.demand.next_expiry_ns(), self.allocation.grace.next_ns()):
            if end_ns is not None:
                times.append(now_ns + max(0, end_ns - self._lease_clock.now_ns))
        return min(times)

    def awaits_lock(self, now_ns: int) -> bool:
        """This node takes over as soon as the lock is its own, which should be in a moment."""
        return not self.lock_held and self.session.waiting and self.others.awaits_lock(now_ns)

    def stop(self, now_ns: int) -> None:
        """Orderly exit: the last health published has state `stopped`."""
        self.session.stop(now_ns)

    # inside

    def _command(self, order: Command) -> None:
        self._commands.append(order)

    def _ask_venue(self, symbols: tuple[str, ...], number: int) -> None:
        self._command(AskVenue(symbols, number))

    @property
    def _listens(self) -> bool:
        """Just started: it is not known yet whether another node is active."""
        return self.session.state is ConnectionState.STANDBY and not self.session.waiting

    def _decide_role(self, now_ns: int) -> None:
        """Become active, or wait for another node: the rules are in `listening.py`."""
        if self.session.state is ConnectionState.STOPPED:
            return
        if self.session.waiting:
            if self.lock_held and self.others.may_take_over(now_ns):
                self.session.on_alone(now_ns)
        elif self.others.must_stand_by(self.session.state, now_ns):
            self._stand_by(now_ns)
        elif self._listens and self.others.has_listened(now_ns):
            self.session.on_alone(now_ns)
            for request in self.others.take_kept():
                self.on_request(request, now_ns)

    def _health_due_ns(self, now_ns: int) -> int:
        listens, waiting = self._listens, self.session.waiting
        return self.others.health_due_ns(self._health_ns, now_ns, listening=listens, waiting=waiting)

    def _stand_by(self, now_ns: int) -> None:
        self.others.take_kept()
        self.demand.clear()
        self.symbols.clear()
        self.allocation.grace.clear()
        for symbol in list(self._shared.slots):
            self._shared.retire(symbol)
        self.reconciler.want({})
        self.session.on_other_node(now_ns)

    def _demand_changed(self, why_gone: Cause, now_ns: int) -> None:
        """Bring symbols, the subscribed set and the connection in line with the leases."""
        if self.session.state is ConnectionState.IDLE:
            self.allocation.limit.forget()
        self._use(self.allocation.demand_changed(why_gone, now_ns, self._lease_clock.now_ns), now_ns)

    def _rearrange(self, now_ns: int) -> None:
        """Other symbols have a place now."""
        if self.session.state not in _INACTIVE:
            self._use(self.allocation.arrange(now_ns), now_ns)

    def _use(self, any_wanted: bool, now_ns: int) -> None:
        if any_wanted:
            self.session.on_demand(now_ns)
        else:
            self.session.on_no_demand(now_ns)
        self._send_request(now_ns)

    def _send_request(self, now_ns: int) -> None:
        if self.session.state in _ASKING and (open_request := self.reconciler.next_request(now_ns)) is not None:
            self._commands.append(SendUpstream(open_request.message()))

    def _on_error(self, code: int, now_ns: int) -> None:
        failure = faults.find_by_code(code)
        if failure.scope is faults.Scope.REQUEST and self.reconciler.open_request is not None:
            self._settle(self.reconciler.on_error(failure.cause, now_ns), now_ns, answered=False)
        elif failure.scope is faults.Scope.CONNECTION:
            self.session.on_failure(
                failure.cause, now_ns, for_operator=failure.for_operator, last_byte_ns=self._shared.last_byte_ns
            )
        elif self.session.state is ConnectionState.AUTHENTICATING:
            unknown = failure is faults.UNKNOWN_4XX  # our credentials were the request
            self.session.on_failure(failure.cause if unknown else Cause.PROTOCOL, now_ns, for_operator=unknown)

    def _settle(self, outcome: SubscriptionChange, now_ns: int, *, answered: bool) -> None:
        """Apply an answer to a subscribe, or its refusal, to symbols and connection."""
        first = self.session.state is ConnectionState.SUBSCRIBING
        if outcome.learned_limit is not None:
            self.allocation.limit.on_refusal(outcome.learned_limit, now_ns)
            self._demand_changed(Cause.NO_DEMAND, now_ns)
        if first and (answered or not self.reconciler.subscriptions.has_pending()):
            self.feed_watch.begin(now_ns)
            # Before the health: whoever hears that it streams must not think that a symbol is known to trade still.
            for entry in list(self.symbols.entries.values()):
                stays = entry.state in (SymbolState.HALTED, SymbolState.EVICTED)
                if not stays and not self.reconciler.subscriptions.has_given_up(entry.symbol):
                    self.symbols.move(entry.symbol, SymbolState.PENDING, Cause.NO_QUOTE_YET, now_ns)
            self.session.on_subscribed(now_ns, detail=self.line_watch.describe())
        self.allocation.settle(outcome, now_ns)
        self.halt_watch.on_answer(now_ns)
        self.session.annotate(self.line_watch.describe(), now_ns)

    # what is published

    def _publish_status(self, entry: SymbolEntry) -> None:
        claims = self.demand.claims(entry.symbol, self._lease_clock.now_ns)
        self._commands.append(Publish(build_status(entry, claims, self._shared)))

    def _publish_health(self, now_ns: int) -> None:
        self._health_ns = now_ns
        self.venue_day.follow(to_utc_ns(now_ns))
        self.others.note_published()
        up = self.session.state in UP
        session = self.venue_day.session
        counts = Counts(
            desired=len(self.demand.wanted),
            acknowledged=self.allocation.count_acknowledged() if up else 0,
            live=self.symbols.count_live() if up else 0,
        )
        self._commands.append(Publish(build_health(self._identity, self.session, counts, self._shared, session)))
