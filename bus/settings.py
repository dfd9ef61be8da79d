"""Settings of every program: one pydantic-settings field is an environment variable, a line in `.env` and a flag.

A field `pricing_linger_s` is `PRICING_LINGER_S` in the environment and `--linger-s` on the command line of its program.
Programs read their settings once, through `load`, which turns every mistake into one line and exit status 78.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, NoReturn, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from quotebus.bus.address import (
    DEFAULT,
    BusAddress,
    NatsAddress,
    TcpAddress,
    check_endpoint,
    endpoint_on_loopback,
    parse_address,
    parse_endpoints,
)
from quotebus.bus.errors import EX_CONFIG, EX_NOINPUT, ConfigError, NoInput
from quotebus.bus.own_names import OWN_NAME
from quotebus.bus.process.flags import AlsoFlag, Given, Unit, is_secret, parse_flags
from quotebus.bus.process.mistakes import explain, show_value
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.spelling import misspelt_variables

ENV_FILE = ".env"
CLIENT_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_ENDPOINTS = ("bus_publish_url", "bus_subscribe_url", "bus_request_url")


class Settings(BaseSettings):
    """Base of all settings classes: frozen, silent about input values, unknown variables ignored."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_file=ENV_FILE,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )
    about: ClassVar[str] = ""
    """The first sentence of `--help`."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Command lines at the end of `--help`, each with a comment after `  # ` or without."""
    flag_prefix: ClassVar[str] = ""
    """What names of fields begin with in the environment, and flags do not."""
    headings: ClassVar[dict[str, str]] = {}
    """The groups of flags in `--help`: the first field of each, and its heading."""


