"""Settings of the exchange simulator: `--port` on the command line is `SIMULATOR_PORT` in the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from quotebus.bus.settings import Settings, is_loopback
from quotebus.pricing.simulator.faults import parse_text

PROGRAM = "exchange-simulator"
REST_PORT_OFFSET = 1
CONTROL_PORT_OFFSET = 2
MAX_PORT = 65_535


class SimulatorSettings(Settings):
    """What the simulated exchange listens on, how fast it ticks, and what it refuses."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix": "SIMULATOR_"})

    host: str = Field("127.0.0.1", description="loopback address to listen on")
    port: int = Field(8765, ge=0, le=MAX_PORT, description="market data and order stream; 0 takes any free port")
    rest_port: int | None = Field(
        None, ge=0, le=MAX_PORT, description="orders REST; default one above --port, 0 takes any free port"
    )
    control_port: int | None = Field(
        None, ge=0, le=MAX_PORT, description="control endpoint; default two above --port, 0 takes any free port"
    )
    rate: float = Field(
        20.0, ge=0, le=10_000_000, allow_inf_nan=False, description="quotes per second over all symbols; 0: flat out"
    )
    seed: int = Field(1, description="the same seed gives every symbol the same sequence of values")
    faults: str = Field("", description="initial fault plan: 'refuse,latency_ms=200' or a JSON object")
    symbol_limit: int = Field(30, ge=0, description="(symbol, channel) pairs over trades and quotes; 0: no limit")
    max_connections: int = Field(1, ge=1, description="authenticated connections per key and feed")
    batch: int = Field(1, ge=1, le=1000, description="at most this many quotes or trades a frame")
    ping_interval_s: float = Field(54.0, gt=0, le=86_400, description="between pings of an open connection")
    pong_timeout_s: float = Field(6.0, gt=0, le=86_400, description="without a pong, then the end of the connection")
    auth_timeout_s: float = Field(10.0, gt=0, le=86_400, description="then error 404 and the end of the connection")
    limit_close_s: float = Field(10.0, ge=0, le=86_400, description="between error 406 and the end of the connection")
    slow_client_s: float = Field(30.0, gt=0, le=86_400, description="of a full buffer, then error 407 and the end")
    key: str = Field("", description="when set, only this key is accepted; else any that is not empty")
    secret: SecretStr = Field(SecretStr(""), description="when set, only this secret is accepted")
    cash: float = Field(1_000_000.0, ge=0, le=1e12, allow_inf_nan=False, description="of the account, in dollars")
    order_frames: Literal["binary", "text"] = Field(
        "binary", description="frames of an order stream in JSON: binary as Alpaca's paper sends, or text"
    )
    audit: str = Field("", description="file for one JSON line per quote, trade or status written to a client")
    tls_cert: str = Field("", description="PEM file: market data is wss then, with this certificate")
    tls_key: str = Field("", description="PEM file with the key, if it is not in --tls-cert")
    tls_wrong_cert: str = Field("", description="PEM file: a second certificate, shown by the fault tls_wrong")
    tls_wrong_key: str = Field("", description="PEM file with the key, if it is not in --tls-wrong-cert")
    quiet: bool = Field(False, description="no event lines on stderr")

    @field_validator("host")
    @classmethod
    def _stay_local(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError("refused: not a loopback address")
        return "127.0.0.1" if host.startswith("localhost") else host.strip("[]")

    @field_validator("faults")
    @classmethod
    def _known_faults(cls, text: str) -> str:
        parse_text(text)
        return text

    @model_validator(mode="after")
    def _control_port_exists(self) -> SimulatorSettings:
        if self.control_port is None and self.port + CONTROL_PORT_OFFSET > MAX_PORT:
            raise ValueError("no room for the control port above --port, give --control-port")
        ports = [port for port in (self.port, self.rest_port_to_bind(), self.control_port_to_bind()) if port]
        if len(ports) != len(set(ports)):
            raise ValueError("two of --port, --rest-port and --control-port are the same")
        if not self.tls_cert and (self.tls_key or self.tls_wrong_cert or self.tls_wrong_key):
            raise ValueError("--tls-key, --tls-wrong-cert and --tls-wrong-key need --tls-cert")
        return self

    def rest_port_to_bind(self) -> int:
        """The REST port to ask for; 0 means any free one."""
        if self.rest_port is not None:
            return self.rest_port
        return self.port + REST_PORT_OFFSET if self.port else 0

    def control_port_to_bind(self) -> int:
        """The control port to ask for; 0 means any free one."""
        if self.control_port is not None:
            return self.control_port
        return self.port + CONTROL_PORT_OFFSET if self.port else 0
