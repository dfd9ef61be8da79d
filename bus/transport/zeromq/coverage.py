"""Which topics the other side of an XPUB has subscribed to: the answer to a publisher's slow start.

A message sent before the subscription that covers it has arrived is gone without a trace. Publishers read the
subscription messages and hold a first message back, for at most `bus.protocol.GRACE_NS`, until one covers it. When the
peer goes, libzmq reports its subscriptions as withdrawn, so that the same holds after a reconnect. Pure.
"""

from __future__ import annotations


class Coverage:
    """The set of subscriptions of an XPUB's one peer."""

    def __init__(self) -> None:
        self._prefixes: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._prefixes)

    def feed(self, message: bytes) -> bool:
        """Take one message read from an XPUB; True when the set grew."""
        if not message:
            return False
        if message[0] == 1:
            self._prefixes.add(message[1:])
            return True
        if message[0] == 0:
            self._prefixes.discard(message[1:])
        return False

    def covers(self, frame: bytes) -> bool:
        """Whether some subscription is a prefix of this frame."""
        prefixes = self._prefixes
        return any(frame[:length] in prefixes for length in range(frame.find(b"\0") + 2))
