"""The bus's subscriber and publisher over NATS. Both of one thread share a connection.

So a request leaves behind the subscriptions that its answer needs, and the answer proves them: nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.topics import END
from quotebus.bus.transport.line import News
from quotebus.bus.transport.nats.line import UNSENT_BYTES, NatsLine
from quotebus.bus.transport.nats.lines import NatsLines
from quotebus.bus.transport.nats.speaker import Forgeries
from quotebus.bus.transport.nats.subjects import is_covered, is_exact, to_pattern, to_subject

_MAX_HEADS = 100_000
"""Topics whose subject is remembered: three for each of the most symbols that a node holds, and then some."""


class _NatsEnd:
    """What both ends have in common. Before `connect` there is no line."""

    KIND = ""
    LINGER_MS = 0

    def __init__(self, lines: NatsLines, *, watched: bool) -> None:
        self._lines = lines
        self._line: NatsLine | None = None
        self._news: list[News] = []
        self._watched = watched

    def connect(self) -> None:
        self._line = self._lines.join(self.KIND)
        if self._watched:
            if self._line.up:
                self._news.append(News.UP)
            self._line.news.append(self._news)

    @property
    def is_open(self) -> bool:
        """Whether it has been connected and not closed."""
        return self._line is not None

    @property
    def line(self) -> NatsLine:
        """Raises AssertionError before `connect`."""
        assert self._line is not None
        return self._line

    def news(self) -> list[News]:
        if self._line is not None:
            self._line.fill(1)
        news = self._news.copy()
        self._news.clear()
        return news

    @property
    def has_news(self) -> bool:
        return bool(self._news)

    def has_unread(self) -> bool:
        return bool(self._news) or self.line.has_unread()

    def descriptors(self) -> list[int]:
        return [self.line.fileno()]

    def close(self, linger_ms: int | None = None) -> None:
        if self._line is not None:
            if self._watched:
                self._line.news.remove(self._news)
            self._lines.leave(self.KIND, self._line, self.LINGER_MS if linger_ms is None else linger_ms)
            self._line = None


class NatsSubscriber(_NatsEnd):
    """Hears each message once, whatever its prefixes have in common."""

    KIND = "hear"
    not_subscribed = multipart = 0
    """A server sends what was asked for, and a message has one part."""

    def __init__(self, lines: NatsLines, prefixes: Iterable[bytes] = (), *, watched: bool = False) -> None:
        super().__init__(lines, watched=watched)
        self._forgeries = Forgeries()
        self._root = lines.root
        self._prefixes: set[bytes] = set(prefixes)
        self._patterns: set[bytes] = set()
        self._wide: set[bytes] = set()
        self._narrow: tuple[bytes, ...] = ()
        """All prefixes, when a subscription hears more than they ask for."""

    def connect(self) -> None:
        super().connect()
        self._forgeries = self.line.forgeries
        self.subscribe(())

    @property
    def forged(self) -> int:
        return self._forgeries.count

    def subscribe(self, prefixes: Iterable[bytes]) -> None:
        new = set(prefixes)
        self._prefixes |= new
        if self._line is None:
            return
        if not self._patterns or not all(prefix.endswith(END) for prefix in new):
            self._subscribe_anew()
            return
        for prefix in new:
            pattern = to_pattern(self._root, prefix)
            if pattern not in self._patterns and not is_covered(pattern, self._wide):
                self._patterns.add(pattern)
                self._line.subscribe(pattern)
        self._line.flush()

    def unsubscribe(self, prefixes: Iterable[bytes]) -> None:
        gone = set(prefixes) & self._prefixes
        self._prefixes -= gone
        if self._line is None:
            return
        if not all(prefix.endswith(END) for prefix in gone):
            self._subscribe_anew()
            return
        for pattern in {to_pattern(self._root, prefix) for prefix in gone} & self._patterns:
            self._patterns.discard(pattern)
            self._line.unsubscribe(pattern)
        self._line.flush()

    def _subscribe_anew(self) -> None:
        """A server delivers once for each subscription that hears a message, so none may hear what another does."""
        patterns = {to_pattern(self._root, prefix) for prefix in self._prefixes}
        self._wide = {pattern for pattern in patterns if pattern.endswith(b".>")}
        wanted = {pattern for pattern in patterns if not is_covered(pattern, self._wide)}
        for pattern in self._patterns - wanted:
            self.line.unsubscribe(pattern)
        for pattern in wanted - self._patterns:
            self.line.subscribe(pattern)
        self._patterns = wanted
        self._narrow = () if all(map(is_exact, self._prefixes)) else tuple(self._prefixes)
        self.line.flush()

    def close(self, linger_ms: int | None = None) -> None:
        if self._line is not None:
            for pattern in self._patterns:
                self._line.unsubscribe(pattern)
            self._line.flush()
            self._line.frames.clear()
        super().close(linger_ms)

    def await_frame(self, wait_ns: int) -> bool:
        deadline_ns = now_ns() + wait_ns // NS_PER_MS * NS_PER_MS
        while True:
            self.line.fill(1)
            if self.line.frames:
                return True
            if (left_ns := deadline_ns - now_ns()) <= 0:
                return False
            self.line.wait(left_ns)

    def take(self, limit: int) -> list[bytes]:
        line = self.line
        line.fill(limit)
        frames = line.frames
        if len(frames) <= limit:
            line.frames = []
        else:
            line.frames = frames[limit:]
            del frames[limit:]
        if self._narrow and frames:
            kept = [frame for frame in frames if frame.startswith(self._narrow)]
            return kept if len(kept) == len(frames) else kept + self.take(limit - len(kept))
        return frames

    def take_bytes(self, limit: int, limit_bytes: int) -> list[bytes]:
        frames = self.take(limit)
        size = 0
        for number, frame in enumerate(frames, 1):
            size += len(frame)
            if size >= limit_bytes:
                self.line.frames = frames[number:] + self.line.frames
                return frames[:number]
        return frames

    def take_whole(self, limit: int) -> list[bytes]:
        return self.take(limit)

    def keep_asked(self, frames: list[bytes]) -> list[bytes]:
        return frames

    def gather(self, wanted: bool) -> None:
        """There is no thread beside the program's to be woken."""

    def take_gathered(self, turns: Iterable[int]) -> list[bytes]:
        frames: list[bytes] = []
        for _ in turns:
            taken = self.take(1)
            if not taken:
                break
            frames += taken
        return frames


