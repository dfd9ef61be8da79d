"""The protocol on a real socket, with the real program and websocket-client."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
import websocket

from tests.support.programs import DEADLINE_S

Open = Callable[..., Any]


def test_json_quotes_trades_and_the_whole_set(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    ack = client.subscribe(quotes=["SPY", "ZZTOP"], trades=["SPY"], statuses=["*"])
    assert ack == {
        "T": "subscription", "trades": ["SPY"], "quotes": ["SPY", "ZZTOP"], "bars": [], "updatedBars": [],
        "dailyBars": [], "statuses": ["*"], "lulds": [], "corrections": ["SPY"], "cancelErrors": ["SPY"],
    }  # fmt: skip
    quote = client.quote("SPY")
    assert quote["bp"] < quote["ap"]
    assert quote["c"] == ["R"]
    assert quote["t"].endswith("Z")
    assert abs(time.time() - time.mktime(time.strptime(quote["t"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 5
    trade = client.until(lambda message: message["T"] == "t")
    assert trade["S"] == "SPY"
    everything = {"action": "unsubscribe", "quotes": ["SPY", "ZZTOP"], "trades": ["SPY"], "statuses": ["*"]}
    assert client.ask(everything) == {"T": "subscription"}


def test_msgpack_frames_are_binary_with_the_timestamp_extension(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url("sip"), "msgpack")
    assert client.subscribe(quotes=["AAPL"])["quotes"] == ["AAPL"]
    quote = client.quote("AAPL")
    assert abs(quote["t"] - time.time_ns()) < 5_000_000_000


def test_header_authentication(simulator: Any, connect: Open) -> None:
    client = connect(simulator.url(), APCA_API_KEY_ID="k", APCA_API_SECRET_KEY="s")
    assert client.control() == {"T": "success", "msg": "connected"}
    assert client.control() == {"T": "success", "msg": "authenticated"}


def test_request_errors_leave_the_socket_open(simulator: Any, connect: Open) -> None:
    client = connect(simulator.url())
    assert client.control()["msg"] == "connected"
    assert client.ask({"action": "subscribe", "quotes": ["A"]})["code"] == 401
    assert client.ask({"action": "auth", "key": ""})["code"] == 402
    assert client.ask({"action": "auth", "key": "k", "secret": "s"})["msg"] == "authenticated"
    assert client.ask({"action": "auth", "key": "k", "secret": "s"})["code"] == 403
    for garbage in ("", "garbage", "[", "{}", '{"action":"dance"}', '{"action":"subscribe","quotes":[]}'):
        assert client.ask(garbage)["code"] == 400
    client.socket.send_binary(b"\xc1\xff")
    assert client.control()["code"] == 400
    assert client.subscribe(orderbooks=["A"])["code"] == 410
    assert client.subscribe(quotes=["A"])["quotes"] == ["A"]


def test_a_request_may_come_in_fragments_as_text_or_binary(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url(), "msgpack")
    request = msgpack.packb({"action": "subscribe", "quotes": ["SPY"]})
    for part, opcode, fin in ((request[:5], 2, 0), (request[5:9], 0, 0), (request[9:], 0, 1)):
        client.socket.send_frame(websocket.ABNF(fin, 0, 0, 0, opcode, 1, part))
    assert client.control()["quotes"] == ["SPY"]
    client.socket.send_binary(json.dumps({"action": "subscribe", "quotes": ["QQQ"]}).encode())
    assert set(client.control()["quotes"]) == {"SPY", "QQQ"}


def test_405_leaves_the_set_as_it_was(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    names = [f"S{n}" for n in range(30)]
    assert client.subscribe(quotes=names)["quotes"] == names
    assert client.subscribe(quotes=["ONE"])["code"] == 405
    assert client.subscribe(bars=["ONE"])["quotes"] == names
    assert client.ask({"action": "unsubscribe", "quotes": names[1:]})["quotes"] == names[:1]
    assert len(client.subscribe(trades=["ONE"], quotes=["TWO"])["quotes"]) == 2


def test_ten_thousand_symbols_in_one_message_and_a_message_of_a_mebibyte(start: Open, logged_in: Open) -> None:
    program = start("--symbol-limit", "0", "--rate", "0")
    client = logged_in(program.url())
    names = [f"S{n}" for n in range(10_000)]
    assert client.subscribe(quotes=names)["quotes"] == names
    missing = set(names)
    deadline = time.monotonic() + DEADLINE_S
    while missing and time.monotonic() < deadline:
        missing -= {message["S"] for message in client.receive()}
    assert not missing
    padding = " " * (1_048_576 - 2)
    assert client.ask("{" + padding + "}")["code"] == 400
    program.stop()


def test_406_the_incumbent_is_untouched_and_the_newcomer_closed_later(
    simulator: Any, connect: Open, logged_in: Open
) -> None:
    incumbent = logged_in(simulator.url())
    incumbent.subscribe(quotes=["SPY"])
    newcomer = connect(simulator.url())
    begin = time.monotonic()
    assert newcomer.log_in() == {"T": "error", "code": 406, "msg": "connection limit exceeded"}
    assert newcomer.subscribe(quotes=["SPY"])["code"] == 401
    newcomer.wait_closed()
    assert time.monotonic() - begin > 0.25
    incumbent.quote("SPY")
    assert logged_in(simulator.url("sip")) is not None
    incumbent.close()
    again = connect(simulator.url())
    assert again.log_in()["msg"] == "authenticated"


def test_404_auth_timeout_then_closed(start: Open, connect: Open) -> None:
    program = start("--auth-timeout-s", "0.2")
    client = connect(program.url())
    assert client.control()["msg"] == "connected"
    assert client.control() == {"T": "error", "code": 404, "msg": "auth timeout"}
    client.wait_closed()
    program.stop()


def test_only_the_given_key_and_secret(start: Open, connect: Open) -> None:
    program = start("--key", "right", "--secret", "also")
    client = connect(program.url())
    assert client.log_in("right", "wrong")["code"] == 402
    assert client.ask({"action": "auth", "key": "right", "secret": "also"})["msg"] == "authenticated"
    program.stop()


def test_a_missed_pong_ends_the_connection_and_an_answered_ping_does_not(
    start: Open, logged_in: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("websocket.WebSocket.pong", lambda *_: None)
    program = start("--ping-interval-s", "0.1", "--pong-timeout-s", "0.3")
    client = logged_in(program.url())
    client.wait_closed()
    monkeypatch.undo()
    other = logged_in(program.url())
    other.subscribe(quotes=["SPY"])
    assert all(other.quote("SPY")["S"] == "SPY" for _ in range(20))
    assert program.control.state()["upgraded_total"] == 2
    program.stop()


@pytest.mark.parametrize("path", ["/", "/v2/nope", "/v1/iex", "/v2/iex/"])
def test_other_paths_are_404(simulator: Any, path: str, connect: Open) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        connect(simulator.url().removesuffix("/v2/iex") + path)
    assert caught.value.status_code == 404


def test_the_test_feed_ticks_one_symbol(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url("test"))
    client.subscribe(quotes=["SPY", "FAKEPACA"])
    for _ in range(5):
        assert client.receive()[0]["S"] == "FAKEPACA"


def test_new_symbols_tick_soon_and_quiet_ones_once(start: Open, logged_in: Open) -> None:
    program = start("--symbol-limit", "0")
    client = logged_in(program.url())
    names = [f"S{n}" for n in range(100)] + ["QUIETONE"]
    client.subscribe(quotes=names)
    begin, missing = time.monotonic(), set(names)
    while missing:
        missing -= {message["S"] for message in client.receive()}
        assert time.monotonic() - begin < 3
    program.control.rate(2000)
    seen = [message["S"] for _ in range(300) for message in client.receive()]
    assert "QUIETONE" not in seen
    program.stop()


def test_everything_with_a_star(start: Open, logged_in: Open) -> None:
    program = start("--symbol-limit", "0", "--rate", "500")
    client = logged_in(program.url())
    client.subscribe(quotes=["*"])
    assert client.quote("SPY")["S"] == "SPY"
    assert client.quote("BRK.B")["S"] == "BRK.B"
    program.stop()


def test_batches(start: Open, logged_in: Open) -> None:
    program = start("--rate", "0", "--batch", "10")
    client = logged_in(program.url())
    client.subscribe(quotes=["SPY"])
    assert max(len(client.receive()) for _ in range(20)) == 10
    program.stop()


def test_the_same_seed_gives_the_same_values(start: Open, logged_in: Open) -> None:
    def values(program: Any, count: int) -> list[tuple[object, ...]]:
        client = logged_in(program.url())
        client.subscribe(quotes=["AAPL"])
        quotes: list[dict[str, object]] = []
        while len(quotes) < count:
            quotes += client.receive()
        program.stop()
        return [tuple(quote[field] for field in ("bp", "bs", "ap", "as", "bx", "ax", "z")) for quote in quotes[:count]]

    first = values(start("--seed", "5", "--rate", "2000"), 50)
    assert values(start("--seed", "5", "--rate", "0", "--batch", "7"), 50) == first
    assert values(start("--seed", "6", "--rate", "2000"), 50) != first


def test_a_client_that_does_not_read_bounds_the_buffer_and_gets_407(
    start: Open, logged_in: Open, eventually: Open
) -> None:
    program = start("--rate", "0", "--slow-client-s", "0.3")
    client = logged_in(program.url())
    client.subscribe(quotes=["SPY"])

    def buffered() -> int:
        return max((c["buffered_bytes"] for c in program.control.state()["connections"]), default=0)

    eventually(lambda: buffered() > 200_000)
    assert buffered() < 400_000
    codes = []
    try:
        while True:
            codes += [message["code"] for message in client.receive() if message["T"] == "error"]
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        assert codes in ([407], [])
    eventually(lambda: program.control.state()["connections"] == [])
    program.stop()


def test_malformed_http_and_frames_end_only_their_own_connection(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    upgraded = simulator.control.state()["upgraded_total"]
    for garbage in (b"\x00\xff\r\n\r\n", b"GET /v2/iex HTTP/1.1\r\nHost: x\r\n\r\n", b"A" * 20_000):
        with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as sock:
            sock.sendall(garbage)
            try:
                while sock.recv(4096):
                    pass
            except ConnectionError:
                continue
    assert client.quote("SPY")["S"] == "SPY"
    assert simulator.control.state()["upgraded_total"] == upgraded, "none of it became a connection"
