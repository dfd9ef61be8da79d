"""Room on the disk for a record, before what it records is done."""

from __future__ import annotations

import ctypes
import errno
import os

KEEP_SIZE = 1
"""Linux's FALLOC_FL_KEEP_SIZE: the blocks are the file's, and its readers see nothing of them."""
_NOT_HERE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)


def reserve_room(file: int, size: int, room: int) -> None:
    """Set `room` bytes beyond `size` aside for this file. Raises OSError when the disk has not got them.

    Where the system or the disk cannot set blocks aside, it is only looked whether the disk has four times as many.
    """
    if _fallocate is not None:
        if _fallocate(file, KEEP_SIZE, ctypes.c_long(size), ctypes.c_long(room)) == 0:
            return
        number = ctypes.get_errno()
        if number not in _NOT_HERE:
            raise OSError(number, os.strerror(number))
    disk = os.fstatvfs(file)
    if disk.f_bavail * disk.f_frsize < 4 * room:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
