"""The seam between what holds a connection to the bus and the engine that carries it.

Above it: clients, recorder, player, tap, node. Below it: a folder for each engine, `zeromq` and `nats`. A frame is a
topic, a zero byte and a payload. Only what is named `await_` or `wait` waits. One thread makes, uses and closes what an
engine gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol


class News(Enum):
    """What has become of the connection to the broker."""

    UP = auto()
    DOWN = auto()


class HasFileno(Protocol):
    """What select(2) can wait for: a socket, a waker."""

    def fileno(self) -> int: ...


class BusEnd(Protocol):
    """What both ends have in common."""

    def connect(self) -> None:
        """Connect in the background to where the engine's address says, and again after every loss."""

    def news(self) -> list[News]:
        """Changes of the connection since the last call, oldest first. It must be read, or it piles up."""

    def has_unread(self) -> bool:
        """Whether something has come that is not read yet.

        To be asked before sleeping on `descriptors`: one becomes readable once for any number of messages, and any
        other call may take that sign away.
        """

    def descriptors(self) -> list[int]:
        """What an event loop is to watch for reading."""

    def close(self, linger_ms: int | None = None) -> None:
        """Close; what still waits to be sent gets `linger_ms`, by default what the purpose asks for, to leave."""


class Subscriber(BusEnd, Protocol):
    """Hears the frames that begin with one of its prefixes. Without `watched` when it was made, it has no news."""

    not_subscribed: int
    """Messages that `keep_asked` dropped."""
    multipart: int
    """Messages of several parts that `take_whole` dropped."""

    @property
    def forged(self) -> int:
        """Messages dropped, since they were in another's name than that of the user who sent them."""

    def subscribe(self, prefixes: Iterable[bytes]) -> None: ...

    def unsubscribe(self, prefixes: Iterable[bytes]) -> None: ...

    def take(self, limit: int) -> list[bytes]:
        """Up to `limit` frames that have come, in order."""

    def take_bytes(self, limit: int, limit_bytes: int) -> list[bytes]:
        """`take`, ending also with the frame that reaches `limit_bytes`."""

    def take_whole(self, limit: int) -> list[bytes]:
        """`take` without messages of several parts. For what decides by the topic alone; quotes are checked later."""

    def keep_asked(self, frames: list[bytes]) -> list[bytes]:
        """Those that begin with one of the prefixes."""

    def await_frame(self, wait_ns: int) -> bool:
        """Wait for a frame, for at most `wait_ns` in whole milliseconds; whether one has come."""


class GatheringSubscriber(Subscriber, Protocol):
    """A subscriber for a program that looks at its messages now and then: what gathers wakes nobody."""

    def gather(self, wanted: bool) -> None:
        """Wake no thread until much has come, where the engine can do that; or wake for every message again."""

    def take_gathered(self, turns: Iterable[int]) -> list[bytes]:
        """A frame for each of `turns`, which may rest in between, until all that has come is taken."""


class Publisher(BusEnd, Protocol):
    """Sends frames to the broker; `news` must be read for `covers` to be true."""

    @property
    def connected(self) -> bool:
        """Whether a broker listens, as of the last `news`."""

    def send(self, frame: bytes) -> bool:
        """Send; False when the broker takes no more at the moment, or is not there: the frame is still the caller's."""

    def flush(self) -> None:
        """Ends a burst: an engine may have kept what was sent to write it in one go."""

    def covers(self, frame: bytes) -> bool:
        """Whether a subscription to this frame's topic is known to have arrived here; without one it may be lost."""

    def await_room(self, wait_ns: int) -> None:
        """Wait until the broker takes more, for at most `wait_ns` in whole milliseconds."""

    def await_news(self, wait_ns: int) -> None:
        """Wait for `news` or a change of what is covered, for at most `wait_ns`, rounded up to milliseconds."""


Waitable = Subscriber | Publisher | HasFileno | int
"""The last one is a descriptor."""


class Poller(Protocol):
    """Waits for ends of one engine and for descriptors together."""

    def watch(self, what: Waitable, *, writable: bool = False) -> None:
        """Wait until this can be read, or with `writable` also until it can be written; again to change that."""

    def unwatch(self, what: Waitable) -> None:
        """Wait for this no longer; harmless for one that is closed."""

    def wait(self, most_ms: int) -> list[int]:
        """Wait for at most `most_ms`; the descriptors that are ready. Ends of the bus are asked themselves."""

    def has_sign(self, end: Subscriber | Publisher) -> bool:
        """Whether the last `wait` found something at this end. To ask the end itself is a system call or two."""


class Engine(Protocol):
    """Makes ends of the bus at one address. A publisher sends data to it, a requester requests."""

    place: str
    """Where it looks for the bus, for people: told when nobody answers there."""

    def subscriber(self, prefixes: Iterable[bytes] = (), *, watched: bool = False) -> Subscriber: ...

    def gathering_subscriber(self, prefixes: Iterable[bytes]) -> GatheringSubscriber: ...

    def publisher(self) -> Publisher: ...

    def requester(self) -> Publisher: ...

    def poller(self) -> Poller: ...

    def close(self, linger_ms: int | None = None) -> None:
        """Close every end that is open, each with `linger_ms`, and wait until all has left or its linger is over."""
