"""Faults of authentication, subscription and closing, on a real socket with the real program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]
AUTH = {"action": "auth", "key": "k", "secret": "s"}


@pytest.mark.parametrize("code", [400, 401, 402, 403, 405, 407, 408, 409, 410, 411, 404, 406, 500])
def test_auth_error_and_what_comes_after_it(simulator: Any, connect: Open, code: int) -> None:
    simulator.control.faults(auth_error=[code, 1])
    client = connect(simulator.url())
    begin = time.monotonic()
    assert client.log_in()["code"] == code
    if code in (404, 406, 407):
        client.wait_closed()
        assert (time.monotonic() - begin > 0.25) == (code == 406)
    else:
        assert client.ask(AUTH)["msg"] == "authenticated"
    assert simulator.control.state()["faults"] == {}


def test_auth_that_is_not_answered_and_errors_that_close(simulator: Any, connect: Open) -> None:
    simulator.control.faults(drop_auth=1)
    client = connect(simulator.url())
    assert client.control()["msg"] == "connected"
    client.send(AUTH)
    assert client.ask({"action": "dance"})["code"] == 400
    simulator.control.faults(auth_error=500, close_after_error=1)
    assert client.ask(AUTH)["code"] == 500
    client.wait_closed()


def test_subscribe_error_symbol_limit_and_extra_symbols(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    control = simulator.control
    control.faults(subscribe_error=[405, 1])
    assert client.subscribe(quotes=["SPY"])["code"] == 405
    control.faults(symbol_limit=2, ack_extra="XTRA")
    ack = client.subscribe(quotes=["SPY"], trades=["SPY"], bars=["SPY"])
    assert (ack["quotes"], ack["trades"], ack["bars"]) == (["SPY", "XTRA"], ["SPY", "XTRA"], ["SPY"])
    assert client.subscribe(quotes=["QQQ"])["code"] == 405
    control.faults(symbol_limit=None, ack_extra=None, subscribe_error=410, close_after_error=True)
    assert client.ask({"action": "unsubscribe", "trades": ["SPY"]})["quotes"] == ["SPY"]
    assert client.subscribe(quotes=["QQQ"])["code"] == 410
    client.wait_closed()


def test_late_acknowledgements_let_data_through(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    simulator.control.faults(late_ack_ms=150)
    begin = time.monotonic()
    client.send({"action": "subscribe", "quotes": ["SPY"]})
    assert client.receive()[0]["T"] == "q"
    client.send({"action": "subscribe", "quotes": ["QQQ"]})
    assert client.control()["quotes"] == ["SPY"]
    assert time.monotonic() - begin >= 0.15
    assert client.control()["quotes"] == ["SPY", "QQQ"]
    client.close()
    simulator.control.faults(half_open=1)
    frozen = logged_in(simulator.url())
    assert frozen.subscribe(quotes=["SPY"])["quotes"] == ["SPY"]
    assert simulator.control.state()["connections"][0]["frozen_by"] == "half_open"


def test_errors_out_of_the_blue(simulator: Any, connect: Open, logged_in: Open) -> None:
    client, other = logged_in(simulator.url()), logged_in(simulator.url("sip"))
    simulator.control.faults(error=500)
    assert [client.control()["code"], other.control()["code"]] == [500, 500]
    assert client.subscribe(quotes=["SPY"])["quotes"] == ["SPY"]
    simulator.control.faults(slow_client=True)
    assert client.control()["code"] == 407
    client.wait_closed()
    assert simulator.control.state()["faults"] == {}
    again = logged_in(simulator.url())
    simulator.control.faults(error=406)
    assert again.control()["code"] == 406
    again.wait_closed()


@pytest.mark.parametrize("code", [1000, 1001, 1005, 1013, 4000])
def test_close_code(simulator: Any, logged_in: Open, code: int) -> None:
    client = logged_in(simulator.url())
    simulator.control.faults(close_code=code)
    assert client.socket.sock.recv(4) == b"\x88\x02" + code.to_bytes(2, "big")
    assert client.socket.sock.recv(4) == b""


def test_halts_in_the_words_of_the_tape(simulator: Any, logged_in: Open) -> None:
    client = logged_in(simulator.url())
    client.subscribe(statuses=["SPY", "AAPL"])
    control = simulator.control
    for symbol, codes in (("SPY", "2233"), ("AAPL", "HPQT")):
        acts = (control.halt, control.pause, control.resume_quotes, control.resume)
        assert [act(symbol) for act in acts] == [1] * 4
        told = [client.receive()[0] for _ in codes]
        assert "".join(status["sc"] for status in told) == codes
        assert {(status["T"], status["S"], status["z"]) for status in told} == {("s", symbol, "BC"[symbol == "AAPL"])}


def test_what_faults_there_are_and_which_cannot_be(simulator: Any) -> None:
    names = simulator.control.fault_names()
    assert names["garbage"].startswith("counted: ")
    assert {"refuse", "black_hole", "skew_ms", "tls_wrong"} <= names.keys()
    for name, needed in (("tls_wrong", "--tls-wrong-cert"), ("tls_1_0", "--tls-cert")):
        with pytest.raises(Exception, match=needed):
            simulator.control.faults(**{name: True})
