"""Where the servers of a NATS bus are, who we are there, and how that is proven."""

from __future__ import annotations

import select
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from quotebus.bus.address import NatsAddress
from quotebus.bus.errors import ConfigError


@dataclass(frozen=True)
class NatsAccess:
    """What a connection needs."""

    servers: tuple[tuple[str, int], ...]
    bus: str = "quotebus"
    user: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    """With it nothing is ever sent in clear, and the server begins with its handshake (`handshake_first`)."""
    place: str = ""
    """For people."""

    @classmethod
    def find(cls, address: NatsAddress) -> Self:
        """Raises ConfigError when a certificate or a key cannot be used, and where the system has no epoll(7)."""
        if not hasattr(select, "epoll"):
            raise ConfigError("BUS_URL: NATS needs Linux here: this system has no epoll")
        servers = []
        for server in address.servers:
            host, _, port = server.rpartition(":")
            servers.append((host.strip("[]"), int(port)))
        tls = _make_context(address) if address.tls else None
        return cls(tuple(servers), address.bus, address.user, address.password, tls, str(address))


def _make_context(address: NatsAddress) -> ssl.SSLContext:
    setting, file = "BUS_TLS_CA_FILE", address.ca_file
    try:
        context = ssl.create_default_context(cafile=file or None)
        if address.cert_file:
            setting, file = "BUS_TLS_KEY_FILE", address.key_file or address.cert_file
            if Path(file).stat().st_mode & stat.S_IROTH:
                raise ConfigError(f"{setting}: every user of this machine can read {file}: chmod o= it")
            setting = "BUS_TLS_CERT_FILE"
            context.load_cert_chain(address.cert_file, address.key_file or None, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{setting}: cannot use {file}: {error}") from None
    return context


def _no_passphrase() -> str:
    """A program that waits for somebody to type would wait for ever."""
    raise ValueError("it is encrypted with a passphrase")
