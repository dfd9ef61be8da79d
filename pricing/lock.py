"""One node per account and feed on a machine: a lock file that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from bus.errors import ConfigError


class AccountLock:
    """The lock on (feed, key); the file's name holds a hash, never the key. Raises ConfigError if it cannot be made."""

    def __init__(self, folder: Path, feed: str, key: str) -> None:
        digest = hashlib.sha256(f"{feed}\0{key}".encode()).hexdigest()[:16]
        self.path = folder / f"quotebus-{feed}-{digest}.lock"
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"PRICING_LOCK_DIR: cannot open {self.path}: {error.strerror}") from None

    def acquire(self) -> bool:
        """Try to take the lock, without waiting."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Release the lock; the file stays, because removing it would let two nodes hold two files of one name."""
        os.close(self._file)
