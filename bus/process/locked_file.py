"""A file that one process at a time holds, by a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class LockedFile:
    """Opens `path`, made if it is not there, for its owner alone and never through a link. Raises OSError.

    `file` is its descriptor, for reading and appending. Nothing is held before `acquire`. Do not remove the file: two
    processes could then hold two files of one name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self.file = os.open(path, flags, 0o600)

    def acquire(self) -> bool:
        """Try to take the lock, without waiting; False while another holds it."""
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go; the file stays."""
        os.close(self.file)
