"""What `BUS_URL` stands for."""

from __future__ import annotations

import pytest

from quotebus.bus.address import BusAddress, IpcAddress, NatsAddress, TcpAddress, parse_address


@pytest.mark.parametrize(
    ("url", "address", "shown"),
    [
        ("ipc://quotebus", IpcAddress("quotebus", "/run/mine"), "ipc://quotebus"),
        ("ipc://a-B_9", IpcAddress("a-B_9", "/run/mine"), "ipc://a-B_9"),
        ("tcp://h:5570", TcpAddress("tcp://h:5570", "tcp://h:5571", "tcp://h:5572"), "tcp://h:5571"),
        ("tcp://[::1]:1", TcpAddress("tcp://[::1]:1", "tcp://[::1]:2", "tcp://[::1]:3"), "tcp://[::1]:2"),
        ("tcp://127.0.0.1:0", TcpAddress(*["tcp://127.0.0.1:0"] * 3), "tcp://127.0.0.1:0"),
        ("nats://h", NatsAddress(("h:4222",), tls=False), "nats://h:4222"),
        ("nats://h/desk", NatsAddress(("h:4222",), tls=False, bus="desk"), "nats://h:4222"),
        ("tls://a:1,b,[::1]:2,a:1", NatsAddress(("a:1", "b:4222", "[::1]:2"), tls=True), "tls://a:1,b:4222,[::1]:2"),
    ],
)
def test_each_scheme(url: str, address: BusAddress, shown: str) -> None:
    assert parse_address(url, "/run/mine") == address
    assert str(address) == shown


@pytest.mark.parametrize(
    "url",
    ["", "quotebus", "ipc://", "ipc://@quotebus", "ipc:///run/x", "ipc://../x", "ipc://a/b", f"ipc://{'x' * 33}",
     "ipc://a\n", "tcp://", "tcp://h", "tcp://h:65534", "tcp://h:-1", "tcp://h:x", "tcp://h:1/p", "tcp://u@h:1",
     "tcp://h:1?k=v", "tcp://a:1,b:1", "http://h:1", "inproc://x", "nats://", "nats://u:p@h", "nats://h?tls=1",
     "nats://h:0", "nats://h:99999", "nats://a,,b", "tls://*", "nats://h/a/b", "nats://h/*", "NATS://h"],
)  # fmt: skip
def test_what_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_address(url)
    assert "\n" not in str(refused.value)
    assert len(url) < 8 or url not in str(refused.value)
