"""Old captures that may go: `RECORD_KEEP_S` by age, `RECORD_KEEP_MB` by the size of all together, both off by default.

Only complete files of this recorder's name are ever removed, oldest first: no file that is being written, nobody
else's, and nothing that is damaged at its head.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quotebus.bus.capture.format.captured import NotACapture
from quotebus.bus.capture.format.file_names import SUFFIX
from quotebus.bus.capture.format.segment import Segment
from quotebus.bus.clock import NS_PER_S


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A complete capture: how large, and when it was last written, UTC nanoseconds."""

    path: Path
    size_bytes: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class KeepRule:
    """For how long, and how much; 0 for no bound."""

    keep_s: float = 0
    keep_mb: int = 0

    def choose_expired(self, files: list[KeptFile], at_ns: int) -> list[tuple[KeptFile, str]]:
        """The files that go at `at_ns`, oldest first, each with the setting that says so."""
        expired: list[tuple[KeptFile, str]] = []
        left_bytes = sum(file.size_bytes for file in files)
        for file in sorted(files, key=lambda file: (file.written_ns, file.path.name)):
            if self.keep_s and at_ns - file.written_ns > self.keep_s * NS_PER_S:
                expired.append((file, "RECORD_KEEP_S"))
            elif self.keep_mb and left_bytes > self.keep_mb << 20:
                expired.append((file, "RECORD_KEEP_MB"))
            else:
                break
            left_bytes -= file.size_bytes
        return expired

    @property
    def is_on(self) -> bool:
        return bool(self.keep_s or self.keep_mb)


def list_files(folder: Path, recorder: str) -> list[KeptFile]:
    """The complete captures of a recorder in a folder. Raises OSError."""
    found: list[KeptFile] = []
    for path in folder.iterdir():
        if not path.name.endswith(SUFFIX) or not path.is_file():
            continue
        try:
            if Segment(path).metadata.recorder == recorder:
                status = path.stat()
                found.append(KeptFile(path, status.st_size, status.st_mtime_ns))
        except (NotACapture, FileNotFoundError):
            continue
    return found


def remove_expired(folder: Path, recorder: str, rule: KeepRule, at_ns: int) -> Iterator[str]:
    """Remove what may go; a line for each file, also for one that could not be removed. Raises OSError."""
    for file, setting in rule.choose_expired(list_files(folder, recorder), at_ns):
        try:
            file.path.unlink(missing_ok=True)
        except OSError as error:
            yield f"{file.path.name} could not be removed: {error.strerror}"
            continue
        hours = (at_ns - file.written_ns) / (3_600 * NS_PER_S)
        yield f"removed {file.path.name}, written {hours:.1f} hours ago ({setting})"
