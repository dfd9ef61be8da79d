"""One connection to a NATS server, of one thread: what is heard and what is said go over it.

It has no thread of its own while it stands, so nothing is read while its owner is busy; the server keeps that, up to
its `max_pending`. What was accepted and not yet sent when it is lost, is lost: readers see the gap in the numbers.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import select
import socket
import ssl
import threading
from collections import deque
from functools import partial
from weakref import WeakSet

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.transport.line import News
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.dial import Connected, Dialling
from quotebus.bus.transport.nats.protocol import PING, PONG, Reader
from quotebus.bus.transport.nats.speaker import Forgeries, find_speaker
from quotebus.bus.transport.nats.subjects import make_root, to_topic
from quotebus.bus.transport.waker import Waker

log = logging.getLogger(__name__)

UNSENT_BYTES = 256 << 10
"""Beyond it nothing more is accepted: what waits here can no longer be replaced by something newer."""
_WRITE_BYTES = 64 << 10
_PING_NS = NS_PER_S
_SILENCE_NS = 3 * NS_PER_S
_ANSWER_NS = 2 * NS_PER_S
_CHUNK, _TLS_CHUNK = 64 << 10, 16 << 10
"""A TLS record is at most 16 KiB; a larger buffer for each costs three times as much in page faults."""
_TELL_NS = 60 * NS_PER_S
_SPREAD_S = 0.1
_SUB = b"SUB %b %d\r\n"
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class NatsLine:
    """Connects in the background, and again after every loss, to whichever server lets us in.

    `tend` is to be called often: it takes a new connection over, keeps the present one alive and ends a dead one.
    """

    def __init__(self, access: NatsAccess, name: str) -> None:
        self.root = make_root(access.bus)
        self.frames: list[bytes] = []
        """What has come and nobody has taken yet."""
        self.up = False
        self.unsent_bytes = 0
        self.news: list[list[News]] = []
        """Of each end that wants it, what it has not read yet."""
        self.patterns: dict[bytes, int] = {}
        """What is subscribed to, with its number; said again to each new server."""
        self.forgeries = Forgeries()
        self.lost_bytes = 0
        """Accepted, and not sent when the connection was lost."""
        self._access, self._name = access, name
        self._arrived: deque[Connected] = deque()
        self._waker, self._epoll = Waker(), select.epoll()
        self._epoll.register(self._waker.fileno(), select.EPOLLIN)
        self._socket: socket.socket | None = None
        self._reader = self._make_reader()
        self._unsent: list[bytes] = []
        self._writable = self._closed = False
        self._sids = self._server = self._next_word_ns = self._forged_told = 0
        self._since_ns = self._heard_ns = self._ping_ns = self._check_ns = 0
        self._dialling = self._dial(random.randrange(len(access.servers)), 0.0)
        _open.add(self)

    def _dial(self, first: int, wait_s: float) -> Dialling:
        return Dialling(self._access, self._name, self._make_reader, self._arrive, first=first, wait_s=wait_s)

    def _make_reader(self) -> Reader:
        return Reader(partial(to_topic, self.root), partial(find_speaker, self.root, self.forgeries))

    def _arrive(self, connected: Connected) -> None:
        self._arrived.append(connected)
        self._waker.wake()
        if self._closed:
            self._drop_arrived()

    # the owner's

    def fileno(self) -> int:
        """Readable when something is to be done: always the same descriptor, whatever the server."""
        return self._epoll.fileno()

    def has_unread(self) -> bool:
        """Whether there is something that the descriptor does not show, or something that it shows."""
        return bool(self.frames) or self._holds_decrypted() or bool(self._epoll.poll(0))

    def holds_unread(self) -> bool:
        """Whether there is something that the descriptor does not show."""
        return bool(self.frames) or self._holds_decrypted()

    def _holds_decrypted(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def next_ns(self) -> int:
        """When `tend` is due though nothing comes."""
        return self._check_ns if self.up else now_ns() + NS_PER_S

    def wait(self, wait_ns: int) -> None:
        """Until something is to be done, for at most so long, rounded up to milliseconds."""
        if not self.holds_unread():
            wait_ns = min(wait_ns, self.next_ns() - now_ns())
            self._epoll.poll(max(0, -(-wait_ns // NS_PER_MS)) / 1_000)
        self.tend()

    def tend(self) -> None:
        now = now_ns()
        if self._arrived:
            self._waker.clear()
            self._take_over(self._arrived.popleft(), now)
        if self._socket is None:
            return
        if self._unsent:
            self.flush()
        if self._socket is not None and now >= self._check_ns:
            self._check_life(now)

    def subscribe(self, pattern: bytes) -> None:
        self._sids += 1
        self.patterns[pattern] = self._sids
        self.say(_SUB % (pattern, self._sids))

    def unsubscribe(self, pattern: bytes) -> None:
        self.say(b"UNSUB %d\r\n" % self.patterns.pop(pattern))

    def say(self, command: bytes) -> None:
        """Send something of the protocol's; without a connection it is forgotten."""
        if self.up:
            self._unsent.append(command)
            self.unsent_bytes += len(command)

    def accept(self, message: bytes) -> None:
        """Send a message, with the next `flush` or when enough has gathered. The caller has looked whether it may."""
        self._unsent.append(message)
        self.unsent_bytes += len(message)
        if self.unsent_bytes >= _WRITE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was said, as far as the server takes it."""
        if not self._unsent or self._socket is None:
            return
        data = memoryview(b"".join(self._unsent))
        size = len(data)
        try:
            while data:
                data = data[self._socket.send(data) :]
        except _WOULD_BLOCK:
            pass
        except OSError as error:
            self._cut(str(error))
            return
        if self._writable and len(data) < size:
            self._heard_ns = now_ns()  # it took nothing more, and now it does: it reads, and our PING is on its way
        self._unsent = [bytes(data)] if data else []
        self.unsent_bytes = len(data)
        if bool(data) != self._writable:
            self._watch()

    def fill(self, limit: int) -> None:
        """Read until there are `limit` frames, or nothing more has come."""
        self.tend()
        line, frames = self._socket, self.frames
        chunk = _TLS_CHUNK if isinstance(line, ssl.SSLSocket) else _CHUNK
        while line is not None and len(frames) < limit:
            try:
                data = line.recv(chunk)
            except _WOULD_BLOCK:
                return
            except OSError as error:
                self._cut(str(error))
                return
            self._heard_ns = now_ns()
            self._reader.feed(data, frames)
            if self.forgeries.count > self._forged_told:
                self._tell_forged()
            if not data or not self._read_control():
                self._cut(self._reader.broken or "the server has closed it")
                return
            if len(data) < chunk == _CHUNK:
                return

    def close(self, linger_ms: int) -> threading.Thread | None:
        """End. What is not sent yet gets so long to leave, in the thread that is returned."""
        if self._closed:
            return None
        line, unsent = self._socket, b"".join(self._unsent)
        self.drop(keep_socket=True)
        if line is None:
            return None
        if not linger_ms:
            _end(line)
            return None
        leaving = threading.Thread(target=_leave, args=(line, unsent, linger_ms), name="nats-leave", daemon=True)
        leaving.start()
        return leaving

    def drop(self, *, keep_socket: bool = False) -> None:
        """Close this process's descriptors without a word to the server: after a fork the line is the parent's."""
        self._closed = True
        self._dialling.abandon()
        line, self._socket, self.up = self._socket, None, False
        self._epoll.close()
        self._waker.close()
        self._drop_arrived()
        if line is not None and not keep_socket:
            line.close()

    def _drop_arrived(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._arrived.popleft().socket.close()

    # the connection

    def _take_over(self, connected: Connected, now: int) -> None:
        self._socket, self._reader, self._server = connected
        self._epoll.register(self._socket.fileno(), select.EPOLLIN)
        self._writable = False
        self.up = True
        self._since_ns = self._heard_ns = now
        self._ping_ns, self._check_ns = 0, now + _PING_NS
        self._unsent = [_SUB % (pattern, sid) for pattern, sid in self.patterns.items()]
        self._watch()
        self.flush()
        if self.up:
            log.debug("%s: connected to NATS server %s:%d", self._name, *self._access.servers[self._server])
            self._tell(News.UP)

    def _check_life(self, now: int) -> None:
        """A PING each second; without a sign of life for three, and while one waits for its answer, it is dead.

        Whoever was stopped meanwhile finds the server's answers unread: nobody is judged before they are.
        """
        if self._is_readable():
            self._heard_ns = now
        if self._heard_ns >= self._ping_ns:
            self._ping_ns = now
            self.say(PING)
            self.flush()
        elif now >= self._dead_ns():
            self._cut("no answer for 3 s")
        self._check_ns = min(now + _PING_NS, self._dead_ns())

    def _dead_ns(self) -> int:
        return max(self._heard_ns + _SILENCE_NS, self._ping_ns + _ANSWER_NS)

    def _is_readable(self) -> bool:
        assert self._socket is not None
        number = self._socket.fileno()
        return self._holds_decrypted() or any(
            ready == number and flags & select.EPOLLIN for ready, flags in self._epoll.poll(0)
        )

    def _tell_forged(self) -> None:
        if now_ns() >= self._next_word_ns:
            self._next_word_ns, self._forged_told = now_ns() + _TELL_NS, self.forgeries.count
            text = (
                "%s: %d messages dropped, in another's name than that of the user who sent them, the last under %.200r"
            )
            log.warning(text, self._name, self._forged_told, self.forgeries.subject.decode("latin-1"))

    def _read_control(self) -> bool:
        """Answer what is not a message; False when the connection must end."""
        reader = self._reader
        if reader.pings:
            self.say(PONG * reader.pings)
            reader.pings = 0
            self.flush()
        if reader.errors:
            for error in dict.fromkeys(reader.errors):
                log.warning("%s: NATS server: %s", self._name, error)
            reader.errors.clear()
        if reader.info is not None and reader.info.ldm:
            reader.broken = "the server is about to end"
        return not reader.broken and self.up

    def _cut(self, why: str) -> None:
        """The connection is lost: tell it, and look for another server."""
        if self._socket is None:
            return
        log.debug("%s: connection to NATS server lost: %s", self._name, why)
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(self._socket.fileno())
        _end(self._socket)
        self._socket, self.up = None, False
        self.lost_bytes += self.unsent_bytes
        self._unsent, self.unsent_bytes = [], 0
        lived = now_ns() - self._since_ns > NS_PER_S
        self._dialling = self._dial(self._server + 1, random.uniform(0, _SPREAD_S) if lived else _SPREAD_S * 2)
        self._tell(News.DOWN)

    def _tell(self, news: News) -> None:
        for each in self.news:
            each.append(news)

    def _watch(self) -> None:
        if self._socket is not None:
            self._writable = bool(self._unsent)
            self._epoll.modify(self._socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if self._writable else 0))


def _end(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


def _leave(line: socket.socket, unsent: bytes, linger_ms: int) -> None:
    """Send the rest and wait until the server has closed too: closed with something unread, all of it might be lost."""
    deadline_ns = now_ns() + linger_ms * NS_PER_MS
    try:
        line.settimeout(linger_ms / 1_000)
        line.sendall(unsent)
        line.shutdown(socket.SHUT_WR)
        while (left_ns := deadline_ns - now_ns()) > 0:
            line.settimeout(left_ns / NS_PER_S)
            if not line.recv(_CHUNK):
                break
    except OSError:
        pass
    finally:
        line.close()


_open: WeakSet[NatsLine] = WeakSet()


def _drop_all() -> None:
    for line in list(_open):
        line.drop()


os.register_at_fork(after_in_child=_drop_all)
