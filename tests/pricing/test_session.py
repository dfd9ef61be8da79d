"""The connection's machine: its table and picture, its deadlines on a virtual clock, and never two sockets."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import Cause, ConnectionState
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.session import Session, SocketState
from quotebus.pricing.session_states import CONNECTED, TRANSITIONS, UP, WAITING, Signal
from tests.support.pricing import T0, s, session_picture

State = ConnectionState
STEP_NS = NS_PER_S // 20


class Rig:
    """A session, what it published and ordered, and the time. `jitter` 1 makes every wait its longest."""

    def __init__(self, jitter: float = 1.0, linger_s: float = 30) -> None:
        self.now_ns = T0
        self.byte_ns = T0
        self.pongs = True
        self.published: list[tuple[int, State, Cause]] = []
        self.orders: list[tuple[int, SocketCommand]] = []
        self.session = Session(Backoff(lambda: jitter), self._changed, self._order, linger_ns=int(linger_s * NS_PER_S))

    def _changed(self, now_ns: int) -> None:
        self.published.append((now_ns, self.session.state, self.session.cause))

    def _order(self, order: SocketCommand) -> None:
        self.orders.append((self.now_ns, order))
        if order is SocketCommand.PING and self.pongs:
            self.session.on_pong()

    def count(self, order: SocketCommand) -> int:
        return sum(given is order for _, given in self.orders)

    def run(self, seconds: float, *, alive: bool = False) -> None:
        """Let time pass in small steps; with `alive` a byte comes at each."""
        end_ns = self.now_ns + int(seconds * NS_PER_S)
        while self.now_ns < end_ns:
            self.now_ns = min(self.now_ns + STEP_NS, end_ns)
            if alive:
                self.byte_ns = self.now_ns
            self.session.on_time(self.now_ns, self.byte_ns)

    def dialled(self) -> None:
        assert self.session.on_dialled(self.now_ns)
        self.byte_ns = self.now_ns

    def stream(self) -> None:
        """From anywhere that dials to streaming."""
        self.dialled()
        self.session.on_greeting()
        self.session.on_authenticated(self.now_ns)
        self.session.on_subscribed(self.now_ns, detail="")
        assert self.session.state is State.STREAMING

    def start(self) -> None:
        self.session.on_demand(self.now_ns)
        self.stream()

    def lose(self, cause: Cause = Cause.RESET) -> None:
        self.session.on_failure(cause, self.now_ns)
        self.session.on_socket_closed(self.now_ns)


def states(rig: Rig) -> list[State]:
    return [state for _, state, _ in rig.published]


# the table


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("signal", Signal)
def test_every_pair_is_in_the_table_or_raises(state: State, signal: Signal) -> None:
    rig = Rig()
    rig.session.state = state
    target = TRANSITIONS[state].get(signal)
    if target is None:
        told = re.escape(f"upstream session: {signal} is illegal in state {state} (")
        with pytest.raises(IllegalTransition, match=told):
            rig.session._take(signal, Cause.DEMAND, T0)
        assert rig.published == []
        assert rig.session.state is state
    else:
        rig.session._take(signal, Cause.CLOSED, T0 + 5)
        assert rig.published == [(T0 + 5, target, Cause.CLOSED)]
        assert rig.session.since_ns == (T0 + 5 if target is not state else 0)


def test_table_rules() -> None:
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.STOPPED] == {}
    into_streaming = {state for state, moves in TRANSITIONS.items() if State.STREAMING in moves.values()}
    assert into_streaming == {State.SUBSCRIBING, *UP}
    assert {signal for signal, to in TRANSITIONS[State.SUBSCRIBING].items() if to in UP} == {Signal.ANSWERED}
    for state in set(State) - {State.STOPPED}:
        assert TRANSITIONS[state][Signal.STOP] is State.STOPPED
    for state in {*CONNECTED, State.CONNECTING}:
        assert {Signal.FAILED, Signal.FAILED_AGAIN, Signal.FORBIDDEN} <= TRANSITIONS[state].keys()


def test_picture_in_the_readme_is_the_table() -> None:
    readme = (Path(__file__).parents[2] / "pricing" / "README.md").read_text()
    assert re.findall(r"```mermaid\n(.*?)\n```", readme, re.DOTALL) == [session_picture()]


# the story


def test_the_whole_way_is_published_step_by_step() -> None:
    rig = Rig(linger_s=3)
    rig.start()
    rig.session.on_no_demand(rig.now_ns)
    rig.run(4, alive=True)
    assert [(state, cause) for _, state, cause in rig.published] == [
        (State.CONNECTING, Cause.DEMAND),
        (State.AUTHENTICATING, Cause.DEMAND),
        (State.SUBSCRIBING, Cause.DEMAND),
        (State.STREAMING, Cause.DEMAND),
        (State.STREAMING, Cause.LINGERING),
        (State.IDLE, Cause.NO_DEMAND),
    ]
    assert rig.published[-1][0] == s(3)
    assert [order for _, order in rig.orders] == [
        SocketCommand.DIAL,
        SocketCommand.AUTHENTICATE,
        SocketCommand.PING,
        SocketCommand.HANG_UP,
    ]


def test_wanted_again_while_lingering_keeps_the_line() -> None:
    rig = Rig(linger_s=3)
    rig.start()
    since_ns = rig.session.since_ns
    rig.session.on_no_demand(rig.now_ns)
    rig.run(2.9, alive=True)
    rig.session.on_demand(rig.now_ns)
    rig.run(10, alive=True)
    assert rig.session.state is State.STREAMING
    assert (rig.session.cause, rig.session.since_ns, rig.session.connection) == (Cause.DEMAND, since_ns, 1)
    assert rig.count(SocketCommand.DIAL) == 1


def test_a_lingering_line_that_breaks_is_not_dialled_again() -> None:
    rig = Rig()
    rig.start()
    rig.session.on_no_demand(rig.now_ns)
    rig.lose()
    rig.run(120)
    assert rig.session.state is State.IDLE
    assert (rig.count(SocketCommand.DIAL), rig.session.attempt) == (1, 0)


@pytest.mark.parametrize("steps", range(4))
def test_release_before_streaming_ends_at_once(steps: int) -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    for step in (rig.dialled, lambda: rig.session.on_authenticated(T0))[: max(0, steps - 1)]:
        step()
    rig.session.on_no_demand(T0)
    assert rig.session.state is State.IDLE
    assert rig.orders[-1][1] is (
        SocketCommand.ABANDON_DIAL if rig.session.socket is SocketState.DIALLING else SocketCommand.HANG_UP
    )


# deadlines


def test_silence_is_pinged_suspected_and_cut_in_time() -> None:
    rig = Rig()
    rig.start()
    rig.run(5)
    pings = [at for at, order in rig.orders if order is SocketCommand.PING]
    assert pings == [T0, s(1), s(2), s(3), s(4)]
    assert [(at, state) for at, state, _ in rig.published[-2:]] == [
        (s(2.5), State.SUSPECT),
        (s(4.5), State.BACKING_OFF),
    ]
    assert {cause for _, _, cause in rig.published[-2:]} == {Cause.NO_LIFE}
    assert rig.session.gap.end_ns is None


def test_one_byte_clears_the_suspicion() -> None:
    rig = Rig()
    rig.start()
    rig.run(3)
    assert rig.session.state is State.SUSPECT
    rig.run(2, alive=True)
    assert states(rig)[-2:] == [State.SUSPECT, State.STREAMING]
    assert rig.count(SocketCommand.DIAL) == 1


@pytest.mark.parametrize("subscribing", [False, True])
def test_silence_before_streaming_is_cut_in_time_too(subscribing: bool) -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.dialled()
    if subscribing:
        rig.session.on_authenticated(T0)
    rig.run(5)
    assert (rig.published[-1][0], rig.session.cause) == (s(4.5), Cause.NO_LIFE)


def test_authentication_has_ten_seconds() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.dialled()
    rig.run(11, alive=True)
    assert rig.published[-1] == (s(10), State.BACKING_OFF, Cause.AUTH_TIMEOUT)
    assert rig.session.socket is SocketState.CLOSING


def test_a_dialler_that_hangs_is_given_up_and_nothing_is_dialled_before_it_is_back() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.run(60)
    assert rig.published[-1] == (s(5.5), State.BACKING_OFF, Cause.CONNECT_TIMEOUT)
    assert rig.count(SocketCommand.DIAL) == 1
    assert rig.count(SocketCommand.ABANDON_DIAL) == 1
    rig.session.on_dial_ended(rig.now_ns)
    assert rig.count(SocketCommand.DIAL) == 2


@pytest.mark.parametrize("state", [State.CONNECTING, *sorted(CONNECTED), *sorted(WAITING)])
def test_every_waiting_state_says_when_it_will_look_again_and_never_in_the_past(state: State) -> None:
    rig = Rig()
    if state is State.CONNECTING:
        rig.session.on_demand(T0)
    else:
        rig.start()
        if state in WAITING:
            rig.lose()
        rig.session.state = state
    for _ in range(20_000):
        if rig.session.state is not state:
            return
        next_ns = rig.session.next_ns(rig.byte_ns)
        assert next_ns is not None
        assert next_ns > rig.now_ns, f"busy loop in {state}"
        rig.now_ns = next_ns
        rig.session.on_time(rig.now_ns, rig.byte_ns)
    raise AssertionError(f"{state} has no end")


# backoff


def test_a_flapping_connection_is_dialled_again_within_a_second_and_each_second_of_streaming_forgives() -> None:
    rig = Rig()
    rig.session.on_demand(rig.now_ns)
    for failures in range(1, 5):
        rig.stream()
        rig.run(0.9, alive=True)
        rig.lose(Cause.CLOSED)
        assert rig.session.attempt == failures
        rig.run(1.05)
    rig.stream()
    rig.run(3.1, alive=True)
    assert rig.session.attempt == 1


def test_suspect_time_does_not_count_as_streaming() -> None:
    rig = Rig()
    rig.session.on_demand(rig.now_ns)
    for _ in range(3):
        rig.session.on_failure(Cause.RESET, rig.now_ns)
        rig.session.on_dial_ended(rig.now_ns)
        rig.run(1)
    rig.stream()
    rig.session.on_lag(9 * NS_PER_S, rig.now_ns)
    rig.run(10, alive=True)
    assert (rig.session.state, rig.session.attempt) == (State.SUSPECT, 3)
    rig.session.on_lag(0, rig.now_ns)
    rig.run(0.9, alive=True)
    assert (rig.session.state, rig.session.attempt) == (State.STREAMING, 3)
    rig.run(1, alive=True)
    assert rig.session.attempt == 2


def test_ten_failures_and_a_minute_open_the_circuit_and_it_is_dialled_on() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    dials = []
    while rig.now_ns < T0 + 90 * NS_PER_S:
        assert rig.session.state is State.CONNECTING
        dials.append((rig.now_ns - T0) / NS_PER_S)
        rig.session.on_failure(Cause.CONNECT_REFUSED, rig.now_ns)
        rig.session.on_dial_ended(rig.now_ns)
        assert rig.session.next_retry_ns is not None
        assert (rig.session.state is State.CIRCUIT_OPEN) is (dials[-1] >= 60)
        rig.now_ns = rig.session.next_retry_ns
        rig.session.on_time(rig.now_ns, 0)
    waits = [round(later - former, 2) for former, later in pairwise(dials)]
    assert waits[:6] == [0.25, 0.5, 1, 2, 4, 5]
    assert set(waits[6:]) == {5.0}


def test_a_new_request_is_tried_at_once_twice_a_minute() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    probes = []
    while rig.now_ns < T0 + 120 * NS_PER_S:
        if rig.session.state is State.CONNECTING:
            rig.session.on_failure(Cause.CONNECT_REFUSED, rig.now_ns)
            rig.session.on_dial_ended(rig.now_ns)
        rig.run(0.05)
        if rig.session.state is not State.CONNECTING:
            rig.session.on_new_request(rig.now_ns)
            if rig.session.state is State.CONNECTING:
                probes.append((rig.now_ns - T0) // NS_PER_S)
    assert len(probes) == 4
    assert probes[2] - probes[0] >= 60


@pytest.mark.parametrize(
    ("cause", "for_operator", "retry_after_s"),
    [
        (Cause.AUTH_FAILED, True, 0),
        (Cause.CONNECTION_LIMIT, False, 0),
        (Cause.HTTP_429, False, 0),
        (Cause.RESET, False, 9),
    ],
)
def test_a_new_request_does_not_hurry_what_the_upstream_set(
    cause: Cause, for_operator: bool, retry_after_s: int
) -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.session.on_failure(cause, T0, for_operator=for_operator, retry_after_ns=s(retry_after_s))
    rig.session.on_dial_ended(T0)
    rig.session.on_new_request(T0)
    assert rig.session.state in WAITING


def test_an_operator_hurries_what_only_an_operator_can_mend() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    probes = []
    for second in range(61):
        rig.now_ns = T0 + s(second)
        if rig.session.state is State.CONNECTING:
            rig.session.on_failure(Cause.AUTH_FAILED, rig.now_ns)
            rig.session.on_dial_ended(rig.now_ns)
        if rig.session.probe(rig.now_ns):
            probes.append(second)
    assert probes == [0, 1, 60]


@pytest.mark.parametrize(
    ("cause", "retry_after_s"), [(Cause.CONNECTION_LIMIT, 0), (Cause.HTTP_429, 0), (Cause.RESET, 9)]
)
def test_nor_does_an_operator_hurry_what_the_upstream_set(cause: Cause, retry_after_s: int) -> None:
    rig = Rig()
    assert not rig.session.probe(T0)  # nobody wants anything
    rig.session.on_demand(T0)
    assert not rig.session.probe(T0)  # an attempt is under way
    rig.session.on_failure(cause, T0, retry_after_ns=s(retry_after_s))
    rig.session.on_dial_ended(T0)
    assert not rig.session.probe(T0)


def test_probes_of_requests_and_of_an_operator_are_counted_together() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    for probe in (rig.session.on_new_request, rig.session.probe, rig.session.probe):
        rig.session.on_failure(Cause.CONNECT_REFUSED, T0)
        rig.session.on_dial_ended(T0)
        probe(T0)
    assert rig.session.state is State.BACKING_OFF


def test_letting_go_and_asking_again_is_no_way_round_the_backoff() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.session.on_failure(Cause.AUTH_FAILED, T0, for_operator=True)
    rig.session.on_dial_ended(T0)
    for _ in range(100):
        rig.session.on_no_demand(rig.now_ns)
        rig.session.on_demand(rig.now_ns)
        assert rig.session.state is State.BACKING_OFF
        assert (rig.session.cause, rig.session.next_retry_ns) == (Cause.AUTH_FAILED, s(60))
        rig.run(0.5)
    assert rig.count(SocketCommand.DIAL) == 1
    rig.run(11)
    assert [at for at, order in rig.orders if order is SocketCommand.DIAL] == [T0, s(60)]


def test_how_an_abandoned_attempt_ends_is_not_held_against_the_next() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.session.on_no_demand(T0)
    rig.session.on_demand(T0)
    assert rig.session.abandoned
    rig.session.on_dial_ended(T0)
    assert (rig.session.state, rig.session.attempt, rig.session.abandoned) == (State.CONNECTING, 0, False)
    assert rig.count(SocketCommand.DIAL) == 2


def test_the_end_of_the_old_line_is_not_held_against_the_next() -> None:
    rig = Rig()
    rig.session.on_demand(T0)
    rig.dialled()
    rig.session.on_no_demand(T0)
    rig.session.on_demand(T0)
    assert (rig.session.state, rig.session.socket) == (State.CONNECTING, SocketState.CLOSING)
    rig.lose(Cause.RESET)
    assert (rig.session.state, rig.session.attempt) == (State.CONNECTING, 0)
    assert rig.count(SocketCommand.DIAL) == 2


def test_a_storm_of_asking_and_letting_go_stays_within_the_budget() -> None:
    rig = Rig()
    began_ns = rig.now_ns
    while rig.now_ns < began_ns + 60 * NS_PER_S:
        rig.session.on_demand(rig.now_ns)
        rig.run(0.02)
        rig.session.on_no_demand(rig.now_ns)
        if rig.session.abandoned:
            rig.session.on_dial_ended(rig.now_ns)
        rig.run(0.02)
    assert rig.count(SocketCommand.DIAL) <= 8 + 60 / 3.6


def test_a_line_that_is_behind_is_suspect_until_it_is_half_as_much() -> None:
    rig = Rig()
    rig.start()
    rig.session.on_lag(2 * NS_PER_S, rig.now_ns)
    assert rig.session.state is State.STREAMING
    rig.session.on_lag(2 * NS_PER_S + 1, rig.now_ns)
    assert (rig.session.state, rig.session.cause) == (State.SUSPECT, Cause.SLOW_LINE)
    rig.run(30, alive=True)
    assert (rig.session.state, rig.session.socket) == (State.SUSPECT, SocketState.OPEN), (
        "alive: no reason to dial again"
    )
    rig.session.on_lag(NS_PER_S + 1, rig.now_ns)
    rig.run(0.1, alive=True)
    assert rig.session.state is State.SUSPECT
    rig.session.on_lag(NS_PER_S, rig.now_ns)
    rig.run(0.1, alive=True)
    assert (rig.session.state, rig.session.cause) == (State.STREAMING, Cause.DEMAND)


def test_a_slow_line_that_goes_silent_is_cut_and_the_next_one_starts_clean() -> None:
    rig = Rig()
    rig.start()
    rig.session.on_lag(9 * NS_PER_S, rig.now_ns)
    rig.run(4.6)
    assert (rig.session.state, rig.session.cause) == (State.BACKING_OFF, Cause.NO_LIFE)
    rig.session.on_socket_closed(rig.now_ns)
    rig.run(1)
    rig.stream()
    rig.run(1, alive=True)
    assert rig.session.state is State.STREAMING


def test_the_upstream_may_ask_for_a_longer_wait() -> None:
    rig = Rig()
    rig.session.on_demand(rig.now_ns)
    rig.session.on_failure(Cause.HTTP_429, rig.now_ns, retry_after_ns=90 * NS_PER_S)
    rig.session.on_dial_ended(rig.now_ns)
    assert rig.session.next_retry_ns == rig.now_ns + 90 * NS_PER_S


def test_gap_runs_from_the_last_byte_to_the_first_answer_and_stays() -> None:
    rig = Rig()
    rig.start()
    rig.run(20, alive=True)
    rig.session.on_failure(Cause.RESET, rig.now_ns, last_byte_ns=s(19))
    rig.session.on_socket_closed(rig.now_ns)
    rig.run(2)
    assert (rig.session.gap.start_ns, rig.session.gap.end_ns) == (None, None), "not before it is known whole"
    rig.stream()
    ended_ns = rig.now_ns
    rig.run(50, alive=True)
    assert (rig.session.gap.start_ns, rig.session.gap.end_ns) == (s(19), ended_ns)


def test_standby_hangs_up_and_comes_back_idle() -> None:
    rig = Rig()
    rig.start()
    rig.session.on_other_node(rig.now_ns)
    assert rig.orders[-1][1] is SocketCommand.HANG_UP
    rig.session.on_demand(rig.now_ns)
    rig.session.on_other_node(rig.now_ns)
    rig.session.on_alone(rig.now_ns)
    assert states(rig)[-2:] == [State.STANDBY, State.IDLE]
    rig.session.stop(rig.now_ns)
    rig.session.stop(rig.now_ns)
    rig.session.on_other_node(rig.now_ns)
    assert states(rig)[-1] is State.STOPPED
    assert states(rig).count(State.STOPPED) == 1
