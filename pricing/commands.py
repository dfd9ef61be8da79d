"""What a core asks its shell to do: one command each for the bus, the upstream and the upstream's socket. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from quotebus.bus.events import Event


class SocketCommand(StrEnum):
    """What to do with the upstream socket."""

    DIAL = "dial"
    ABANDON_DIAL = "abandon dial"
    AUTHENTICATE = "authenticate"
    PING = "ping"
    HANG_UP = "hang up"


@dataclass(frozen=True, slots=True)
class SendUpstream:
    """Send this message to the upstream. It holds no credentials: for those there is AUTHENTICATE."""

    message: dict[str, Any]

    def summarize(self) -> str:
        """The action and how many symbols of each channel, for the log."""
        counts = [f"{len(value)} {name}" for name, value in self.message.items() if isinstance(value, list)]
        return " ".join([str(self.message.get("action")), ", ".join(counts)]).strip()


@dataclass(frozen=True, slots=True)
class AskVenue:
    """Read a snapshot of these symbols by REST; the answer bears the number."""

    symbols: tuple[str, ...]
    number: int


class Asked(StrEnum):
    """What the venue's trading API can be asked."""

    LIST = "list of symbols"
    ASSET = "symbol"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class AskTrading:
    """Ask the venue's trading API; `symbol` where it is about one."""

    what: Asked
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish this event on the bus."""

    event: Event
