"""Dialling on real sockets: each way to fail has its cause, in time, and nothing secret goes where it should not."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Queue

import pytest

from bus.clock import NS_PER_S, now_ns
from bus.events import Cause
from pricing.upstream.dialler import DialFailed, Dialler, Target
from pricing.upstream.line import Line
from tests.support.pricing import framed

SECRET = "canary-secret"
Script = Callable[[socket.socket], object]


class Server:
    """Accepts connections and plays one script on each."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.accepted = 0
        self.heard = b""
        self._script, self._context = script, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            sock.settimeout(5)
            self._open.append(sock)
            try:
                if self._context is not None:
                    sock = self._context.wrap_socket(sock, server_side=True)
                    self._open.append(sock)
                self._script(sock)
            except OSError:
                sock.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._open:
            sock.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:

        def start(script: Script, context: ssl.SSLContext | None = None) -> Server:
            server = Server(script, context)
            stack.callback(server.close)
            return server

        yield start


class Attempt:
    """One dial; its outcome and how long it took."""

    def __init__(
        self, url: str, *, ca_file: str | None = None, timeout_s: float = 5, encoding: str = "msgpack"
    ) -> None:
        self._outcomes: Queue[Line | DialFailed] = Queue()
        self.dialler = Dialler(Target(url, encoding, ca_file), self._outcomes.put, timeout_s=timeout_s)
        self._began_ns = now_ns()
        self.dialler.dial()

    def outcome(self) -> Line | DialFailed:
        outcome = self._outcomes.get(timeout=10)
        self.took_s = (now_ns() - self._began_ns) / NS_PER_S
        assert self._outcomes.empty(), "one attempt, one report"
        return outcome

    def failure(self) -> DialFailed:
        outcome = self.outcome()
        assert isinstance(outcome, DialFailed), "it has connected"
        return outcome


def request(sock: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = sock.recv(4096)
        if not piece:
            raise OSError
        data += piece
    return data


def respond(text: str) -> Script:
    def script(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(text.replace("\n", "\r\n").encode())

    return script


def upgrade(extra: bytes = b"", heard: list[bytes] | None = None) -> Script:
    def script(sock: socket.socket) -> None:
        data = request(sock)
        if heard is not None:
            heard.append(data)
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", data)
        assert found
        accept = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        head = (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        )
        sock.sendall(head + accept + b"\r\n\r\n" + extra)

    return script


def silence(sock: socket.socket) -> None:
    """Accept and say nothing."""


def ws(port: int) -> str:
    return f"ws://127.0.0.1:{port}/v2/iex"


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
    assert isinstance(line, Line)
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
    assert isinstance(line, Line)
    line.close()
    assert (proxy.accepted, server.accepted) == (0, 1)


# failures


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
def test_an_answer_without_end_is_too_big_quickly(serve: Callable[..., Server], head: bytes) -> None:
    def script(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(head + b"x" * (1 << 20))

    attempt = Attempt(ws(serve(script).port))
    assert attempt.failure().cause is Cause.TOO_BIG
    assert attempt.took_s < 3


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
    assert isinstance(line, Line)
    line.close()


# TLS

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, and `good.pem` for localhost signed by it; `self.pem` signed by itself; each with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl(folder, *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl(folder, *new, "-keyout", "self.key", "-out", "self.pem", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost")  # fmt: skip
    openssl(folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "good.key", "-out", "good.csr", "-subj", "/CN=localhost")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl(folder, "x509", "-req", "-in", "good.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "good.pem")  # fmt: skip
    return folder


def server_context(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


@needs_openssl
def test_tls_with_an_authority_of_our_own(serve: Callable[..., Server], certificates: Path) -> None:
    server = serve(upgrade(framed(b"first")), server_context(certificates, "good"))
    attempt = Attempt(f"wss://localhost:{server.port}/", ca_file=str(certificates / "ca.pem"))
    line = attempt.outcome()
    assert isinstance(line, Line), line
    assert line.fill()
    assert list(line.messages()) == [b"first"]
    line.close()


@needs_openssl
@pytest.mark.parametrize(
    ("name", "host", "ca"),
    [("good", "127.0.0.1", "ca.pem"), ("good", "localhost", None), ("self", "localhost", "ca.pem")],
    ids=["wrong host", "unknown authority", "self-signed"],
)
def test_a_certificate_that_does_not_fit_is_for_the_operator(
    serve: Callable[..., Server], certificates: Path, name: str, host: str, ca: str | None
) -> None:
    heard: list[bytes] = []
    server = serve(upgrade(heard=heard), server_context(certificates, name))
    attempt = Attempt(f"wss://{host}:{server.port}/", ca_file=str(certificates / ca) if ca else None)
    failure = attempt.failure()
    assert (failure.cause, failure.for_operator) == (Cause.TLS, True)
    assert heard == [], "nothing was said on a line that is not proven"


def test_plain_text_where_tls_was_expected(serve: Callable[..., Server]) -> None:
    server = serve(lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    failure = Attempt(f"wss://127.0.0.1:{server.port}/").failure()
    assert (failure.cause, failure.for_operator) == (Cause.TLS, True)


@needs_openssl
def test_old_tls_is_refused(serve: Callable[..., Server], certificates: Path) -> None:
    context = server_context(certificates, "good")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = serve(upgrade(), context)
    failure = Attempt(f"wss://localhost:{server.port}/", ca_file=str(certificates / "ca.pem")).failure()
    assert failure.cause in (Cause.TLS, Cause.RESET)


def test_tls_that_never_answers_ends_in_time(serve: Callable[..., Server]) -> None:
    attempt = Attempt(f"wss://127.0.0.1:{serve(silence).port}/", timeout_s=0.3)
    assert attempt.failure().cause is Cause.HANDSHAKE_TIMEOUT
    assert attempt.took_s < 2


def test_an_authority_file_that_is_missing_is_for_the_operator(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(silence)
    failure = Attempt(f"wss://127.0.0.1:{server.port}/", ca_file=str(tmp_path / "none.pem")).failure()
    assert (failure.cause, failure.for_operator) == (Cause.TLS, True)


@needs_openssl
def test_the_environment_cannot_make_us_write_tls_keys(
    serve: Callable[..., Server], certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    server = serve(upgrade(), server_context(certificates, "good"))
    line = Attempt(f"wss://localhost:{server.port}/", ca_file=str(certificates / "ca.pem")).outcome()
    assert isinstance(line, Line)
    line.close()
    assert not (tmp_path / "keys").exists() or (tmp_path / "keys").read_text() == ""
