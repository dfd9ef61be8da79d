"""The budget of one account, shared by all programs of this user on this host through a file, workers and nodes alike.

`order_budget` decides. A file that cannot be used is told and counted, and this program keeps a budget of its own.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TypeVar

from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.bus.process.order_budget import (
    MAX_HOLD_NS,
    NUMBERS,
    OrderBudget,
    RequestClass,
    is_nearly_used_up,
    read_wait_ns,
)
from quotebus.bus.process.shared_numbers import SharedNumbers

T = TypeVar("T")
TOO_MANY, BUSY = 429, 503
_log = logging.getLogger(__name__)


class HostBudget:
    """Take before each request, and `watch` its answer. May be called from any thread.

    `account` is what `name_account` says; it is hashed. `refused` counts answers that said there
    were too many, `unshared` what the file knows nothing of.
    """

    def __init__(
        self, folder: Path, account: str, share: float, random: Random | None = None, *, patient: bool = True
    ) -> None:
        """Opens nothing. `patient`: see `SharedNumbers`; not so in a thread that has quotes to pass on."""
        digest = hashlib.sha256(account.encode()).hexdigest()[:16]
        self._shared = SharedNumbers(folder / f"quotebus-requests-{digest}-{os.geteuid()}", NUMBERS, patient=patient)
        self._own = [0] * NUMBERS
        self._budget = OrderBudget(share)
        self._random = random or Random()
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._told = ""
        self.taken = self.refused = self.unshared = 0

    @property
    def path(self) -> Path:
        return self._shared.path

    def take(self, wanted: RequestClass) -> int:
        """Take one request: how many ns it has to wait, 0 when it may be made now."""
        wait_ns = self._change(lambda numbers, now_ns: self._budget.take(numbers, now_ns, wanted))
        self.taken += not wait_ns
        return wait_ns

    def left(self) -> int:
        """How many requests other than cancels may be made now."""
        return self._change(self._budget.left)

    def watch(self, status: int, headers: Mapping[str, str]) -> int | None:
        """Take status and headers of an answer. How long they ask to wait; None if they do not say."""
        now_ns = utc_ns()
        named_ns = read_wait_ns(headers, now_ns)
        if status == TOO_MANY or (status == BUSY and "retry-after" in headers):
            wait_ns = named_ns if named_ns is not None else self._back_off_ns()
            self.refused += status == TOO_MANY
            self._in_a_row += 1
            if self._in_a_row == 1:
                _log.warning("http %d: no request for %.1f s", status, min(wait_ns, MAX_HOLD_NS) / NS_PER_S)
            self._change(lambda numbers, at_ns: self._budget.hold(numbers, wait_ns, at_ns))
            return wait_ns
        self._in_a_row = 0
        if named_ns is not None and is_nearly_used_up(headers):
            self._change(lambda numbers, at_ns: self._budget.hold_others(numbers, named_ns, at_ns))
        return None

    def _back_off_ns(self) -> int:
        """1 s, 2 s, 4 s … 60 s, shortened by up to a half at random."""
        longest_ns = min(MAX_HOLD_NS, NS_PER_S << min(self._in_a_row, 10))
        return int(longest_ns * self._random.uniform(0.5, 1))

    def _change(self, act: Callable[[list[int], int], T]) -> T:
        now_ns = utc_ns()
        with self._lock:
            try:
                with self._shared.hold() as numbers:
                    done = act(numbers, now_ns)
                    self._own = list(numbers)
                    self._told = ""
                    return done
            except (OSError, ValueError) as error:
                self.unshared += 1
                self._tell(error.strerror or "" if isinstance(error, OSError) else str(error))
                return act(self._own, now_ns)

    def _tell(self, why: str) -> None:
        if why != self._told:
            _log.warning("%s: %s; requests of other programs on this host are not counted", self.path, why)
        self._told = why
