"""The broker's own answers to "may this key come in", asked by ZeroMQ (ZAP, RFC 27) for each peer that connects.

They are given in the broker's own loop: a handler that lives and dies with the broker. Without an answer nobody gets
in, since every endpoint has a domain and enforces it.
"""

from __future__ import annotations

import zmq
from zmq.utils import z85

from quotebus.bus.transport.zeromq.key_files import AdmittedKeys, KeyPair, Program
from quotebus.bus.transport.zeromq.key_folder import KeyFolder
from quotebus.bus.transport.zeromq.monitor import BURST
from quotebus.bus.transport.zeromq.roles import MAY, admits

_ENDPOINT = "inproc://zeromq.zap.01"
_KEY_BYTES = 32
_PARTS = 7
"""Version, request id, domain, address, identity, mechanism, credentials."""


class KeyGate:
    """Made before the endpoints are bound, in their context. `socket` is to be polled, and `answer` called."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], folder: KeyFolder) -> None:
        """Raises ConfigError when the folder's keys cannot be used."""
        self.pair: KeyPair = folder.read_broker()
        self.refused = dict.fromkeys(MAY, 0)
        """By endpoint, peers that were not let in."""
        self.last_refused = dict.fromkeys(MAY, "")
        """By endpoint, who that was: for people, without a key."""
        self._folder = folder
        self._signature = folder.signature()
        self._admitted = folder.read_admitted()
        self.socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(_ENDPOINT)

    def answer(self) -> None:
        """Answer everybody who waits."""
        try:
            for _ in range(BURST):
                self.socket.send_multipart(self._judge(self.socket.recv_multipart(zmq.NOBLOCK)))
        except zmq.Again:
            pass

    def look(self) -> list[Program]:
        """Read the folder again when it has changed; who was admitted before and is no longer."""
        signature = self._folder.signature()
        if signature == self._signature:
            return []
        before, self._admitted, self._signature = self._admitted, self._folder.read_admitted(), signature
        return before.lost(self._admitted)

    def _judge(self, parts: list[bytes]) -> list[bytes]:
        if len(parts) != _PARTS or parts[0] != b"1.0":
            return [b"1.0", parts[1] if len(parts) > 1 else b"", b"500", b"", b"", b""]
        version, request_id, domain, address, _, mechanism, key = parts
        endpoint = domain.decode("ascii", "replace")
        program = self._find(self._admitted, mechanism, key)
        if program is not None and admits(program, endpoint):
            return [version, request_id, b"200", b"", program.name.encode(), b""]
        if endpoint in self.refused:
            self.refused[endpoint] += 1
            who = "an unknown key" if program is None else f"the key of {program}"
            self.last_refused[endpoint] = f"{who} from {address.decode('ascii', 'replace')}"
        return [version, request_id, b"400", b"not admitted", b"", b""]

    @staticmethod
    def _find(admitted: AdmittedKeys, mechanism: bytes, key: bytes) -> Program | None:
        if mechanism != b"CURVE" or len(key) != _KEY_BYTES:
            return None
        return admitted.programs.get(z85.encode(key))
