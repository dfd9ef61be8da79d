"""Tells the service manager that a program serves now: systemd's `Type=notify`, one datagram, nothing without it."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)
VARIABLE = "NOTIFY_SOCKET"
_told: list[bytes] = []


def notify_ready() -> None:
    """Say READY, the first time this is called; to be called once others can use what the program offers.

    A socket that is not there is a manager that has gone; the program goes on.
    """
    if not _told:
        _told.append(b"READY=1")
        notify(_told[0])


def notify(message: bytes) -> bool:
    """Send what `sd_notify(3)` would send; False when there is nobody to hear it."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # Linux's abstract names
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.sendto(message, address)
    except OSError as error:
        log.warning("the service manager was not told %s: %s", message.decode(), error.strerror)
        return False
    return True
