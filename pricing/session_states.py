"""The states of the upstream connection and the table of its transitions. Pure.

A pair that is not in the table is an error, never ignored. `streaming` is entered only when the upstream answers our
first subscribe. `pricing/README.md` shows the table as a diagram, and a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum

from quotebus.bus.events import ConnectionState as State


class Signal(StrEnum):
    """What can happen to a connection."""

    WANTED = "wanted"
    TOO_SOON = "wanted too soon"
    UNWANTED = "unwanted"
    LINGER = "linger"
    DIALLED = "dialled"
    AUTHENTICATED = "authenticated"
    ANSWERED = "answered"
    SILENT = "silent"
    SLOW = "slow"
    MUTE = "mute"
    ALIVE = "alive"
    FAILED = "failed"
    FAILED_AGAIN = "failed again"
    FORBIDDEN = "forbidden"
    RETRY = "retry"
    OTHER_NODE = "other node"
    ALONE = "alone"
    STOP = "stop"


FAILURES = {
    Signal.FAILED: State.BACKING_OFF,
    Signal.FAILED_AGAIN: State.CIRCUIT_OPEN,
    Signal.FORBIDDEN: State.REFUSED,
}
"""Which signal leads to the state that the backoff chose."""
_ENDS = {Signal.UNWANTED: State.IDLE, Signal.OTHER_NODE: State.STANDBY, Signal.STOP: State.STOPPED}
_WAITING = {Signal.RETRY: State.CONNECTING, **_ENDS}

TRANSITIONS: dict[State, dict[Signal, State]] = {
    State.IDLE: {
        Signal.WANTED: State.CONNECTING,
        Signal.TOO_SOON: State.BACKING_OFF,
        Signal.OTHER_NODE: State.STANDBY,
        Signal.STOP: State.STOPPED,
    },
    State.CONNECTING: {Signal.DIALLED: State.AUTHENTICATING, **FAILURES, **_ENDS},
    State.AUTHENTICATING: {Signal.AUTHENTICATED: State.SUBSCRIBING, **FAILURES, **_ENDS},
    State.SUBSCRIBING: {Signal.ANSWERED: State.STREAMING, **FAILURES, **_ENDS},
    State.STREAMING: {
        Signal.SILENT: State.SUSPECT,
        Signal.SLOW: State.SUSPECT,
        Signal.MUTE: State.SUSPECT,
        Signal.LINGER: State.STREAMING,
        Signal.WANTED: State.STREAMING,
        **FAILURES,
        **_ENDS,
    },
    State.SUSPECT: {
        Signal.ALIVE: State.STREAMING,
        Signal.LINGER: State.SUSPECT,
        Signal.WANTED: State.SUSPECT,
        **FAILURES,
        **_ENDS,
    },
    State.BACKING_OFF: _WAITING,
    State.CIRCUIT_OPEN: _WAITING,
    State.REFUSED: _WAITING,
    State.STANDBY: {Signal.ALONE: State.IDLE, Signal.OTHER_NODE: State.STANDBY, Signal.STOP: State.STOPPED},
    State.STOPPED: {},
}

CONNECTED = frozenset({State.AUTHENTICATING, State.SUBSCRIBING, State.STREAMING, State.SUSPECT})
"""A socket is open."""
UP = frozenset({State.STREAMING, State.SUSPECT})
"""Subscribed: data may arrive."""
WAITING = frozenset({State.BACKING_OFF, State.CIRCUIT_OPEN, State.REFUSED})
"""Wanted, and waiting for the next attempt."""