class NatsPublisher(_NatsEnd):
    """Gathers a burst and writes it in one go: `flush` ends it."""

    KIND = "say"

    def __init__(self, lines: NatsLines) -> None:
        super().__init__(lines, watched=True)
        self._root, self._user = lines.root, lines.user
        self._heads: dict[bytes, bytes] = {}
        self.connected = False

    def news(self) -> list[News]:
        news = super().news()
        if news:
            self.connected = news[-1] is News.UP
        return news

    def send(self, frame: bytes) -> bool:
        line = self.line
        if line.unsent_bytes >= UNSENT_BYTES:
            line.flush()
        if not line.up or line.unsent_bytes >= UNSENT_BYTES:
            return False
        end = frame.find(0)
        topic = frame[:end]
        line.accept(
            b"%b%d\r\n%b\r\n"
            % (self._heads.get(topic) or self._make_head(topic), len(frame) - end - 1, frame[end + 1 :])
        )
        return True

    def flush(self) -> None:
        self.line.flush()

    def covers(self, frame: bytes) -> bool:  # noqa: ARG002
        """What is sent goes behind our own subscriptions, and whoever asks us has subscribed before: true while up."""
        return self.line.up

    def await_room(self, wait_ns: int) -> None:
        if not self.has_room():
            self.line.wait(wait_ns)

    def has_room(self) -> bool:
        """Whether a frame would be taken now."""
        return self.line.up and self.line.unsent_bytes < UNSENT_BYTES

    def await_news(self, wait_ns: int) -> None:
        if not self._news:
            self.line.wait(wait_ns)

    def _make_head(self, topic: bytes) -> bytes:
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        head = self._heads[topic] = b"PUB " + to_subject(self._root, self._user, topic) + b" "
        return head


class NatsRequester(NatsPublisher):
    """A publisher whose last words are waited for: a client's release."""

    LINGER_MS = 500
