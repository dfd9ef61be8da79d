"""A program whose key the broker does not admit says so, and tries again: ZeroMQ alone would give up for good.

A key may be admitted later: the operator adds it, or has taken another one back by mistake.
"""

from __future__ import annotations

import contextlib
import logging

import zmq

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.transport.zeromq.endpoints import Urls
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.monitor import Change
from quotebus.bus.transport.zeromq.sockets import be_client, connect

log = logging.getLogger(__name__)

REFUSALS = int(
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
"""What the socket's monitor must tell."""
PAUSE_NS = NS_PER_S
UNEXPLAINED = 5
"""Handshakes that fail in a row without a reason, as with another broker's key."""
TELL_EVERY_NS = 60 * NS_PER_S


class Redial:
    """For one socket that connects under a key; owned by the socket's thread."""

    def __init__(self, socket: zmq.Socket[bytes], urls: Urls, keys: KeyPair) -> None:
        be_client(socket, keys)
        self._socket, self._urls = socket, urls
        self._who = str(keys.program)
        self._due_ns: int | None = None
        self._next_word_ns = 0
        self._unexplained = 0

    def look(self, changes: list[Change]) -> None:
        """Hear the socket's monitor, and connect again when it is time."""
        for event, _ in changes:
            if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:  # ZeroMQ tries again; a broker that ends does this once
                self._unexplained += 1
                if self._unexplained >= UNEXPLAINED:
                    self._tell(event)
            elif event & REFUSALS:
                self._tell(event)
                if self._due_ns is None:
                    self._due_ns = now_ns() + PAUSE_NS
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._unexplained = 0
        if self._due_ns is not None and now_ns() >= self._due_ns:
            self._due_ns = None
            for url in self._urls:
                with contextlib.suppress(zmq.ZMQError):  # forgotten already
                    self._socket.disconnect(url)
            connect(self._socket, self._urls)

    def _tell(self, event: int) -> None:
        if now_ns() < self._next_word_ns:
            return
        self._next_word_ns = now_ns() + TELL_EVERY_NS
        where = " and ".join(self._urls)
        if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            log.warning("the broker at %s does not admit the key of %s (`quotebus keys list`)", where, self._who)
        else:
            log.warning("whoever listens at %s has not the key that BUS_KEY_FILE gives for the broker", where)
