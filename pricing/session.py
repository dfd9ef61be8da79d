"""The upstream connection as a state machine: signals and time in, transitions and socket commands out. Pure.

`session_states.py` has the table. One method takes transitions, and it publishes each. Every waiting state has a
deadline. Nothing here reads a clock, a socket or a random number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import Cause
from quotebus.bus.events import ConnectionState as State
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.dial_budget import DialBudget
from quotebus.pricing.pongs import PongWatch
from quotebus.pricing.session_states import CONNECTED, FAILURES, TRANSITIONS, UP, WAITING, Signal

log = logging.getLogger(__name__)
PING_NS = NS_PER_S
DIAL_TIMEOUT_NS = 11 * NS_PER_S // 2
AUTH_TIMEOUT_NS = 10 * NS_PER_S
_ASKED_TO_WAIT = frozenset({Cause.CONNECTION_LIMIT, Cause.HTTP_429})
"""After these a new request is no reason to dial earlier: the upstream itself set the pace."""


class SocketState(StrEnum):
    """The upstream socket's own state. A new one is dialled only from NONE."""

    NONE = "none"
    DIALLING = "dialling"
    OPEN = "open"
    CLOSING = "closing"


@dataclass(slots=True)
class MissedInterval:
    """The last interval in which data was missed."""

    start_ns: int | None = None
    end_ns: int | None = None


