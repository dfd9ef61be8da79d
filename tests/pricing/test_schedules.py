"""When a node dials during hours of one trouble, on a virtual clock: paced as the upstream needs, and back in time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionHealth
from quotebus.pricing.commands import SocketCommand
from tests.pricing import outages
from tests.support.core_rig import CoreRig
from tests.support.seeds import seeds

HOUR_S = 3_600


class Trouble(CoreRig):
    """Every attempt ends with one cause, as long as `lasts`; `dials_s` are the instants it was dialled."""

    def __init__(self, cause: Cause | None, code: int = 0, *, for_operator: bool = False, seed: int = 1) -> None:
        self.lasts = False
        self.dials_s: list[float] = []
        super().__init__(seed=seed)
        self.dials = cause is None
        self.answers = False
        self.cause, self.code, self.for_operator = cause, code, for_operator
        self.lasts = True
        self.ask("a", "SPY", ttl_ms=120_000)

    def _obey(self, order: SocketCommand) -> None:
        if order is SocketCommand.DIAL:
            self.dials_s.append((self.now_ns) / NS_PER_S)
        super()._obey(order)

    def step(self) -> None:
        super().step()
        if not self.lasts:
            return
        if self.cause is not None and self.dialling:
            self.refuse_dial(self.cause, for_operator=self.for_operator)
        elif self.cause is None and self.socket:
            self.error(self.code)

    def suffer(self, seconds: float) -> list[float]:
        """Let it last, the lease renewed all the while; the seconds between dials."""
        for _ in range(int(seconds / 30)):
            self.run(30)
            self.ask("a", "SPY", ttl_ms=120_000)
        return [later - former for former, later in pairwise(self.dials_s)]

    def end(self) -> float:
        """The trouble ends; the seconds until the line streams."""
        self.lasts, self.dials, self.answers = False, True, True
        began_ns = self.now_ns
        self.run(90, until=lambda: self.health().state == "streaming")
        assert self.health().state == "streaming"
        return (self.now_ns - began_ns) / NS_PER_S


@pytest.mark.parametrize("seed", seeds(2))
def test_an_exchange_down_for_three_hours_is_met_with_patience(seed: int) -> None:
    rig = Trouble(Cause.CONNECT_REFUSED, seed=seed)
    waits = rig.suffer(3 * HOUR_S)
    began_s = rig.dials_s[0]
    for at_s, wait in zip(rig.dials_s, waits, strict=False):
        most_s = 15 if at_s - began_s >= 300 else min(5, max(0.5, 1.5 * (at_s - began_s)))
        assert wait <= max(most_s, 3.6) + 0.3
    assert len(rig.dials_s) <= 8 + 3 * HOUR_S / 3.6
    late = waits[len(waits) // 2 :]
    assert 6 <= sum(late) / len(late) <= 9, "half of 15 s, when it has lasted"
    assert rig.health().state == "circuit_open"
    assert rig.end() <= 15.5


@pytest.mark.parametrize("outage_s", outages.OUTAGES_S)
@pytest.mark.parametrize("kind", outages.AT_ONCE)
def test_a_short_outage_is_a_short_blind_spell(kind: str, outage_s: float) -> None:
    cause, after_ns = outages.AT_ONCE[kind]
    found = outages.blind_s(cause, after_ns, outage_s, 60)
    assert found[-1] <= outages.bound_s(outage_s)


@pytest.mark.parametrize("outage_s", outages.OUTAGES_S)
@pytest.mark.parametrize("cause", [Cause.CONNECT_TIMEOUT, Cause.DNS])
def test_an_outage_in_which_attempts_only_time_out(cause: Cause, outage_s: float) -> None:
    found = outages.blind_s(cause, outages.BLACK_HOLE_NS, outage_s, 60)
    assert outages.quantile(found, 0.95) <= outages.SILENT_BOUND_S


@pytest.mark.parametrize(("outage_s", "apart_s", "bound"), outages.FIVE_CUTS)
def test_five_cuts_in_a_row(outage_s: float, apart_s: float, bound: float) -> None:
    assert outages.worst_of_five_cuts(outage_s, apart_s, 60)[-1] <= bound


@pytest.mark.parametrize(
    ("cause", "code", "told"),
    [(None, 402, "auth_failed"), (None, 409, "not_entitled"), (None, 411, "scope"), (Cause.TLS, 0, "tls")],
)
def test_what_an_operator_must_mend_is_tried_once_a_minute_for_hours(cause: Cause | None, code: int, told: str) -> None:
    rig = Trouble(cause, code, for_operator=cause is not None)
    waits = rig.suffer(2 * HOUR_S)
    assert all(59.9 <= wait <= 61.1 for wait in waits)
    assert {
        (h.state, h.cause) for h in rig.all(ConnectionHealth, lambda h: h.attempt > 0 and h.state == "refused")
    } == {("refused", told)}
    assert rig.health().state in ("refused", "connecting", "authenticating")
    assert rig.end() <= 62


def test_a_slot_held_by_another_for_an_hour_is_waited_for_from_5_s_to_a_minute() -> None:
    rig = Trouble(None, 406)
    waits = rig.suffer(HOUR_S)
    for expected, wait in zip([5, 10, 20, 40], waits, strict=False):
        assert expected <= wait <= expected + 1 + 0.5
    assert all(59.9 <= wait <= 62.1 for wait in waits[4:])
    assert not rig.all(ConnectionHealth, lambda h: h.state == "circuit_open")
    assert rig.end() <= 62


def test_429_for_an_hour_means_two_tries_a_minute_at_most() -> None:
    rig = Trouble(Cause.HTTP_429)
    waits = rig.suffer(HOUR_S)
    assert min(waits) > 29.9
    assert rig.end() <= 62


def test_a_connection_closed_right_after_authentication_for_an_hour_is_not_forgiven() -> None:
    rig = Trouble(None, 500)
    waits = rig.suffer(HOUR_S)
    assert max(waits) <= 15.5
    assert rig.health().attempt == len(rig.dials_s)
    assert rig.health().state in ("circuit_open", "connecting", "authenticating")
