"""Settings of `quotebus serve`."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from quotebus.bus.process.flags import Unit, Words
from quotebus.bus.process.loopback import is_loopback
from quotebus.bus.settings import BusSettings, LogSettings, Settings

SHORTEST_TOKEN = 16
_HOST_NAME = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,253}\Z")


class ServeSettings(BusSettings, LogSettings):
    """Where to listen, who may look, and how much of this machine to use."""

    model_config = SettingsConfigDict(**Settings.model_config)
    about = (
        "Serves a live page of the bus, health checks and metrics over HTTP. It only listens: it asks for no symbol "
        "and opens no connection to an exchange."
    )
    examples = (
        "quotebus serve  # then open http://127.0.0.1:8768/",
        "quotebus serve --port 9000",
        "SERVE_TOKEN=… quotebus serve --host 0.0.0.0 --names bus.example.org",
    )
    flag_prefix = "serve_"
    headings: ClassVar = {
        "serve_host": "where",
        "serve_token": "who",
        "serve_every_s": "run",
    }

    serve_host: Annotated[str, Unit("HOST")] = Field(
        "127.0.0.1", description="address to listen on; beyond this machine only with a token"
    )
    serve_port: Annotated[int, Unit("PORT")] = Field(8768, ge=0, le=65_535, description="port to listen on; 0 for any")
    serve_names: Annotated[Words, Unit("NAMES")] = Field(
        [], description="host names besides the address by which it may be opened, such as behind a proxy"
    )
    serve_token: Annotated[SecretStr, Unit("TOKEN")] = Field(
        SecretStr(""), description="token that a browser or a scraper must give; needed beyond this machine"
    )
    serve_clients: int = Field(32, ge=1, le=1_000, description="most open pages at once; then 503")
    serve_every_s: float = Field(0.5, ge=0.1, le=60, description="time between two updates of the page")
    serve_max_age_s: float = Field(60.0, gt=0, le=1e9, description="a quote older than this is not usable")
    serve_nice: int = Field(10, ge=0, le=20, description="CPU priority, as of `quotebus tap`")

    @field_validator("serve_names")
    @classmethod
    def _named(cls, names: list[str]) -> list[str]:
        if not all(_HOST_NAME.match(name) for name in names):
            raise ValueError("host names, without a scheme or a path")
        return names

    @field_validator("serve_token")
    @classmethod
    def _long(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text and (len(text) < SHORTEST_TOKEN or not text.isascii() or not text.isprintable()):
            raise ValueError(f"at least {SHORTEST_TOKEN} printable ASCII characters")
        return token

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not is_loopback(self.serve_host) and not self.serve_token.get_secret_value():
            raise ValueError("SERVE_HOST: beyond this machine SERVE_TOKEN is needed")
        return self
