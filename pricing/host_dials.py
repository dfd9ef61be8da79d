"""How often the nodes of one host may dial one venue together, where the venue counts attempts per address.

`dial_budget.HostBucket` decides. The bucket is one number, when it is full again, in a small file of this user's own
beside the node's lock, changed under a lock. Nodes of one host share it by sharing `PRICING_LOCK_DIR`. A file that
cannot be used is told and counted, and the attempt is made: each node has a bucket of its own besides.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from quotebus.bus.process.shared_numbers import SharedNumbers
from quotebus.pricing.dial_budget import HostBucket

log = logging.getLogger(__name__)


class HostDials:
    """The bucket of one venue's host, shared by file. `unshared` counts attempts that the file knows nothing of."""

    def __init__(self, folder: Path, host: str, limit: int) -> None:
        """Opens nothing. A `limit` of 0: the venue has none."""
        digest = hashlib.sha256(host.encode()).hexdigest()[:16]
        self._shared = SharedNumbers(folder / f"quotebus-dials-{digest}-{os.geteuid()}", 1)
        self.unshared = 0
        self._bucket = HostBucket(limit) if limit else None
        self._told = ""

    @property
    def path(self) -> Path:
        return self._shared.path

    def take(self, utc_ns: int) -> int:
        """One attempt is to be made now: how many ns it has to wait, 0 when it is made and counted."""
        if self._bucket is None:
            return 0
        try:
            with self._shared.hold() as numbers:
                wait_ns, full_ns = self._bucket.take(numbers[0], utc_ns)
                if not wait_ns:
                    numbers[0] = full_ns
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
