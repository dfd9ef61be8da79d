"""Never two sockets: the session against a shell that does everything as late and in as odd an order as it may."""

from __future__ import annotations

import random

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.session import Session, SocketState
from quotebus.pricing.session_states import CONNECTED
from tests.support.pricing import T0


class Shell:
    """What carries the orders out, as slowly and unkindly as the real one may."""

    def __init__(self) -> None:
        self.dialling = 0
        self.open = 0
        self.closing = 0
        self.dials = 0

    def obey(self, order: SocketCommand) -> None:
        if order is SocketCommand.DIAL:
            assert (self.dialling, self.open, self.closing) == (0, 0, 0), "dialled although there is a socket"
            self.dialling = 1
            self.dials += 1
        elif order is SocketCommand.HANG_UP:
            assert self.open == 1, "hung up on nothing"
            self.open, self.closing = 0, 1
        elif order is SocketCommand.ABANDON_DIAL:
            assert self.dialling == 1, "abandoned nothing"


@pytest.mark.parametrize("seed", range(30))
def test_never_two_sockets_whatever_happens_in_whatever_order(seed: int) -> None:
    rng = random.Random(seed)
    shell, now_ns, byte_ns = Shell(), T0, T0
    changes = 0

    def changed(_: int) -> None:
        nonlocal changes
        changes += 1

    session = Session(Backoff(rng.random), changed, shell.obey, linger_ns=2 * NS_PER_S)
    for _ in range(3_000):
        before, seen = (session.state, session.cause), changes
        now_ns += rng.choice([0, 0, NS_PER_S // 10, NS_PER_S, 7 * NS_PER_S])
        match rng.randrange(14):
            case 0 | 1:
                session.on_demand(now_ns)
            case 2:
                session.on_no_demand(now_ns)
            case 3 | 4 if shell.dialling:
                shell.dialling = 0
                if session.on_dialled(now_ns):
                    shell.open, byte_ns = 1, now_ns
                else:
                    session.on_dial_ended(now_ns)
            case 5 if shell.dialling:
                if not session.abandoned:
                    session.on_failure(rng.choice([Cause.DNS, Cause.CONNECTION_LIMIT, Cause.TLS]), now_ns)
                shell.dialling = 0
                session.on_dial_ended(now_ns)
            case 6 if shell.closing:
                shell.closing = 0
                if rng.random() < 0.3:
                    session.on_failure(Cause.RESET, now_ns)
                session.on_socket_closed(now_ns)
            case 7 if shell.open:  # lost: the shell closes by itself, then says so
                shell.open, shell.closing = 0, 0
                session._command = lambda order: None if order is SocketCommand.HANG_UP else shell.obey(order)
                session.on_failure(Cause.CLOSED, now_ns, last_byte_ns=byte_ns)
                session._command = shell.obey
                session.on_socket_closed(now_ns)
            case 8:
                session.on_authenticated(now_ns)
            case 9:
                session.on_subscribed(now_ns, detail="")
            case 10 if rng.random() < 0.1:
                session.on_other_node(now_ns)
            case 11:
                session.on_alone(now_ns)
            case 12:
                byte_ns = now_ns
            case _:
                session.on_time(now_ns, byte_ns)
        assert shell.dialling + shell.open + shell.closing <= 1
        assert (session.socket is SocketState.NONE) == (not (shell.dialling or shell.open or shell.closing))
        if (session.state, session.cause) != before:
            assert changes > seen, "a change that was not published"
        if session.state in CONNECTED:
            assert session.socket is SocketState.OPEN
    assert shell.dials > 20
