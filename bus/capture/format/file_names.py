"""Names of capture files: `.mcap` when complete, `.mcap.part` while written, and the rename that survives a crash."""

from __future__ import annotations

import errno
import os
from pathlib import Path

SUFFIX = ".mcap"
PART = ".part"
"""Added to the name of a file that has no end yet."""


def find_free_name(base: Path) -> Path:
    """`base`, or `name.001.mcap`, `name.002.mcap` … : the first that no file has, complete or not."""
    stem = base.name.removesuffix(SUFFIX)
    number = 0
    path = base
    while path.exists() or path.with_name(path.name + PART).exists():
        number += 1
        path = base.with_name(f"{stem}.{number:03d}{SUFFIX}")
    return path


def name_file(part: Path, path: Path) -> None:
    """Give a finished, synced file its name, never another file's, and make that survive a crash. Raises OSError."""
    if path.exists():
        raise FileExistsError(errno.EEXIST, "exists already", str(path))
    part.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a crash. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
