"""A name server that is slow, wrong or away costs an attempt two seconds, and little once the name was found."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Cause
from quotebus.pricing.upstream.dial_failed import DialFailed
from quotebus.pricing.upstream.resolver import Resolver
from tests.support.stopwatch import Stopwatch

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]


class NameServer:
    """Answers as it is told; counts the look-ups that are under way."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.fails = False
        self.asked = 0
        self.under_way = 0

    def getaddrinfo(self, *_: object, **__: object) -> list[tuple[object, ...]]:
        self.asked += 1
        self.under_way += 1
        self.answers.wait(30)
        self.under_way -= 1
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return list(FOUND)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.answers.set()


def failure(resolver: Resolver) -> DialFailed:
    with pytest.raises(DialFailed) as caught:
        resolver.resolve()
    return caught.value


def test_a_name_that_is_found(server: NameServer) -> None:
    assert list(Resolver("exchange.example", 443).resolve()) == FOUND
    assert server.asked == 1


def test_a_name_server_that_does_not_answer_ends_the_attempt_at_its_deadline(
    server: NameServer, stopwatch: Stopwatch
) -> None:
    server.answers.clear()
    resolver = Resolver("exchange.example", 443, timeout_s=0.2)
    began_ns = now_ns()
    failed = failure(resolver)
    assert (now_ns() - began_ns) / NS_PER_S >= 0.2
    assert stopwatch.seconds(began_ns) < 0.7
    assert (failed.cause, failed.detail) == (Cause.DNS, "exchange.example: no answer from the name server")


def test_a_look_up_that_hangs_is_not_joined_by_another(server: NameServer) -> None:
    server.answers.clear()
    resolver = Resolver("exchange.example", 443, timeout_s=0.02)
    for _ in range(5):
        failure(resolver)
    assert (server.asked, server.under_way) == (1, 1)
    server.answers.set()
    waiting = Resolver("exchange.example", 443, timeout_s=20)
    assert list(waiting.resolve()) == FOUND


def test_its_late_answer_is_taken_by_the_next_attempt(server: NameServer) -> None:
    server.answers.clear()
    resolver = Resolver("exchange.example", 443, timeout_s=0.02)
    failure(resolver)
    server.answers.set()
    patient = resolver
    patient._timeout_s = 20
    assert list(patient.resolve()) == FOUND


@pytest.mark.parametrize("trouble", ["silent", "wrong"])
def test_the_last_good_address_stands_in(server: NameServer, trouble: str) -> None:
    resolver = Resolver("exchange.example", 443, timeout_s=0.5)
    assert list(resolver.resolve()) == FOUND
    if trouble == "silent":
        server.answers.clear()
    server.fails = trouble == "wrong"
    for _ in range(3):
        assert list(resolver.resolve()) == FOUND


def test_a_wrong_answer_without_a_good_one_before_is_told(server: NameServer) -> None:
    server.fails = True
    failed = failure(Resolver("exchange.example", 443))
    assert (failed.cause, failed.detail) == (
        Cause.DNS,
        "exchange.example: Temporary failure in name resolution",
    )
