"""The control endpoint, through the client that tests and users have."""

from __future__ import annotations

import json
import math
import socket
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quotebus.pricing.simulator import control
from quotebus.pricing.simulator.control import ControlError, SimulatorControl
from tests.support.counters import documented

README = Path(control.__file__).parent / "README.md"
Open = Callable[..., Any]


def test_state(simulator: Any, logged_in: Open) -> None:
    before = simulator.control.state()
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"], statuses=["*"])
    client.quote("SPY")
    state = simulator.control.state()
    (connection,) = state["connections"]
    assert connection["number"] == state["upgraded_total"] == before["upgraded_total"] + 1
    assert (connection["feed"], connection["authenticated"]) == ("iex", True)
    assert connection["symbols"] == {"quotes": ["SPY"], "statuses": ["*"]}
    assert connection["sent_quotes"] >= 1
    assert connection["sent_frames"] >= connection["sent_quotes"] + 3
    assert state["authenticated_total"] == before["authenticated_total"] + 1
    assert state["faults"] == {}
    assert state["rate"] == 200
    assert state["uptime_s"] > 0


def test_sent_quotes_is_what_arrives(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    client.quote("SPY")
    simulator.control.faults(mute=True)
    sent = simulator.control.state()["connections"][0]["sent_quotes"]
    assert simulator.control.quote("SPY", 7, 8) == 1
    received = 1
    while client.receive()[0]["bp"] != 7:
        received += 1
    assert received == sent


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_injected_values_are_verbatim(simulator: Any, logged_in: Open, encoding: str) -> None:
    client = logged_in(simulator.url(), encoding)
    client.subscribe(quotes=["SPY"], trades=["SPY"], statuses=["SPY"])
    control = simulator.control
    control.faults(mute=True)
    assert control.quote("SPY", bid=0, ask=-1.5, bid_size=0, ask_size=9, t_ns=1_000_000_001) == 1
    quote = client.until(lambda message: message.get("bp") == 0)
    assert (quote["bs"], quote["ap"], quote["as"]) == (0, -1.5, 9)
    assert quote["t"] == ("1970-01-01T00:00:01.000000001Z" if encoding == "json" else 1_000_000_001)
    control.quote("SPY", bid=1 << 70, ask=math.inf)
    assert client.until(lambda message: message.get("bp") == float(1 << 70))["ap"] == math.inf
    control.quote("SPY", bid=math.nan, ask=1)
    assert math.isnan(client.quote("SPY")["bp"])
    assert control.trade("SPY", price=3.25, size=7, id=99) == 1
    trade = client.until(lambda message: message["T"] == "t" and message["i"] == 99)
    assert (trade["p"], trade["s"]) == (3.25, 7)
    assert control.status("SPY", "H", message="Halted", reason_code="T12", reason="News", tape="C") == 1
    status = client.until(lambda message: message["T"] == "s")
    assert {**status, "t": 0} == {
        "T": "s", "S": "SPY", "sc": "H", "sm": "Halted", "rc": "T12", "rm": "News", "t": 0, "z": "C",
    }  # fmt: skip
    assert control.quote("QQQ", 1, 2) == 0


def test_raw_payloads(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    simulator.control.faults(mute=True)
    assert simulator.control.raw('[{"T":"?"}]') == 1
    assert client.socket.recv_data() == (1, b'[{"T":"?"}]')
    assert simulator.control.raw(b"\x00\xff") == 1
    assert client.socket.recv_data() == (2, b"\x00\xff")


def test_rate(start: Open, logged_in: Open) -> None:
    program = start("--rate", "0.01")
    client = logged_in(program.url())
    client.subscribe(quotes=["SPY"])
    client.quote("SPY")
    program.control.rate(1000)
    for _ in range(50):
        client.quote("SPY")
    assert program.control.state()["rate"] == 1000
    program.stop()


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/faults", {"nope": True}, "no such fault"),
        ("/faults", {"mute": 3}, "mute takes"),
        ("/faults", [], "not a JSON object"),
        ("/faults", None, "not JSON"),
        ("/rate", {"rate": -1}, "rate: "),
        ("/rate", {}, "rate: "),
        ("/quote", {"symbol": "SPY", "bid": "1", "ask": 2}, "bid."),
        ("/quote", {"symbol": "SPY", "bid": True, "ask": 2}, "bid."),
        ("/quote", {"symbol": "", "bid": 1, "ask": 2}, "symbol: "),
        ("/quote", {"symbol": "SPY", "bid": 1, "ask": 2, "more": 1}, "more: "),
        ("/trade", {"symbol": "SPY"}, "price: "),
        ("/trade", {"symbol": "SPY", "price": 1, "t_ns": -1}, "t_ns: "),
        ("/status", {"symbol": "SPY"}, "code: "),
        ("/status", {"symbol": "SPY", "code": "\ud800"}, "code: "),
        ("/session", {"session": "lunch"}, "session: one of"),
        ("/session", {}, "session: "),
        ("/raw", {}, "text or hex"),
        ("/raw", {"hex": "zz"}, "hexadecimal"),
    ],
)
def test_a_bad_body_gets_400_and_a_reason(simulator: Any, path: str, body: object, reason: str) -> None:
    with pytest.raises(ControlError, match=reason) as caught:
        simulator.control._request("POST", path, body)
    assert caught.value.status == 400
    assert simulator.control.state()["faults"] == {}


def test_unknown_paths_and_methods(simulator: Any) -> None:
    with pytest.raises(ControlError) as caught:
        simulator.control._request("GET", "/nope")
    assert caught.value.status == 404
    with pytest.raises(ControlError) as caught:
        simulator.control._request("GET", "/quote")
    assert caught.value.status == 405


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /state HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /faults HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /faults HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"GET /state?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"X" * 20_000, b"431"),
    ],
)
def test_bad_http_gets_one_answer(simulator: Any, request_bytes: bytes, status: bytes) -> None:
    url = urllib.parse.urlsplit(simulator.control.url)
    with socket.create_connection((url.hostname, url.port), timeout=5) as sock:
        sock.sendall(request_bytes)
        answer = sock.recv(65_536)
    assert answer.split(b" ")[1] == status
    assert isinstance(json.loads(answer.partition(b"\r\n\r\n")[2]), dict)
    assert simulator.control.state()["uptime_s"] > 0


def test_nobody_there() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        control = SimulatorControl(f"http://127.0.0.1:{sock.getsockname()[1]}")
        with pytest.raises(OSError):
            control.state()


def test_counters_are_those_the_readme_names(simulator: Any, logged_in: Open) -> None:
    before = simulator.control.counters()
    assert before.keys() == documented(README, "`/counters` answers")
    client = logged_in(simulator.url())
    client.subscribe(quotes=["SPY"])
    client.quote("SPY")
    client.socket.send("neither")
    client.until(lambda message: message.get("code") == 400)
    after = simulator.control.counters()
    gained = {name: after[name] - before[name] for name in after}
    assert (gained["accepted"], gained["upgraded"], gained["requests_undecodable"], gained["errors_told"]) == (
        1,
        1,
        1,
        1,
    )
    assert gained["quotes"] >= 1
    assert after["connections"] == 1
