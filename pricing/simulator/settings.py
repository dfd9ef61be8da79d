"""Settings of the exchange simulator: `--port` on the command line is `SIMULATOR_PORT` in the environment."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from quotebus.bus.process.flags import Unit
from quotebus.bus.process.loopback import is_loopback
from quotebus.bus.settings import LogSettings, Settings
from quotebus.pricing.simulator.faults import parse_text

PROGRAM = "exchange-simulator"
REST_PORT_OFFSET = 1
CONTROL_PORT_OFFSET = 2
MAX_PORT = 65_535


class SimulatorSettings(LogSettings):
    """What the simulated exchange listens on, how fast it ticks, and what it refuses."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix": "SIMULATOR_"})

    about = "An exchange on this machine that speaks Alpaca's protocols, with a broker, and faults on demand."
    examples = (
        "exchange-simulator  # 20 quotes a second on port 8765",
        "exchange-simulator --rate 5000 --symbol-limit 0 --batch 50",
        "exchange-simulator --faults 'refuse,latency_ms=200'",
        "exchange-simulator --port 0  # any free ports",
    )
    headings: ClassVar = {
        "host": "addresses",
        "rate": "market",
        "symbol_limit": "limits of the account",
        "ping_interval_s": "times",
        "faults": "faults",
        "tls_cert": "TLS",
        "audit": "output",
    }

    host: Annotated[str, Unit("ADDRESS")] = Field("127.0.0.1", description="loopback address to listen on")
    port: int = Field(8765, ge=0, le=MAX_PORT, description="market data and order stream; 0 takes any free port")
    rest_port: int | None = Field(
        None, ge=0, le=MAX_PORT, description="orders REST; one above --port unless given, 0 takes any free port"
    )
    control_port: int | None = Field(
        None, ge=0, le=MAX_PORT, description="control endpoint; two above --port unless given, 0 takes any free port"
    )
    rate: Annotated[float, Unit("PER_SECOND")] = Field(
        20.0, ge=0, le=10_000_000, allow_inf_nan=False, description="quotes per second over all symbols; 0: flat out"
    )
    seed: int = Field(1, description="the same seed gives every symbol the same sequence of values")
    batch: int = Field(1, ge=1, le=1000, description="most quotes or trades in one frame")
    symbol_limit: Annotated[int, Unit("PAIRS")] = Field(
        30, ge=0, description="(symbol, channel) pairs over trades and quotes; 0 for no limit"
    )
    max_connections: int = Field(1, ge=1, description="authenticated connections per key and feed")
    key: str = Field("", description="accept only this key; without it any key that is not empty")
    secret: SecretStr = Field(SecretStr(""), description="accept only this secret; without it any")
    cash: Annotated[float, Unit("DOLLARS")] = Field(
        1_000_000.0, ge=0, le=1e12, allow_inf_nan=False, description="the account's cash"
    )
    rest_limit: Annotated[int, Unit("REQUESTS")] = Field(
        200, ge=0, le=1_000_000, description="order requests a minute for each key; 0 for no limit"
    )
    order_frames: Literal["binary", "text"] = Field(
        "binary", description="frames of an order stream in JSON: binary, as Alpaca's paper account sends, or text"
    )
    ping_interval_s: float = Field(54.0, gt=0, le=86_400, description="time between pings of an open connection")
    pong_timeout_s: float = Field(6.0, gt=0, le=86_400, description="close a connection whose pong is later than this")
    auth_timeout_s: float = Field(
        10.0, gt=0, le=86_400, description="error 404, and close, when a client has not authenticated by then"
    )
    limit_close_s: float = Field(10.0, ge=0, le=86_400, description="time between error 406 and closing the connection")
    slow_client_s: float = Field(
        30.0, gt=0, le=86_400, description="error 407, and close, when a client's buffer stays full this long"
    )
    faults: Annotated[str, Unit("PLAN")] = Field(
        "", description="faults from the start: 'refuse,latency_ms=200', or a JSON object"
    )
    tls_cert: str = Field("", description="PEM file with a certificate; market data is wss then")
    tls_key: Annotated[str, Unit("FILE")] = Field("", description="PEM file with its key, if not in --tls-cert")
    tls_wrong_cert: str = Field("", description="PEM file with a second certificate, shown by the fault tls_wrong")
    tls_wrong_key: Annotated[str, Unit("FILE")] = Field(
        "", description="PEM file with its key, if not in --tls-wrong-cert"
    )
    audit: Annotated[str, Unit("FILE")] = Field(
        "", description="write one JSON line per quote, trade or status sent to a client"
    )
    quiet: bool = Field(False, description="print no event lines")

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
