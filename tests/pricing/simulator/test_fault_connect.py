"""Faults before the first message: TCP, TLS and the upgrade, on a real socket with the real program."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import websocket

Open = Callable[..., Any]


def connect_tcp(simulator: Any, timeout_s: float = 5) -> socket.socket:
    return socket.create_connection(("127.0.0.1", simulator.port), timeout=timeout_s)


def test_black_hole(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    control = simulator.control
    for _ in range(2):
        control.faults(black_hole=True)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                connect_tcp(simulator, 0.05)
        client.quote("SPY")
        control.faults(black_hole=None)
        connect_tcp(simulator).close()
    control.faults(black_hole=True, refuse=True)
    with pytest.raises(ConnectionRefusedError):
        connect_tcp(simulator)
    control.faults(refuse=False)
    with socket.socket() as patient:
        patient.setblocking(False)
        patient.connect_ex(("127.0.0.1", simulator.port))
        assert select.select([], [patient], [], 0.05)[1] == []
        control.lift_faults()
        assert select.select([], [patient], [], 5)[1] == [patient]
        assert patient.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    client.quote("SPY")


def test_a_reset_connect(simulator: Any, connect: Open, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    simulator.control.faults(reset=True)
    for _ in range(3):
        with pytest.raises(ConnectionResetError), connect_tcp(simulator) as sock:  # as early as in connect()
            sock.recv(1)
    client.quote("SPY")
    simulator.control.lift_faults()
    assert connect(simulator.url()).control()["msg"] == "connected"


def test_a_header_line_of_a_mebibyte(simulator: Any, connect: Open) -> None:
    simulator.control.faults(long_header=1)
    with connect_tcp(simulator) as sock:
        sock.sendall(
            b"GET /v2/iex HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1 << 20)
    assert max(map(len, head.split(b"\r\n"))) > 1 << 20
    assert connect(simulator.url()).control()["msg"] == "connected"


def drain(client: websocket.WebSocket) -> None:
    while client.recv():
        pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two self-signed certificates: `right.pem` for 127.0.0.1 and `wrong.pem` for another host, each with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, host in (("right", "IP:127.0.0.1"), ("wrong", "DNS:elsewhere.test")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName={host}"],
            cwd=folder, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    return folder


def test_tls_and_its_faults(start: Open, certificates: Path, request: pytest.FixtureRequest) -> None:
    files = {f"--tls-{flag}": str(certificates / name) for flag, name in (
        ("cert", "right.pem"), ("key", "right.key"), ("wrong-cert", "wrong.pem"), ("wrong-key", "wrong.key"),
    )}  # fmt: skip
    program = start("--rate", "500", *(word for pair in files.items() for word in pair))
    assert program.base.startswith("wss://")
    control = program.control

    def dial(ca: str = "right.pem") -> websocket.WebSocket:
        options = {"ca_certs": str(certificates / ca), "cert_reqs": ssl.CERT_REQUIRED, "check_hostname": True}
        return websocket.create_connection(program.url(), timeout=5, sslopt=options, http_no_proxy=["127.0.0.1"])

    def stream() -> websocket.WebSocket:
        client = dial()
        client.recv()
        client.send('{"action":"auth","key":"k","secret":"s"}')
        client.recv()
        client.send('{"action":"subscribe","quotes":["SPY"]}')
        while '"q"' not in client.recv():
            pass
        return client

    client = stream()
    request.addfinalizer(client.shutdown)
    for refused, ca in (({}, "wrong.pem"), ({"tls_wrong": True}, "right.pem"), ({"tls_wrong": True}, "wrong.pem")):
        control.faults(**refused)
        with pytest.raises(ssl.SSLCertVerificationError):
            dial(ca)
        control.lift_faults()
    control.faults(tls_1_0=True)
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol|alert"):
        dial()
    control.lift_faults()
    with connect_tcp(program) as sock:
        sock.sendall(b"GET /v2/iex HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            assert not sock.recv(100).startswith(b"HTTP")
    control.faults(flood=20, throttle_bytes_s=50_000)
    for _ in range(50):
        assert '"q"' in client.recv()
    control.lift_faults()
    control.faults(half_frame=True)
    client.settimeout(0.2)
    with pytest.raises(websocket.WebSocketTimeoutException):
        drain(client)
    control.lift_faults()
    client.settimeout(5)
    assert '"q"' in client.recv()
    control.faults(cut="fin")
    with pytest.raises((websocket.WebSocketConnectionClosedException, ssl.SSLEOFError)):
        drain(client)
    stream().shutdown()
    program.stop()
