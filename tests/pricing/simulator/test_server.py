"""Each fault, on a real socket with the real program."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import websocket

Open = Callable[..., Any]
UPGRADE = (
    b"GET /v2/iex HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture
def streaming(simulator: Any, logged_in: Open) -> Callable[[], Any]:
    """A client that gets quotes of SPY."""

    def open_client() -> Any:
        client = logged_in(simulator.url())
        client.subscribe(quotes=["SPY"])
        client.quote("SPY")
        return client

    return open_client


def assert_no_byte(client: Any, seconds: float = 0.3) -> None:
    """What is under way may still come; then the line is silent, and not closed."""
    read_until_silent(client.socket.sock, seconds)


def read_until_silent(sock: socket.socket, seconds: float) -> bytes:
    data = b""
    deadline = time.monotonic() + 5
    sock.settimeout(seconds)
    while time.monotonic() < deadline:
        try:
            part = sock.recv(65_536)
        except TimeoutError:
            sock.settimeout(8)
            return data
        assert part, "closed"
        data += part
    raise AssertionError("it does not fall silent")


def raw_connect(simulator: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", simulator.port), timeout=5)


def test_refuse(simulator: Any, streaming: Open, logged_in: Open) -> None:
    client = streaming()
    simulator.control.faults(refuse=True)
    with pytest.raises(ConnectionRefusedError):
        raw_connect(simulator)
    client.quote("SPY")
    client.close()
    simulator.control.faults(refuse=False)
    logged_in(simulator.url())


def test_silent(simulator: Any, connect: Open) -> None:
    simulator.control.faults(silent=True)
    with raw_connect(simulator) as sock:
        sock.sendall(UPGRADE)
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        simulator.control.faults(silent=None)
        sock.settimeout(5)
        assert sock.recv(12) == b"HTTP/1.1 101"


@pytest.mark.parametrize("status", [301, 302, 401, 403, 429, 500, 599])
def test_http_status(simulator: Any, status: int) -> None:
    simulator.control.faults(http_status=status, retry_after_s=7)
    followed = simulator.control.state()["redirects_followed_total"]
    with raw_connect(simulator) as sock:
        sock.sendall(UPGRADE)
        answer = b""
        while part := sock.recv(4096):
            answer += part
    head = answer.decode().split("\r\n\r\n")[0].split("\r\n")
    assert head[0].startswith(f"HTTP/1.1 {status} ")
    assert "Retry-After: 7" in head
    assert (f"Location: ws://127.0.0.1:{simulator.port}/elsewhere" in head) == (status < 400)
    assert simulator.control.state()["redirects_followed_total"] == followed


def test_no_greeting(simulator: Any, connect: Open) -> None:
    simulator.control.faults(no_greeting=1)
    client = connect(simulator.url())
    assert client.ask({"action": "auth", "key": "k", "secret": "s"})["msg"] == "authenticated"


def test_auth_fail(simulator: Any, connect: Open) -> None:
    simulator.control.faults(auth_fail=True)
    client = connect(simulator.url())
    assert client.log_in()["code"] == 402
    simulator.control.lift_faults()
    assert client.ask({"action": "auth", "key": "k", "secret": "s"})["msg"] == "authenticated"


def test_close_after_auth(simulator: Any, connect: Open) -> None:
    simulator.control.faults(close_after_auth=2)
    for _ in range(2):
        client = connect(simulator.url())
        assert client.log_in()["msg"] == "authenticated"
        client.wait_closed()
        client.close()
    client = connect(simulator.url())
    assert client.log_in()["msg"] == "authenticated"
    assert client.subscribe(quotes=["SPY"])["T"] == "subscription"


def test_drop_ack_and_ack_missing(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    simulator.control.faults(drop_ack=1)
    client.send({"action": "subscribe", "quotes": ["SPY"]})
    assert client.receive()[0]["T"] == "q"
    simulator.control.faults(ack_missing="AAPL")
    assert client.subscribe(quotes=["AAPL", "QQQ"])["quotes"] == ["SPY", "QQQ"]
    client.quote("QQQ")
    simulator.control.lift_faults()
    assert set(client.subscribe(quotes=["AAPL"])["quotes"]) == {"SPY", "QQQ", "AAPL"}
    client.quote("AAPL")


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut(simulator: Any, streaming: Open, how: str) -> None:
    client = streaming()
    simulator.control.faults(cut=how)
    with pytest.raises((ConnectionResetError, websocket.WebSocketConnectionClosedException)) as caught:
        client.until(lambda _: False)
    assert isinstance(caught.value, ConnectionResetError) == (how == "rst")
    assert simulator.control.state()["faults"] == {}
    streaming()


def test_cut_the_next_ones_after_their_first_data(simulator: Any, logged_in: Open, streaming: Open) -> None:
    upgraded = simulator.control.state()["upgraded_total"]
    simulator.control.faults(cut=2)
    for _ in range(2):
        client = logged_in(simulator.url())
        client.send({"action": "subscribe", "quotes": ["SPY"]})
        client.wait_closed()
    assert streaming().quote("SPY")["S"] == "SPY"
    assert simulator.control.state()["upgraded_total"] == upgraded + 3


def test_half_open_and_back(simulator: Any, streaming: Open, logged_in: Open) -> None:
    client = streaming()
    simulator.control.faults(half_open=True)
    client.socket.ping()
    assert_no_byte(client)
    assert simulator.control.state()["connections"][0]["frozen_by"] == "half_open"
    other = logged_in(simulator.url("sip"))
    other.subscribe(quotes=["SPY"])
    other.quote("SPY")
    client.send({"action": "subscribe", "quotes": ["QQQ"]})
    simulator.control.lift_faults()
    client.quote("QQQ")


def test_a_half_open_client_that_hangs_up_hears_no_fin_and_frees_its_slot(simulator: Any, streaming: Open) -> None:
    client = streaming()
    simulator.control.faults(half_open=True)
    assert_no_byte(client, 0.1)
    client.socket.sock.shutdown(socket.SHUT_WR)
    assert_no_byte(client)
    streaming()


def test_half_open_for_new_ones(simulator: Any, logged_in: Open, streaming: Open) -> None:
    for faults in ({"half_open": 1}, {"half_open_new": True}):
        client = streaming()
        simulator.control.faults(**faults)
        client.quote("SPY")
        client.close()
        client = logged_in(simulator.url())
        assert client.subscribe(quotes=["SPY"])["quotes"] == ["SPY"]
        assert_no_byte(client)
        client.close()
        simulator.control.lift_faults()
    streaming()


def test_half_frame(simulator: Any, streaming: Open) -> None:
    client = streaming()
    simulator.control.faults(half_frame=True)
    sock = client.socket.sock
    data = read_until_silent(sock, 0.3)
    assert not whole_frames(data)
    simulator.control.lift_faults()
    while not whole_frames(data):
        data += sock.recv(65_536)


def whole_frames(data: bytes) -> bool:
    """Whether unmasked frames end where the data ends."""
    while len(data) >= 4:
        length, header = data[1], 2
        if length == 126:
            length, header = int.from_bytes(data[2:4], "big"), 4
        data = data[header + length :] if len(data) >= header + length else b"?"
    return not data


def test_mute_answers_pings_and_requests(simulator: Any, streaming: Open) -> None:
    client = streaming()
    simulator.control.faults(mute=True)
    assert_no_byte(client)
    client.socket.ping("x")
    opcode, _ = client.socket.recv_data(control_frame=True)
    assert opcode == websocket.ABNF.OPCODE_PONG
    assert client.subscribe(quotes=["QQQ"])["T"] == "subscription"
    assert simulator.control.quote("SPY", 1, 2) == 1
    assert client.quote("SPY")["bp"] == 1
    simulator.control.lift_faults()
    client.quote("QQQ")


def test_mute_symbol(simulator: Any, logged_in: Open) -> None:
    simulator.control.faults(mute_symbol=["SPY"])
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY", "QQQ"])
    assert {client.receive()[0]["S"] for _ in range(30)} == {"QQQ"}
    simulator.control.lift_faults()
    client.quote("SPY")


def test_latency(simulator: Any, logged_in: Open, connect: Open) -> None:
    simulator.control.faults(latency_ms=[150, 200])
    client = connect(simulator.url())
    begin = time.monotonic()
    assert client.log_in()["msg"] == "authenticated"
    assert 0.15 <= time.monotonic() - begin < 2
    client.send({"action": "subscribe", "quotes": ["SPY"]})
    assert client.control()["T"] == "subscription"
    stamps = [client.quote("SPY")["t"] for _ in range(20)]
    assert stamps == sorted(stamps)


def test_never_two_sockets_is_measured_after_hang_ups(start: Open, logged_in: Open) -> None:
    program = start()
    for _ in range(20):
        logged_in(program.url()).close()
    state = program.control.state()
    assert (state["max_simultaneous"], state["max_simultaneous_tcp"]) == (1, 1)
    assert (state["upgraded_total"], state["authenticated_total"]) == (20, 20)
    first = logged_in(program.url())
    logged_in(program.url("sip"))
    assert program.control.state()["max_simultaneous"] == 2
    first.close()
    program.stop()


def test_an_initial_plan(start: Open) -> None:
    program = start("--faults", "refuse,latency_ms=5")
    with pytest.raises(ConnectionRefusedError) as caught:
        raw_connect(program)
    assert caught.value.errno == errno.ECONNREFUSED
    program.control.lift_faults()
    raw_connect(program).close()
    program.stop()
