"""One node per account and feed on a machine: a lock file, which the kernel releases when its holder dies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.locked_file import LockedFile


class AccountLock(LockedFile):
    """The lock on (feed, key). The file name holds a hash, never the key. Raises ConfigError if it cannot be opened."""

    def __init__(self, folder: Path, feed: str, key: str) -> None:
        digest = hashlib.sha256(f"{feed}\0{key}".encode()).hexdigest()[:16]
        path = folder / f"quotebus-{feed}-{digest}.lock"
        try:
            super().__init__(path)
        except OSError as error:
            raise ConfigError(f"PRICING_LOCK_DIR: cannot open {path}: {error.strerror}") from None
