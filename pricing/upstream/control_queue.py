"""The way from the control thread to the hot thread: bounded, in order, and a descriptor that wakes the reader."""

from __future__ import annotations

from collections import deque

from quotebus.bus.transport.waker import Waker

MAX_MESSAGES = 100_000


class ControlQueue:
    """One thread puts, one takes. The reader does not sleep while it is not empty, so only a first message wakes it."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._waker = Waker()

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: bytes) -> bool:
        """Hand over; False when it is full."""
        if len(self._messages) >= MAX_MESSAGES:
            return False
        self._messages.append(message)
        if len(self._messages) == 1:  # or the reader has taken all of them already
            self._waker.wake()
        return True

    def take(self) -> bytes:
        """The oldest message. Raises IndexError when there is none."""
        return self._messages.popleft()

    def fileno(self) -> int:
        """Readable after a message was put into an empty queue, until `clear`."""
        return self._waker.fileno()

    def clear(self) -> None:
        """Take the wake-ups, before the messages."""
        self._waker.clear()

    def close(self) -> None:
        self._waker.close()
