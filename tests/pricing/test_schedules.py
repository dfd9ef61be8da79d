"""When a node dials during hours of one trouble, on a virtual clock: paced as the upstream needs, and back in time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionHealth
from quotebus.pricing.commands import SocketCommand
from tests.support.core_rig import CoreRig

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


@pytest.mark.parametrize("seed", range(5))
def test_an_exchange_down_for_three_hours_is_probed_once_a_minute(seed: int) -> None:
    rig = Trouble(Cause.CONNECT_REFUSED, seed=seed)
    waits = rig.suffer(3 * HOUR_S)
    for number, wait in enumerate(waits[:4]):
        assert wait <= 0.25 * 2**number + 1.1
    assert all(59.9 <= wait <= 61.1 for wait in waits[4:])
    assert 175 <= len(waits) <= 185
    assert rig.health().state == "circuit_open"
    assert rig.end() <= 62


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
        assert expected <= wait <= expected + 2.1
    assert all(59.9 <= wait <= 62.1 for wait in waits[4:])
    assert not rig.all(ConnectionHealth, lambda h: h.state == "circuit_open")
    assert rig.end() <= 62


def test_429_for_an_hour_means_two_tries_a_minute_at_most() -> None:
    rig = Trouble(Cause.HTTP_429)
    waits = rig.suffer(HOUR_S)
    assert min(waits) > 29.9
    assert rig.end() <= 62


def test_a_line_closed_right_after_authentication_for_an_hour_does_not_forgive() -> None:
    rig = Trouble(None, 500)
    waits = rig.suffer(HOUR_S)
    assert len(waits) <= 66
    assert rig.health().attempt >= 60
