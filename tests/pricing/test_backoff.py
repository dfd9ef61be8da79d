"""The waits: jittered, growing, bounded by how long the trouble lasts, and slower where the upstream asks for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionState
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.faults import OPERATOR_CAUSES
from tests.support.samples import QUICK

T0 = 1_000 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S
MOST = 0.999_999


def s(duration_s: float) -> int:
    return int(duration_s * NS_PER_S)


def waits_s(instants_s: list[float], *, jitter: float = MOST, cause: Cause = Cause.RESET) -> list[float]:
    """The wait after a failure at each of these seconds of one trouble, which began at the first."""
    backoff = Backoff(lambda: jitter)
    return [round(backoff.record_failure(cause, T0 + s(at_s))[1] / NS_PER_S, 2) for at_s in instants_s]


def test_the_bound_doubles_from_a_quarter_of_a_second_to_five_seconds() -> None:
    assert waits_s([0, 100, 100, 100, 100, 100, 100]) == [0.25, 0.5, 1, 2, 4, 5, 5]


def test_the_bound_is_no_longer_than_one_and_a_half_times_the_trouble_and_half_a_second_at_least() -> None:
    assert waits_s([0, 0.1, 0.2, 0.5, 1, 2, 3]) == [0.25, 0.5, 0.5, 0.75, 1.5, 3, 4.5]


def test_after_five_minutes_without_success_the_bound_is_fifteen_seconds() -> None:
    assert waits_s([0] * 7 + [299.9, 300, 3_600])[-3:] == [5, 15, 15]


def test_jitter_is_full() -> None:
    for jitter in (0.0, 0.25, 0.5):
        assert waits_s([0, 100, 100, 100], jitter=jitter) == [round(jitter * bound, 2) for bound in (0.25, 0.5, 1, 2)]


@pytest.mark.parametrize(("jitter", "wait_s"), [(0.0, 0.1), (0.5, 0.55), (MOST, 1.0)])
def test_a_connection_that_streamed_and_fell_is_dialled_again_within_a_second(jitter: float, wait_s: float) -> None:
    backoff = Backoff(lambda: jitter)
    for number in range(20):
        backoff.begin_streaming(T0 + s(number))
        _, wait_ns = backoff.record_failure(Cause.CLOSED, T0 + s(number + 0.5), was_up=True)
        assert round(wait_ns / NS_PER_S, 2) == wait_s


def test_a_trouble_begins_when_the_connection_fell_silent() -> None:
    backoff = Backoff(lambda: MOST)
    backoff.record_failure(Cause.NO_LIFE, T0 + s(4.5), was_up=True, lost_ns=T0)
    for _ in range(5):
        _, wait_ns = backoff.record_failure(Cause.RESET, T0 + s(6))
    assert wait_ns == pytest.approx(s(5), abs=s(0.01))


def test_the_circuit_is_open_after_ten_failures_and_a_minute_and_that_changes_no_wait() -> None:
    backoff = Backoff(lambda: MOST)
    seen = [backoff.record_failure(Cause.RESET, T0 + s(at_s)) for at_s in [*range(12), 59, 60, 61]]
    assert [state for state, _ in seen] == [ConnectionState.BACKING_OFF] * 13 + [ConnectionState.CIRCUIT_OPEN] * 2
    assert max(wait for _, wait in seen) <= s(5)


def test_a_minute_with_few_failures_opens_no_circuit() -> None:
    backoff = Backoff(lambda: MOST)
    seen = [backoff.record_failure(Cause.DNS, T0 + s(20 * number))[0] for number in range(11)]
    assert seen == [ConnectionState.BACKING_OFF] * 9 + [ConnectionState.CIRCUIT_OPEN] * 2


@pytest.mark.parametrize("cause", sorted(OPERATOR_CAUSES))
def test_what_only_an_operator_can_mend_is_tried_once_a_minute_from_the_first_failure(cause: Cause) -> None:
    assert Backoff(lambda: MOST).record_failure(cause, T0) == (ConnectionState.REFUSED, MINUTE_NS)


def test_a_client_error_is_for_the_operator_whatever_its_cause() -> None:
    backoff = Backoff(lambda: MOST)
    assert backoff.record_failure(Cause.HTTP_STATUS, T0, for_operator=True) == (ConnectionState.REFUSED, MINUTE_NS)
    assert backoff.record_failure(Cause.HTTP_STATUS, T0)[0] is ConnectionState.BACKING_OFF


def test_429_waits_half_a_minute_at_least() -> None:
    assert Backoff(lambda: 0.0).record_failure(Cause.HTTP_429, T0) == (ConnectionState.BACKING_OFF, 30 * NS_PER_S)


def test_connection_limit_doubles_from_five_seconds_to_a_minute_and_never_opens_the_circuit() -> None:
    backoff = Backoff(lambda: 0.0)
    seen = [backoff.record_failure(Cause.CONNECTION_LIMIT, T0 + s(60 * number)) for number in range(12)]
    assert [wait // NS_PER_S for _, wait in seen] == [5, 10, 20, 40, *[60] * 8]
    assert {state for state, _ in seen} == {ConnectionState.BACKING_OFF}


def test_another_failure_between_starts_the_connection_limit_anew() -> None:
    backoff = Backoff(lambda: 0.0)
    backoff.record_failure(Cause.CONNECTION_LIMIT, T0)
    backoff.record_failure(Cause.CONNECTION_LIMIT, T0)
    backoff.record_failure(Cause.RESET, T0)
    assert backoff.record_failure(Cause.CONNECTION_LIMIT, T0)[1] == 5 * NS_PER_S


def test_each_second_of_streaming_forgives_one_failure() -> None:
    backoff = Backoff(lambda: MOST)
    for _ in range(5):
        backoff.record_failure(Cause.CLOSED, T0)
    backoff.begin_streaming(T0)
    forgiven = []
    for at_s in (0.9, 1.0, 1.9, 2.4, 3.1, 4.9, 5.0, 9.0):
        backoff.record_streaming(T0 + s(at_s))
        forgiven.append(5 - backoff.failures)
    assert forgiven == [0, 1, 1, 2, 3, 4, 5, 5]


def test_a_connection_limit_is_forgotten_when_all_failures_are_forgiven() -> None:
    backoff = Backoff(lambda: 0.0)
    for _ in range(3):
        backoff.record_failure(Cause.CONNECTION_LIMIT, T0)
    backoff.begin_streaming(T0)
    backoff.record_streaming(T0 + s(3))
    assert backoff.record_failure(Cause.CONNECTION_LIMIT, T0)[1] == 5 * NS_PER_S


@pytest.mark.parametrize(("asked_s", "waited_s"), [(0, 30), (5, 30), (90, 90), (3_600, 3_600), (10**9, 3_600)])
def test_never_less_than_the_upstream_asked_for_within_an_hour(asked_s: int, waited_s: int) -> None:
    _, wait_ns = Backoff(lambda: 0.0).record_failure(Cause.HTTP_429, T0, retry_after_ns=asked_s * NS_PER_S)
    assert wait_ns == waited_s * NS_PER_S


@QUICK
@given(
    steps=st.lists(st.tuples(st.floats(0, 400), st.booleans(), st.floats(0, 0.999_999)), min_size=1, max_size=60),
)
def test_whatever_happens_a_wait_is_within_its_bounds(steps: list[tuple[float, bool, float]]) -> None:
    jitter = [0.0]
    backoff = Backoff(lambda: jitter[0])
    now_ns, began_ns = T0, None
    for pause_s, streams, draw in steps:
        now_ns += s(pause_s)
        jitter[0] = draw
        if streams:
            backoff.begin_streaming(now_ns)
            began_ns = None
        began_ns = now_ns if began_ns is None else began_ns
        _, wait_ns = backoff.record_failure(Cause.RESET, now_ns, was_up=streams)
        trouble_ns = now_ns - began_ns
        cap_ns = s(15) if trouble_ns >= s(300) else s(5)
        assert 0 <= wait_ns <= (s(1) if streams else min(cap_ns, max(s(0.5), trouble_ns * 3 // 2)))
