"""One node per account and feed on a machine: a lock file, which the kernel releases when its holder dies."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.locked_file import LockedFile

_MAX_NAME_BYTES = 128


class AccountLock(LockedFile):
    """The lock on (feed, key). The file name holds a hash, never the key. Raises ConfigError if it cannot be opened.

    The file says who holds it, so that the next holder knows whose process has ended: `former`, a source, empty when it
    is not known.
    """

    def __init__(self, folder: Path, feed: str, key: str, source: str = "") -> None:
        digest = hashlib.sha256(f"{feed}\0{key}".encode()).hexdigest()[:16]
        path = folder / f"quotebus-{feed}-{digest}.lock"
        self.former = ""
        self._source = source
        self.halts_path = path.with_suffix(".halts")
        """Where the account's known halts are kept."""
        try:
            super().__init__(path)
        except OSError as error:
            raise ConfigError(f"PRICING_LOCK_DIR: cannot open {path}: {error.strerror}") from None

    def acquire(self) -> bool:
        """Try to take the lock, without waiting, and leave our name in it; False while another node holds it."""
        if not super().acquire():
            return False
        with contextlib.suppress(OSError):  # a full disk: who ended, or who holds it, is not known then
            said = os.pread(self.file, _MAX_NAME_BYTES, 0).decode("ascii", "replace")
            os.ftruncate(self.file, 0)
            os.write(self.file, self._source.encode())
            if said != self._source:
                self.former = said
        return True
