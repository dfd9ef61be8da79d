"""Settings of every program: one pydantic-settings field is an environment variable, a line in `.env` and a flag.

A field `pricing_linger_s` is `PRICING_LINGER_S` in the environment and `--pricing-linger-s` on the command line.
Programs read their settings once, through `load`, which turns every mistake into one line and exit status 78.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Sequence
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from quotebus.bus.errors import EX_CONFIG, EX_NOINPUT, ConfigError, NoInput
from quotebus.bus.process.printable import escaped

LOOPBACK_NAMES = ("localhost", "localhost.localdomain")
CLIENT_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine. No look-up is made."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def local_endpoint(url: str) -> str:
    """A ZeroMQ endpoint that cannot leave this machine; ValueError otherwise.

    There is no CURVE yet, so nothing but loopback TCP, abstract `ipc://@name` and `inproc://` is accepted. A second
    broker would take over the path of a plain `ipc://`, and nobody would notice.
    """
    if url.startswith(("ipc://@", "inproc://")):
        return url
    if url.startswith("ipc://"):
        raise ValueError("ipc:// needs an abstract name, ipc://@name")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not a tcp://host:port endpoint") from None
    if parts.scheme != "tcp" or port is None or parts.path:
        raise ValueError("not a tcp://host:port endpoint")
    if not is_loopback(host):
        raise ValueError("refused: not a loopback address, and a bus that leaves the machine needs CURVE")
    return url


class Settings(BaseSettings):
    """Base of all settings classes: frozen, silent about input values, unknown variables ignored."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_file=".env",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_exit_on_error=False,
        cli_implicit_flags=True,
    )


class BusSettings(Settings):
    """Where the broker's three endpoints are."""

    bus_publish_url: str = Field("tcp://127.0.0.1:5570", description="data in: nodes and replay connect here")
    bus_subscribe_url: str = Field("tcp://127.0.0.1:5571", description="everything out: subscribers connect here")
    bus_request_url: str = Field("tcp://127.0.0.1:5572", description="requests in: clients connect here")

    @field_validator("bus_publish_url", "bus_subscribe_url", "bus_request_url")
    @classmethod
    def _stay_local(cls, url: str) -> str:
        return local_endpoint(url)


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def parse(settings: type[SettingsT], argv: Sequence[str], program: str) -> SettingsT:
    """Read settings from flags, environment and `.env`; ConfigError names the first bad one, never its value."""
    try:
        return settings(_cli_parse_args=list(argv), _cli_prog_name=program)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{name.upper()}: {reason}") from None
    except SettingsError as error:
        flags = [word.partition("=")[0] for word in argv if word.startswith("-")]
        kind = "unknown or incomplete flag" if "CLI" in str(error) else "cannot read settings"
        raise ConfigError(f"{kind} among {' '.join(flags)}" if flags else kind) from None


def load(settings: type[SettingsT], argv: Sequence[str], program: str) -> SettingsT:
    """`parse` for a program's main: prints the one line on stderr and exits 78."""
    try:
        return parse(settings, argv, program)
    except ConfigError as error:
        die(program, error)


def die(program: str, error: Exception) -> NoReturn:
    """End a program because of its settings: one line on stderr, exit status 78; 66 when a file is not there."""
    print(f"{program}: {escaped(str(error))}", file=sys.stderr, flush=True)
    raise SystemExit(EX_NOINPUT if isinstance(error, NoInput) else EX_CONFIG) from None
