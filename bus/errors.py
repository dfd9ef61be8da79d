"""The project's errors: one root, the classes that more than one part raises or catches, and the exit statuses.

    QuotebusError
    ├── ConfigError            a setting or an endpoint cannot be used: one line, exit 78
    │   └── NoInput            the file to be read is not there, or empty: one line, exit 66
    ├── BadSymbol              a symbol that cannot be a topic; carries `symbol`
    ├── ClientClosed           a client is used after `close`; RuntimeError too
    ├── ClientInherited        a client is used in a forked child of its process; RuntimeError too
    ├── MissingExtra           a library that an extra installs is not there; ImportError too; carries `library`
    ├── NotOnTheBus            `bus.sdk`: a channel of the venue that the bus does not carry; NotImplementedError too
    ├── StreamEnded            `bus.sdk`: a stream cannot go on, such as for another feed than the node's; logged
    ├── UndecodableMessage     a peer's message that cannot be read; carries `kind`
    ├── MessageTooLarge        a payload of ours, refused before sending; carries `size_bytes`, `limit_bytes`
    ├── IllegalTransition      a state machine was asked for a move its table does not have: a defect of ours
    ├── NotACapture            `bus.capture`: nothing at this path is a capture
    ├── CaptureDamaged         `bus.capture`: a capture is not whole; carries `damage`
    ├── BusOccupied            `bus.capture`: a live node or another replay publishes on the bus
    ├── BrokerGone             `bus.capture`: the broker left during a replay and did not return
    ├── UpstreamLost           `pricing`: the upstream connection has ended; carries `cause`
    ├── DialFailed             `pricing`: an attempt to connect brought no socket; carries `cause`, `detail`
    ├── RestFailed             `pricing`: a REST request brought no answer that can be used; carries `status`, `headers`
    ├── UnreadableFrame        `pricing`: a frame of the upstream is no array of records
    ├── UnreadableOrder        `pricing`: a message of the order stream cannot be read
    ├── ControlError           `pricing.simulator`: its control endpoint refused a request; carries `status`
    ├── HttpError              `pricing.simulator`: an HTTP request gets an error status; carries `status`, `reason`
    ├── RestError              `pricing.simulator`: a trading request is refused; carries `status`, `body`
    ├── UndecodableRequest     `pricing.simulator`: a client's message is neither JSON nor MessagePack
    ├── ThreadEnded            `pricing`: a thread of the node has died; exit 70
    └── JournalDamaged         `execution_adapter`: an intent's journal cannot be relied on

What a peer sends is counted and dropped, so UndecodableMessage never reaches a caller of the client. Bad arguments are
ValueError: BadSymbol and MessageTooLarge are both.
"""

from __future__ import annotations

EX_CONFIG = 78
"""Exit status of every program for bad settings, as in BSD sysexits.h."""

EX_NOINPUT = 66
"""Exit status when the file to be read is not there, from the same list."""

EX_IOERR = 74
"""Exit status when a disk refuses, from the same list."""


class QuotebusError(Exception):
    """Root of all errors raised by this project."""


class ConfigError(QuotebusError):
    """A setting or an endpoint cannot be used; the text is one line and holds no secret."""


class NoInput(ConfigError):
    """The file to be read is not there, or there is nothing in it; the text is one line."""


class BadSymbol(QuotebusError, ValueError):
    """A symbol does not fit `[A-Z0-9][A-Z0-9./_-]{0,31}`."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"not a symbol: {symbol[:40]!r}")
        self.symbol = symbol


class ClientClosed(QuotebusError, RuntimeError):
    """A client was used after `close`."""

    def __init__(self, client: str) -> None:
        super().__init__(f"client {client} is closed: make a new one")


class NotOnTheBus(QuotebusError, NotImplementedError):
    """A stream was asked for a channel that the bus does not carry."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the bus carries quotes and trades, no {what}: read them by REST")


class StreamEnded(QuotebusError):
    """A stream in alpaca-py's form cannot go on; the text says why."""


class ClientInherited(QuotebusError, RuntimeError):
    """A client, or one of its feeds, was used in a forked child. The connection belongs to the parent and goes on."""

    def __init__(self, client: str, owner_pid: int) -> None:
        super().__init__(
            f"client {client} belongs to process {owner_pid}, which this process was forked from: make a new client"
            " here, or start this process with the spawn method instead of fork"
        )


class MissingExtra(QuotebusError, ImportError):
    """A library is not installed that only this call needs; the text says which extra of quotebus brings it."""

    def __init__(self, library: str) -> None:
        super().__init__(f"this needs {library}: pip install 'quotebus[{library}]'", name=library)
        self.library = library
        """The library's name, and that of the extra."""


class UndecodableMessage(QuotebusError):
    """A bus message cannot be read. `kind` is the counter it belongs to: malformed, version, topic or too_big."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


class MessageTooLarge(QuotebusError, ValueError):
    """A payload of ours exceeds what peers accept; nothing was sent."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"payload of {size_bytes} bytes exceeds {limit_bytes}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class IllegalTransition(QuotebusError):
    """A state machine was asked for a move that its table does not have. Always a defect of ours, never a peer's."""

    def __init__(self, machine: str, state: str, asked: str, cause: str = "") -> None:
        """`asked` is the signal, or the state to go to; `cause` is why it was asked, where that is known."""
        super().__init__(f"{machine}: {asked} is illegal in state {state}" + (f" (cause: {cause})" if cause else ""))
        self.machine = machine
        self.state = state
        self.asked = asked
        self.cause = cause
