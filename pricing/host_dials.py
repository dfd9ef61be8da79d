"""How often the nodes of one host may dial one venue together, where the venue counts attempts per address.

`dial_budget.HostBucket` decides. The bucket is one number, when it is full again, in a small file of this user's own
beside the node's lock, changed under a lock. Nodes of one host share it by sharing `PRICING_LOCK_DIR`. A file that
cannot be used is told and counted, and the attempt is made: each node has a bucket of its own besides.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from quotebus.bus.clock import sleep_s
from quotebus.pricing.dial_budget import HostBucket

log = logging.getLogger(__name__)
_TRIES = 10
_TRY_EVERY_S = 0.002
_SIZE = 20
"""Bytes in the file: one number in decimal, and a newline. One write of always the same length leaves no half of it."""


class HostDials:
    """The bucket of one venue's host, shared by file. `unshared` counts attempts that the file knows nothing of."""

    def __init__(self, folder: Path, host: str, limit: int) -> None:
        """Opens nothing. A `limit` of 0: the venue has none."""
        digest = hashlib.sha256(host.encode()).hexdigest()[:16]
        self.path = folder / f"quotebus-dials-{digest}-{os.geteuid()}"
        self.unshared = 0
        self._bucket = HostBucket(limit) if limit else None
        self._told = ""

    def take(self, utc_ns: int) -> int:
        """One attempt is to be made now: how many ns it has to wait, 0 when it is made and counted."""
        if self._bucket is None:
            return 0
        try:
            with _locked(self.path) as file:
                wait_ns, full_ns = self._bucket.take(_read(file), utc_ns)
                if not wait_ns:
                    _write(file, full_ns)
        except (OSError, ValueError) as error:
            self.unshared += 1
            self._tell(error.strerror or "" if isinstance(error, OSError) else str(error))
            return 0
        self._told = ""
        return wait_ns

    def _tell(self, why: str) -> None:
        if why != self._told:
            log.warning("%s: %s; attempts of other nodes on this host are not counted", self.path, why)
        self._told = why


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file's descriptor, held alone. Raises OSError, also when another holds it for longer than a write takes."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(0, "not a file of this user alone")
        _hold(file)
        yield file
    finally:
        os.close(file)


def _hold(file: int) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not tries_left:
                raise
            sleep_s(_TRY_EVERY_S)
        else:
            return


def _read(file: int) -> int:
    """The number in the file, 0 for an empty one. A damaged one begins anew. Raises ValueError once, OSError."""
    text = os.pread(file, _SIZE + 1, 0)
    if not text:
        return 0
    if len(text) == _SIZE and text.strip().isdigit():
        return int(text)
    os.ftruncate(file, 0)
    raise ValueError("was damaged and begins anew")


def _write(file: int, full_ns: int) -> None:
    if os.pwrite(file, b"%*d\n" % (_SIZE - 1, full_ns), 0) != _SIZE:
        raise OSError(0, "written in part")