class LogSettings(Settings):
    """What a program logs, and how. Of programs only: `BusClient` leaves logging to the one that uses it."""

    headings: ClassVar = {"log_level": "logging"}

    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], Unit("LEVEL")] = Field(
        "info",
        validation_alias="log_level",
        description="log this level and above: debug, info, warning, error or critical",
    )
    log_format: Literal["text", "json"] = Field(
        "text", validation_alias="log_format", description="log lines for people, or one JSON object a line"
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _any_case(cls, text: object) -> object:
        return text.lower() if isinstance(text, str) else text

    def secrets(self) -> list[str]:
        """The values of all secret settings, which must not appear in a log."""
        values = (getattr(self, name) for name, field in type(self).model_fields.items() if is_secret(field))
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


class BusSettings(Settings):
    """Where the bus is, and how to get in."""

    headings: ClassVar = {"bus_url": "bus"}

    bus_url: Annotated[str, AlsoFlag("bus")] = Field(
        DEFAULT,
        validation_alias="bus_url",
        description="ipc://NAME for this user on this machine; tcp://HOST:PORT, and the next two ports, for a broker; "
        "nats://HOST or tls://HOST,HOST for NATS",
    )
    bus_runtime_dir: str = Field(
        "",
        validation_alias="bus_runtime_dir",
        description="of ipc://: the folder to be in, instead of /run/user/UID or /tmp/quotebus-UID",
    )
    bus_plain_loopback: bool = Field(
        False,
        validation_alias="bus_plain_loopback",
        description="of tcp://: do without keys on this machine's loopback, where every user of it gets in",
    )
    bus_key_file: str = Field(
        "",
        validation_alias="bus_key_file",
        description="of tcp://: this program's key, from `quotebus keys new`; everything is encrypted",
    )
    bus_publish_url: str = Field(
        "",
        validation_alias="bus_publish_url",
        description="tcp://HOST:PORT of the broker's publish endpoint: nodes and replays send to it. This and the next "
        "two override BUS_URL, all three together",
    )
    bus_subscribe_url: str = Field(
        "",
        validation_alias="bus_subscribe_url",
        description="the broker's subscribe endpoint: everything is read from it",
    )
    bus_request_url: str = Field(
        "", validation_alias="bus_request_url", description="the broker's request endpoint: clients send to it"
    )

    bus_user: Annotated[str, Unit("NAME")] = Field(
        "",
        validation_alias="bus_user",
        description="of NATS: the name under which the server knows this program; its permissions name it too, and the "
        "program's names on the bus begin with it",
    )
    bus_password: Annotated[SecretStr, Unit("SECRET")] = Field(
        SecretStr(""), validation_alias="bus_password", description="of NATS: the user's, if it has no certificate"
    )
    bus_tls_ca_file: str = Field(
        "",
        validation_alias="bus_tls_ca_file",
        description="of tls://: the authority that has signed the servers' certificates, instead of the system's",
    )
    bus_tls_cert_file: str = Field(
        "", validation_alias="bus_tls_cert_file", description="of tls://: this program's certificate"
    )
    bus_tls_key_file: str = Field(
        "", validation_alias="bus_tls_key_file", description="of tls://: its key, if the certificate's file has none"
    )

    @property
    def bus_address(self) -> BusAddress:
        """Where the bus is, from all the settings above."""
        endpoints = [getattr(self, name) for name in _ENDPOINTS]
        if all(endpoints):
            return replace(parse_endpoints(*endpoints), key_file=self.bus_key_file)
        address = parse_address(self.bus_url, self.bus_runtime_dir)
        if isinstance(address, TcpAddress):
            return replace(address, key_file=self.bus_key_file)
        if not isinstance(address, NatsAddress):
            return address
        files = (self.bus_tls_ca_file, self.bus_tls_cert_file, self.bus_tls_key_file)
        return NatsAddress(
            address.servers, address.tls, address.bus, self.bus_user, self.bus_password.get_secret_value(), *files
        )

    @field_validator("bus_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        parse_address(url)
        return url

    @field_validator(*_ENDPOINTS)
    @classmethod
    def _an_endpoint(cls, url: str) -> str:
        if url:
            check_endpoint(url)
        return url

    @model_validator(mode="after")
    def _let_nobody_in(self) -> Self:
        given = [name for name in _ENDPOINTS if getattr(self, name)]
        missing = [name.upper() for name in _ENDPOINTS if name not in given]
        if given or isinstance(self.bus_address, TcpAddress):
            for name in given or ["bus_url"]:
                self._refuse_strangers(name, getattr(self, name))
        address = self.bus_address
        if isinstance(address, NatsAddress) and address.password and not address.tls and not address.is_local:
            raise ValueError("BUS_PASSWORD: would cross the network in clear: use tls:// in BUS_URL")
        if isinstance(address, NatsAddress) and address.user and not OWN_NAME.match(address.user):
            raise ValueError(
                "BUS_USER: at most 40 letters, digits, and . : _, and no hyphen: the program's names begin with it"
            )
        if given and missing:
            raise ValueError(f"{given[0].upper()}: needs {' and '.join(missing)} beside it, or BUS_URL instead of all")
        return self

    @property
    def _has_keys(self) -> bool:
        """Whether nobody gets in without a key."""
        return bool(self.bus_key_file)

    def _refuse_strangers(self, name: str, url: str) -> None:
        """Raise ValueError where everybody who can connect would get in."""
        if self._has_keys:
            return
        if not endpoint_on_loopback(url):
            raise ValueError(
                f"{name.upper()}: refused: not a loopback address, and a bus that leaves this machine needs keys "
                "(BUS_KEY_FILE)"
                f"{show_value(url)}"
            )
        if not self.bus_plain_loopback:
            raise ValueError(
                f"{name.upper()}: without keys every user of this machine gets in: use ipc://NAME, or say "
                f"BUS_PLAIN_LOOPBACK=yes{show_value(url)}"
            )


SettingsT = TypeVar("SettingsT", bound=BaseSettings)


def parse(settings: type[SettingsT], argv: Sequence[str], program: str) -> SettingsT:
    """Read settings from flags, environment and `.env`; ConfigError names the first bad one, and no secret."""
    return build(settings, parse_flags(settings, argv, program))


def build(settings: type[SettingsT], given: Given) -> SettingsT:
    """Settings from what the command line gave, from the environment and `.env`. Raises ConfigError."""
    try:
        return settings(**given.values)
    except ValidationError as error:
        raise ConfigError(explain(settings, error, given.flags)) from None
    except SettingsError as error:
        raise ConfigError(f"cannot read settings: {error}") from None


def load(settings: type[SettingsT], argv: Sequence[str], program: str) -> SettingsT:
    """`parse` for a program's main: a mistake is one line on stderr and exit status 78; misspelt variables are told."""
    try:
        given = parse_flags(settings, argv, program)
    except ConfigError as error:
        die(program, error)
    return load_given(settings, given, program)


def load_given(settings: type[SettingsT], given: Given, program: str) -> SettingsT:
    """`build` for a program's main: as `load`, when the command line has been read already."""
    try:
        loaded = build(settings, given)
    except ConfigError as error:
        warn_of_misspelt(program)
        die(program, error)
    warn_of_misspelt(program, as_json=isinstance(loaded, LogSettings) and loaded.log_format == "json")
    return loaded


def warn_of_misspelt(program: str, *, as_json: bool = False) -> None:
    """A line on stderr for each variable that looks like a setting of ours and is none."""
    for line in misspelt_variables(ENV_FILE):
        fields = {"program": program, "level": "warning", "message": line}
        text = json.dumps(fields) if as_json else f"{program}: warning: {escaped(line)}"
        print(text, file=sys.stderr, flush=True)


def die(program: str, error: Exception) -> NoReturn:
    """End a program because of its settings: one line on stderr, exit status 78; 66 when a file is not there."""
    print(f"{program}: {escaped(str(error))}", file=sys.stderr, flush=True)
    raise SystemExit(EX_NOINPUT if isinstance(error, NoInput) else EX_CONFIG) from None
