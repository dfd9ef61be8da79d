"""At most one broker of a name for each user: who listens in a folder of the bus holds it, until after its end.

ZeroMQ binds a path that is taken without a word, and the first broker would go on without anybody. The kernel lets go
when the holder dies, so a folder that a dead broker left is taken over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from quotebus.bus.errors import ConfigError

_NOTE = "broker.pid"
"""Who holds the folder, for people; the lock itself is the kernel's, on the folder."""


class BrokerLock:
    """Holds every folder in which a broker of this name may listen, the first of which is `folder`."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises ConfigError when another broker holds one of them."""
        self.folder = folders[0]
        self._held: list[int] = []
        self._sockets: dict[Path, tuple[int, int]] = {}
        try:
            for folder in folders:
                self._held.append(_hold(folder))
        except ConfigError:
            self.release()
            raise
        for folder in folders:
            (folder / _NOTE).write_text(f"{os.getpid()}\n")

    def watch(self, sockets: Sequence[Path]) -> None:
        """Remember the sockets that were bound, for `is_whole`."""
        self._sockets = {path: _identity(path) for path in sockets}

    def is_whole(self) -> bool:
        """Whether everybody who connects still comes here: no socket was removed or replaced, with its folder or alone.

        A system removes `/run/user/UID` when its user has logged out.
        """
        return all(_identity(path) == found != _GONE for path, found in self._sockets.items())

    def release(self) -> None:
        """Remove the sockets and let go; to be called when they are closed, since another broker may bind then."""
        if self.is_whole():
            for path in self._sockets:
                path.unlink(missing_ok=True)
        for held in self._held:
            os.close(held)
        self._held.clear()


_GONE = (0, 0)


def _identity(path: Path) -> tuple[int, int]:
    try:
        told = os.lstat(path)
    except OSError:
        return _GONE
    return told.st_dev, told.st_ino


def _hold(folder: Path) -> int:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise ConfigError(f"a broker is already running: {_holder(folder)} holds {folder}") from None
    return held


def _holder(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return f"process {int((folder / _NOTE).read_text())}"
    return "another process"