class Session:
    """One connection. `changed` is called after every transition, to publish health; `command` tells the shell what to
    do with the socket. `abandoned`: the dialler's attempt was given up, so its outcome says nothing about the next one.
    """

    def __init__(
        self,
        backoff: Backoff,
        changed: Callable[[int], None],
        command: Callable[[SocketCommand], None],
        *,
        name: str = "upstream",
        linger_ns: int,
        slow_line_ns: int = 2 * NS_PER_S,
        state: State = State.IDLE,
        detail: str = "",
    ) -> None:
        self.state = state
        self.cause = Cause.NO_DEMAND
        self.detail = detail
        self.since_ns = 0
        self.connection = 0
        self.next_retry_ns: int | None = None
        self.gap = MissedInterval()
        self.socket = SocketState.NONE
        self.pongs = PongWatch()
        self._command = command
        self._name = name
        self._backoff = backoff
        self._changed = changed
        self._linger_ns = linger_ns
        self._slow_line_ns = slow_line_ns
        self._slow = False
        self._mute = False
        self._linger_until_ns: int | None = None
        self._lost_ns: int | None = None
        self._pinged_ns = 0
        self._not_before_ns = 0
        self._budget = DialBudget()
        self._asked_to_wait = False
        self._last_failure = Cause.NO_DEMAND
        self.abandoned = False

    @property
    def attempt(self) -> int:
        """Failures in a row."""
        return self._backoff.failures

    @property
    def waiting(self) -> bool:
        """In standby because another node is active, not because this one has just started."""
        return self.state is State.STANDBY and self.cause is Cause.OTHER_NODE

    @property
    def lingering(self) -> bool:
        """Up without demand, until the linger time is over."""
        return self._linger_until_ns is not None

    # what happens

    def on_demand(self, now_ns: int) -> None:
        """A client wants a symbol."""
        if self.state is State.IDLE:
            retry_ns = self._budget.next_ns(max(now_ns, self._not_before_ns))
            if now_ns < retry_ns:  # releasing and requesting again is no way around the backoff
                self.next_retry_ns = retry_ns
                self._take(Signal.TOO_SOON, self._last_failure, now_ns)
                return
            self._take(Signal.WANTED, Cause.DEMAND, now_ns)
            self._dial(now_ns)
        elif self.lingering:
            self._linger_until_ns = None
            self._take(Signal.WANTED, Cause.DEMAND, now_ns)

    def on_new_request(self, now_ns: int) -> None:
        """A client has asked for something new while the node waits: try at once, at most twice a minute."""
        if self.state is not State.REFUSED:  # which a client cannot mend
            self.probe(now_ns)

    def probe(self, now_ns: int) -> bool:
        """Whether a connection that waits is dialled at once: at most twice a minute, and not when the upstream itself
        has set the pace."""
        waits = self.state in WAITING and self.socket is SocketState.NONE and not self._asked_to_wait
        if not waits or not self._budget.take_probe(now_ns):
            return False
        self._take(Signal.RETRY, Cause.DEMAND, now_ns)
        self._dial(now_ns, probe=True)
        return True

    def on_no_demand(self, now_ns: int) -> None:
        """No client wants anything: a connection that is up lingers, anything else ends."""
        if self.state in UP:
            if not self.lingering:
                self._linger_until_ns = now_ns + self._linger_ns
                self._take(Signal.LINGER, Cause.LINGERING, now_ns)
        elif self.state not in (State.IDLE, State.STANDBY, State.STOPPED):
            self._end(Signal.UNWANTED, Cause.NO_DEMAND, now_ns)

    def on_dialled(self, now_ns: int) -> bool:
        """A socket reached HTTP 101. False when it is no longer needed and must be closed."""
        if self.state is not State.CONNECTING or self.socket is not SocketState.DIALLING:
            return False
        self.socket = SocketState.OPEN
        self.abandoned = False
        self.connection += 1
        self._pinged_ns = 0
        self._take(Signal.DIALLED, Cause.DEMAND, now_ns)
        return True

    def on_dial_ended(self, now_ns: int) -> None:
        """The dialler is free again after an attempt that brought no socket."""
        self.abandoned = False
        if self.socket is SocketState.DIALLING:
            self.socket = SocketState.NONE
            self._redial_if_due(now_ns)

    def on_greeting(self) -> None:
        """The upstream sent `connected`."""
        if self.state is State.AUTHENTICATING:
            self._command(SocketCommand.AUTHENTICATE)

    def on_authenticated(self, now_ns: int) -> None:
        """The upstream accepted the credentials."""
        if self.state is State.AUTHENTICATING:
            self._take(Signal.AUTHENTICATED, Cause.DEMAND, now_ns)
            self._learn_about_pongs(now_ns)

    def on_subscribed(self, now_ns: int, *, detail: str) -> None:
        """The upstream answered a subscribe. The first answer makes the connection `streaming`."""
        if self.state is not State.SUBSCRIBING:
            return
        if self._lost_ns is not None:
            self.gap = MissedInterval(self._lost_ns, now_ns)
            self._lost_ns = None
        self.detail = detail
        self._take(Signal.ANSWERED, Cause.DEMAND, now_ns)
        self._learn_about_pongs(now_ns)

    def _learn_about_pongs(self, now_ns: int) -> None:
        """Ping an address that has never answered one: whether it does decides how much silence it is allowed.

        Once before the first subscribe, so that a healthy one has answered when it streams, and once after it.
        """
        if not self.pongs.answers:
            if self.state is State.STREAMING:
                self.pongs.on_ping(now_ns)
            self._ping(now_ns)

    def on_pong(self) -> None:
        """The upstream has answered a ping."""
        self.pongs.on_pong()

    def annotate(self, detail: str, now_ns: int) -> None:
        """Set the detail of a connection that is up; published when it changes."""
        if detail != self.detail and self.state in UP:
            self.detail = detail
            self._changed(now_ns)

    def on_failure(
        self,
        cause: Cause,
        now_ns: int,
        *,
        for_operator: bool = False,
        last_byte_ns: int | None = None,
        detail: str = "",
        retry_after_ns: int = 0,
    ) -> None:
        """The attempt or the connection has failed: wait for the next attempt, or end if it only lingered."""
        if self.state not in CONNECTED and (self.state is not State.CONNECTING or self.socket is SocketState.CLOSING):
            return  # nothing is open, or this is the end of the previous socket
        was_up = self.state in UP
        self.pongs.on_lost()
        if self.state is State.STREAMING:
            self._backoff.record_streaming(last_byte_ns or now_ns)
        if self._lost_ns is None and was_up:
            self._lost_ns = last_byte_ns or now_ns
        lingering = self.lingering
        self._drop_socket()
        if lingering:  # no client is subscribed: do not redial
            self._take(Signal.UNWANTED, Cause.NO_DEMAND, now_ns)
            return
        state, wait_ns = self._backoff.record_failure(
            cause,
            now_ns,
            was_up=was_up,
            lost_ns=self._lost_ns,
            for_operator=for_operator,
            retry_after_ns=retry_after_ns,
        )
        self.next_retry_ns = self._not_before_ns = self._budget.next_ns(now_ns + wait_ns)
        self._asked_to_wait = cause in _ASKED_TO_WAIT or retry_after_ns > 0
        self._last_failure = cause
        signal = next(signal for signal, target in FAILURES.items() if target is state)
        self._take(signal, cause, now_ns, detail)

    def on_socket_closed(self, now_ns: int) -> None:
        """The shell has closed the socket: the next one may be dialled."""
        if self.socket in (SocketState.CLOSING, SocketState.OPEN):
            self.socket = SocketState.NONE
            self._redial_if_due(now_ns)

    def on_other_node(self, now_ns: int) -> None:
        """Another node is active on this bus, or holds the lock."""
        if self.state is not State.STOPPED and not self.waiting:
            self._end(Signal.OTHER_NODE, Cause.OTHER_NODE, now_ns)

    def on_alone(self, now_ns: int) -> None:
        """No other node is active and this one holds the lock."""
        if self.state is State.STANDBY:
            self._take(Signal.ALONE, Cause.NO_DEMAND, now_ns)

    def stop(self, now_ns: int) -> None:
        """Orderly exit."""
        if self.state is not State.STOPPED:
            self._end(Signal.STOP, Cause.SHUTDOWN, now_ns)

    def on_lag(self, lag_ns: int, now_ns: int) -> None:
        """How far the connection lags. One that delivers a backlog is up, but its prices cannot be trusted."""
        if self.state is State.STREAMING and lag_ns > self._slow_line_ns:
            self._slow = True
            self._take(Signal.SLOW, Cause.SLOW_LINE, now_ns)
        elif lag_ns <= self._slow_line_ns // 2:
            self._slow = False  # `on_time` decides whether the connection is alive as well

    def on_mute(self, now_ns: int, *, mute: bool) -> None:
        """Whether it is proven that the upstream has data which does not come over this connection."""
        if mute and not self._mute and self.state is State.STREAMING:
            self._take(Signal.MUTE, Cause.MUTE, now_ns)
        self._mute = mute  # `on_time` decides whether the connection is alive as well

    # time

    def on_time(self, now_ns: int, last_byte_ns: int) -> None:
        """Let time pass. `last_byte_ns` is when the connection last proved alive."""
        if self.state in WAITING:
            self._redial_if_due(now_ns)
        elif self.state is State.CONNECTING:
            # Our own clock watches the dialler too: a name look-up may hang longer than any socket option allows.
            if self.socket is SocketState.DIALLING and now_ns - self.since_ns >= DIAL_TIMEOUT_NS:
                self.on_failure(Cause.CONNECT_TIMEOUT, now_ns)
        elif self.state in CONNECTED:
            if self.lingering and self._linger_until_ns is not None and now_ns >= self._linger_until_ns:
                self._end(Signal.UNWANTED, Cause.NO_DEMAND, now_ns)
                return
            if self.state is State.AUTHENTICATING and now_ns - self.since_ns >= AUTH_TIMEOUT_NS:
                self.on_failure(Cause.AUTH_TIMEOUT, now_ns)
                return
            self._prove_life(now_ns, max(last_byte_ns, 0))

    def next_ns(self, last_byte_ns: int) -> int | None:
        """When `on_time` has something to do."""
        if self.state in WAITING:
            return self.next_retry_ns if self.socket is SocketState.NONE else None
        if self.state is State.CONNECTING:
            return self.since_ns + DIAL_TIMEOUT_NS
        if self.state not in CONNECTED:
            return None
        suspect_ns, no_life_ns = self.pongs.bounds_ns
        doubt_ns = suspect_ns if self.state is State.STREAMING else no_life_ns
        times = [max(last_byte_ns, self._pinged_ns) + PING_NS, last_byte_ns + doubt_ns]
        if self.state is State.AUTHENTICATING:
            times.append(self.since_ns + AUTH_TIMEOUT_NS)
        if self._linger_until_ns is not None:
            times.append(self._linger_until_ns)
        if self.pongs.due_ns is not None:
            times.append(self.pongs.due_ns)
        return min(times)

    def _prove_life(self, now_ns: int, last_byte_ns: int) -> None:
        self.pongs.on_time(now_ns)
        suspect_ns, no_life_ns = self.pongs.bounds_ns
        silent_ns = now_ns - last_byte_ns
        if self.state is State.SUSPECT and silent_ns < suspect_ns and not (self._slow or self._mute):
            self._take(Signal.ALIVE, Cause.LINGERING if self.lingering else Cause.DEMAND, now_ns)
        elif silent_ns >= no_life_ns:
            self.on_failure(Cause.NO_LIFE, now_ns, last_byte_ns=last_byte_ns)
        elif silent_ns >= suspect_ns and self.state is State.STREAMING:
            self._take(Signal.SILENT, Cause.NO_LIFE, now_ns)
        elif self.state is State.STREAMING:
            self._backoff.record_streaming(now_ns)
        if silent_ns >= PING_NS and now_ns - self._pinged_ns >= PING_NS and self.state in CONNECTED:
            self._ping(now_ns)

    def _ping(self, now_ns: int) -> None:
        self._pinged_ns = now_ns
        self._command(SocketCommand.PING)

    # the one method that changes state

    def _take(self, signal: Signal, cause: Cause, now_ns: int, detail: str = "") -> None:
        target = TRANSITIONS[self.state].get(signal)
        if target is None:
            raise IllegalTransition(f"{self._name} session", self.state, signal, cause)
        log.debug("%s: %s -> %s on %s (%s)", self._name, self.state, target, signal, cause)
        if target is not self.state:
            self.since_ns = now_ns
            if target is State.STREAMING:
                self._backoff.begin_streaming(now_ns)
        if target not in UP:
            self.detail = detail
            self._linger_until_ns = None
            self._slow = self._mute = False
        if target not in WAITING:
            self.next_retry_ns = None
        self.state, self.cause = target, cause
        self._changed(now_ns)

    def _end(self, signal: Signal, cause: Cause, now_ns: int) -> None:
        self._drop_socket()
        self._lost_ns = None
        self._backoff.end_trouble()
        self._take(signal, cause, now_ns)

    def _drop_socket(self) -> None:
        if self.socket is SocketState.OPEN:
            self.socket = SocketState.CLOSING
            self._command(SocketCommand.HANG_UP)
        elif self.socket is SocketState.DIALLING:
            self.abandoned = True
            self._command(SocketCommand.ABANDON_DIAL)

    def _redial_if_due(self, now_ns: int) -> None:
        if self.socket is not SocketState.NONE:
            return
        if self.state in WAITING and self.next_retry_ns is not None and now_ns >= self.next_retry_ns:
            self._take(Signal.RETRY, Cause.DEMAND, now_ns)
            self._dial(now_ns)
        elif self.state is State.CONNECTING:  # wanted while the previous socket was still closing
            self._dial(now_ns)

    def _dial(self, now_ns: int, *, probe: bool = False) -> None:
        if self.socket is SocketState.NONE:
            self.socket = SocketState.DIALLING
            if not probe:
                self._budget.spend(now_ns)
            self._command(SocketCommand.DIAL)
