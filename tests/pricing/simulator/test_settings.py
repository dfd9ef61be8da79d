"""Settings that make no sense are named; the rest have their defaults."""

from __future__ import annotations

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import parse
from quotebus.pricing.simulator.settings import SimulatorSettings


def read(*flags: str) -> SimulatorSettings:
    return parse(SimulatorSettings, flags, "exchange-simulator")


def test_defaults() -> None:
    settings = read()
    assert (settings.host, settings.port, settings.control_port_to_bind()) == ("127.0.0.1", 8765, 8767)
    assert (settings.rate, settings.symbol_limit, settings.max_connections) == (20, 30, 1)
    assert read("--port", "0").control_port_to_bind() == 0
    assert read("--port", "9000", "--control-port", "0").control_port_to_bind() == 0
    assert read("--host", "localhost").host == "127.0.0.1"
    assert read("--host", "[::1]").host == "::1"
    assert read("--quiet").quiet


def test_a_secret_is_not_shown() -> None:
    assert "hush" not in repr(read("--secret", "hush"))


@pytest.mark.parametrize(
    ("flags", "about"),
    [
        (["--port", "70000"], "--port: "),
        (["--port", "65534"], "control port"),
        (["--port", "9", "--control-port", "9"], "the same"),
        (["--host", "0.0.0.0"], "--host: "),
        (["--host", "example.com"], "--host: "),
        (["--rate", "-1"], "--rate: "),
        (["--rate", "nan"], "--rate: "),
        (["--seed", "x"], "--seed: "),
        (["--faults", "mute=3"], "mute takes"),
        (["--batch", "0"], "--batch: "),
        (["--max-connections", "0"], "--max-connections: "),
        (["--auth-timeout-s", "0"], "--auth-timeout-s: "),
        (["--tls-key", "key.pem"], "need --tls-cert"),
        (["--tls-wrong-cert", "cert.pem"], "need --tls-cert"),
    ],
)
def test_bad_values(flags: list[str], about: str) -> None:
    with pytest.raises(ConfigError, match=about):
        read(*flags)
