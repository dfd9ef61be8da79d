"""Dialling on real sockets: each way to fail has its cause, in time, and nothing secret goes where it should not."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Cause
from quotebus.pricing.upstream.dialler import DialFailed, parse_retry_after_ns
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket
from tests.support.dialling import Attempt, Server, request, respond, silence, upgrade, ws
from tests.support.pricing import framed
from tests.support.stopwatch import Stopwatch

SECRET = "canary-secret"


def cause_of(server: Server, **arguments: float) -> Cause:
    return Attempt(ws(server.port), **arguments).failure().cause  # type: ignore[arg-type]


# the good case


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_upgrade_asks_for_the_encoding_and_loses_no_byte_that_comes_with_it(
    serve: Callable[..., Server], encoding: str
) -> None:
    heard: list[bytes] = []
    server = serve(upgrade(framed(b"first"), heard))
    line = Attempt(ws(server.port), encoding=encoding).outcome()
    assert isinstance(line, UpstreamSocket)
    assert line.fill()
    assert list(line.messages()) == [b"first"]
    line.close()
    assert heard[0].startswith(b"GET /v2/iex HTTP/1.1\r\n")
    assert f"\r\nContent-Type: application/{encoding}\r\n".encode() in heard[0]
    assert b"\r\nOrigin:" not in heard[0]


def test_the_environments_proxy_is_ignored(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(silence), serve(upgrade())
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    line = Attempt(ws(server.port)).outcome()
    assert isinstance(line, UpstreamSocket)
    line.close()
    assert (proxy.accepted, server.accepted) == (0, 1)


# failures


def test_the_log_says_each_dial_and_its_outcome_without_the_query(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "quotebus"):
        for server, result in ((serve(upgrade()), "connected"), (serve(respond("HTTP/1.1 401 No\n\n")), "HTTP 401")):
            caplog.clear()
            outcome = Attempt(f"{ws(server.port)}?key=canary-secret#canary-secret").outcome()
            if isinstance(outcome, UpstreamSocket):
                outcome.close()
            told = [record.getMessage() for record in caplog.records]
            assert len(told) == 2
            assert told[0] == f"dialling {ws(server.port)}"
            assert told[1].startswith(f"dial of {ws(server.port)} after ")
            assert told[1].endswith(result)
            assert "canary" not in caplog.text


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    attempt = Attempt(ws(port))
    assert attempt.failure().cause is Cause.CONNECT_REFUSED
    assert attempt.took_s < 2


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "name.invalid"])
def test_a_name_that_cannot_be_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str, *arguments: object, **more: object) -> object:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    failure = Attempt(f"wss://{host}/v2/iex").failure()
    assert failure.cause is Cause.DNS
    assert not failure.for_operator


def test_accepted_and_then_nothing(serve: Callable[..., Server]) -> None:
    attempt = Attempt(ws(serve(silence).port), timeout_s=0.3)
    assert attempt.failure().cause is Cause.HANDSHAKE_TIMEOUT
    assert 0.3 <= attempt.took_s < 2


def test_headers_that_trickle_do_not_extend_the_deadline(serve: Callable[..., Server]) -> None:
    stop = threading.Event()

    def trickle(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
        while not stop.wait(0.05):
            sock.sendall(b"x")

    attempt = Attempt(ws(serve(trickle).port), timeout_s=0.4)
    try:
        assert attempt.failure().cause is Cause.HANDSHAKE_TIMEOUT
        assert attempt.took_s < 2
    finally:
        stop.set()


@pytest.mark.parametrize(
    ("status", "cause", "for_operator"),
    [
        ("200 OK", Cause.HTTP_STATUS, False),
        ("401 Unauthorized", Cause.HTTP_STATUS, True),
        ("403 Forbidden", Cause.HTTP_STATUS, True),
        ("429 Too Many Requests", Cause.HTTP_429, False),
        ("500 Internal Server Error", Cause.HTTP_STATUS, False),
    ],
)
@pytest.mark.parametrize("body", ["", f"Content-Length: 13\n\n{SECRET}"])
def test_refused_upgrades(
    serve: Callable[..., Server], status: str, cause: Cause, for_operator: bool, body: str
) -> None:
    server = serve(respond(f"HTTP/1.1 {status}\nX-Note: {SECRET}\n{body or chr(10)}"))
    failure = Attempt(ws(server.port)).failure()
    assert (failure.cause, failure.for_operator, failure.detail) == (cause, for_operator, f"HTTP {status[:3]}")
    assert SECRET not in f"{failure!r} {failure.__cause__!r}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_its_target_never_contacted(serve: Callable[..., Server], status: int) -> None:
    elsewhere = serve(upgrade())
    server = serve(respond(f"HTTP/1.1 {status} Moved\nLocation: {ws(elsewhere.port)}\nContent-Length: 0\n\n"))
    failure = Attempt(ws(server.port)).failure()
    assert (failure.cause, failure.for_operator) == (Cause.REDIRECT, True)
    assert elsewhere.accepted == 0


@pytest.mark.parametrize(
    "answer",
    [
        "garbage\n\n",
        "\0\1\2\3\n\n",
        "HTTP/1.1\n\n",
        "HTTP/1.1 abc\n\n",
        "HTTP/1.1 101 Switching Protocols\nno colon\n\n",
        "HTTP/1.1 101 Switching Protocols\n\n",
        "HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: wrong\n\n",
        "HTTP/1.1 101 x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: ä\n\n",
        "HTTP/1.1 101 x\nUpgrade: h2c\nConnection: Upgrade\n\n",
        "HTTP/1.1 500 x\nContent-Length: many\n\n",
    ],
)
def test_what_is_no_upgrade(serve: Callable[..., Server], answer: str) -> None:
    assert cause_of(serve(respond(answer))) in (Cause.PROTOCOL, Cause.HTTP_STATUS)


def test_bytes_that_are_no_text(serve: Callable[..., Server]) -> None:
    def script(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(b"HTTP/1.1 101 \xff\xfe\r\n\r\n")

    assert cause_of(serve(script)) is Cause.PROTOCOL


def test_closed_in_the_middle_of_the_headers(serve: Callable[..., Server]) -> None:
    def script(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(b"HTTP/1.1 101 Swi")
        sock.close()

    assert cause_of(serve(script)) is Cause.CLOSED


@pytest.mark.parametrize("head", [b"HTTP/1.1 101 x\r\nX: ", b"HTTP/1.1 500 x\r\nContent-Length: 9999999\r\n\r\n"])
def test_an_answer_without_end_is_too_big_quickly(
    serve: Callable[..., Server], head: bytes, stopwatch: Stopwatch
) -> None:
    def script(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(head + b"x" * (1 << 20))

    began_ns = now_ns()
    attempt = Attempt(ws(serve(script).port))
    assert attempt.failure().cause is Cause.TOO_BIG
    assert stopwatch.seconds(began_ns) < 3


# giving up


def test_abandon_ends_a_silent_attempt_at_once(serve: Callable[..., Server]) -> None:
    asked = threading.Event()

    def script(sock: socket.socket) -> None:
        request(sock)
        asked.set()

    attempt = Attempt(ws(serve(script).port))
    assert asked.wait(5)
    attempt.dialler.abandon()
    assert isinstance(attempt.outcome(), DialFailed)
    assert attempt.took_s < 3


def test_abandon_ends_a_silent_tls_handshake_at_once(serve: Callable[..., Server]) -> None:
    hello = threading.Event()

    def script(sock: socket.socket) -> None:
        sock.recv(1)
        hello.set()

    attempt = Attempt(f"wss://127.0.0.1:{serve(script).port}/")
    assert hello.wait(5)
    attempt.dialler.abandon()
    assert isinstance(attempt.outcome(), DialFailed)
    assert attempt.took_s < 3


def test_a_connection_that_was_abandoned_is_closed_and_the_next_attempt_is_not(serve: Callable[..., Server]) -> None:
    go, asked = threading.Event(), threading.Event()

    def script(sock: socket.socket) -> None:
        asked.set()
        go.wait(5)
        upgrade()(sock)

    attempt = Attempt(ws(serve(script).port))
    assert asked.wait(5)
    attempt.dialler._abandoned.set()  # too late to break the socket off
    go.set()
    assert attempt.failure().detail == "abandoned"
    attempt.dialler.dial()
    line = attempt.outcome()
    assert isinstance(line, UpstreamSocket)
    line.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("0", 0), ("", 0), ("soon", 0), ("-5", 0), ("9" * 40, 999_999_999), ("٣", 0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59), ("Fri, 31 Dec 1999 23:00:00 GMT", 0),
        ("Fri, 31 Dec 99999 23:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_in_seconds_or_as_a_date(text: str, seconds: int) -> None:
    assert parse_retry_after_ns(text, 946_684_740 * NS_PER_S) == seconds * NS_PER_S
