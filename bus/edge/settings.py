"""Settings of `quotebus edge`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from quotebus.bus.base_client import default_name
from quotebus.bus.process.flags import Unit
from quotebus.bus.process.loopback import is_loopback
from quotebus.bus.settings import CLIENT_NAME, BusSettings, LogSettings


class EdgeSettings(BusSettings, LogSettings):
    """Where to listen, whom to serve, and what of."""

    about = (
        "Speaks Alpaca's stream protocols, market data and order updates, to any number of unmodified SDKs on this "
        "machine, over the pricing node's own connections."
    )
    examples = (
        "quotebus edge",
        "quotebus edge --port 9000 --policy usable",
    )
    flag_prefix = "edge_"
    headings: ClassVar = {"edge_host": "where", "edge_key": "clients", "edge_policy": "what they get"}

    edge_host: Annotated[str, Unit("HOST")] = Field(
        "127.0.0.1", description="address to listen on, of this machine only"
    )
    edge_port: Annotated[int, Unit("PORT")] = Field(8769, ge=0, le=65_535, description="port to listen on; 0 for any")
    edge_client: Annotated[str, Unit("NAME")] = Field(
        "",
        validate_default=True,
        description="name of this client on the bus; <program>-<host>-<pid>-<six hex digits> unless given",
    )
    edge_tls_cert: Annotated[str, Unit("FILE")] = Field(
        "", description="PEM file of a certificate and its chain, to serve wss:// instead of ws://"
    )
    edge_tls_key: Annotated[str, Unit("FILE")] = Field("", description="PEM file of the certificate's key")
    edge_key: SecretStr = Field(SecretStr(""), description="key that clients must give; any without it")
    edge_secret: SecretStr = Field(SecretStr(""), description="secret that clients must give; any without it")
    edge_connections: int = Field(1_000, ge=1, le=10_000, description="most connections at once; then 406")
    edge_symbol_limit: int = Field(
        0, ge=0, le=10_000, description="most symbols of all clients together; then 405; 0 for 10,000"
    )
    edge_policy: Literal["pass", "usable"] = Field(
        "pass", description="quotes: every one, or only those that may be used when they come"
    )
    edge_line_down: Literal["silence", "close"] = Field(
        "silence", description="when the upstream connection is lost: the clients' stay, or are closed as it was"
    )
    edge_queue: Annotated[int, Unit("RECORDS")] = Field(
        10_000, ge=1_000, le=1_000_000, description="records that may wait for one client; then 407 and its end"
    )
    edge_auth_s: float = Field(10, gt=0, le=600, description="time a client has to authenticate; then 404 and its end")

    @field_validator("edge_host")
    @classmethod
    def _local(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError("an address of this machine, since keys and prices cross it in clear")
        return host

    @field_validator("edge_client")
    @classmethod
    def _client(cls, name: str) -> str:
        if name and not CLIENT_NAME.match(name):
            raise ValueError("1 to 64 letters, digits, _ . : or -")
        return name or default_name()

    @model_validator(mode="after")
    def _both(self) -> Self:
        if bool(self.edge_key.get_secret_value()) != bool(self.edge_secret.get_secret_value()):
            raise ValueError("EDGE_KEY and EDGE_SECRET: both, or neither")
        if bool(self.edge_tls_cert) != bool(self.edge_tls_key):
            raise ValueError("EDGE_TLS_CERT and EDGE_TLS_KEY: both, or neither")
        return self
