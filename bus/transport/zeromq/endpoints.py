"""Where the broker's three endpoints are, as ZeroMQ wants it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

from quotebus.bus.address import IpcAddress, TcpAddress
from quotebus.bus.transport.zeromq.ipc_folder import open_folders

Urls = tuple[str, ...]
"""One endpoint may be at several places; a broker listens at one of them."""


class Endpoints(NamedTuple):
    """By endpoint, where to connect to. `place` is what to tell when no broker answers."""

    publish: Urls
    subscribe: Urls
    request: Urls
    place: str
    folders: tuple[Path, ...] = ()
    """Of an `ipc://` address."""

    @classmethod
    def find(cls, address: IpcAddress | TcpAddress) -> Self:
        """Raises ConfigError when the folder of an `ipc://` address cannot be used."""
        if isinstance(address, TcpAddress):
            return cls((address.publish,), (address.subscribe,), (address.request,), str(address))
        folders = open_folders(address)
        return cls(
            tuple(f"ipc://{folder}/publish" for folder in folders),
            tuple(f"ipc://{folder}/subscribe" for folder in folders),
            tuple(f"ipc://{folder}/request" for folder in folders),
            f"{address} ({' and '.join(str(folder) for folder in folders)})",
            folders,
        )
