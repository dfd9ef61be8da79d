"""A few whole numbers in a small file of this user's own, which any of his processes may change, one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from quotebus.bus.clock import now_ns, seconds, sleep_s

_TRY_EVERY_S = 0.002
_BRIEFLY_S, _PATIENTLY_S = 0.02, 0.2
"""How long is tried. A holder that has to wait for a processor needs longer than a write; one that stands still is
waited for once."""
_SIZE = 20
"""Bytes of one number: in decimal, and a newline. One write of always the same length leaves no half of it."""


class SharedNumbers:
    """`count` numbers from 0 up in the file `path`, each below 10¹⁹; all are 0 in a new one."""

    def __init__(self, path: Path, count: int, *, patient: bool = False) -> None:
        """Opens nothing. `patient` waits for another holder for 0.2 s instead of 0.02 s, until it was in vain."""
        self.path = path
        self._count = count
        self._patient = self._waits = patient

    @contextlib.contextmanager
    def hold(self) -> Iterator[list[int]]:
        """The numbers, held alone. A list that was changed is written when the block ends.

        Raises OSError, also when another holds them for longer than a write takes, and ValueError for a file that was
        damaged, which begins anew.
        """
        with self._locked() as file:
            numbers = self._read(file)
            before = list(numbers)
            yield numbers
            if numbers != before:
                self._write(file, numbers)

    def _read(self, file: int) -> list[int]:
        size = _SIZE * self._count
        text = os.pread(file, size + 1, 0)
        if not text:
            return [0] * self._count
        parts = text.split()
        if len(text) == size and len(parts) == self._count and all(part.isdigit() for part in parts):
            return [int(part) for part in parts]
        os.ftruncate(file, 0)
        raise ValueError("was damaged and begins anew")

    def _write(self, file: int, numbers: list[int]) -> None:
        text = b"".join(b"%*d\n" % (_SIZE - 1, number) for number in numbers)
        if os.pwrite(file, text, 0) != _SIZE * self._count:
            raise OSError(0, "written in part")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
                raise PermissionError(0, "not a file of this user alone")
            self._lock(file)
            yield file
        finally:
            os.close(file)

    def _lock(self, file: int) -> None:
        until_ns = now_ns() + seconds(_PATIENTLY_S if self._waits else _BRIEFLY_S)
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if now_ns() >= until_ns:
                    self._waits = False
                    raise
                sleep_s(_TRY_EVERY_S)
            else:
                self._waits = self._patient
                return
