"""The folder of an `ipc://` bus: the broker's three sockets, for one user of this machine and nobody else.

ZeroMQ connects to whatever listens at a path, and goes on doing so. So the folder is the user's own, of mode 0700, and
nobody else can put another in its place: nothing on the way to it belongs to or can be changed by another user but
root. Every program looks in the same folders, whatever its environment says; a broker listens in one of them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from quotebus.bus.address import IpcAddress
from quotebus.bus.errors import ConfigError

LONGEST_PATH_BYTES = 107
"""Of a socket: what `sun_path` holds in `man 7 unix`, without the zero byte at its end."""
SOCKETS = ("publish", "subscribe", "request")
_RUN_USER = Path("/run/user")
_TEMPORARY = Path("/tmp")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITE_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def list_folders(address: IpcAddress) -> tuple[Path, ...]:
    """Where a broker may listen, the best one first. Nothing is made and nothing is checked."""
    uid = os.geteuid()
    if address.runtime_dir:
        return (Path(address.runtime_dir).absolute() / address.name,)
    private = _TEMPORARY / f"quotebus-{uid}" / address.name
    session = _RUN_USER / str(uid)
    return (session / address.name, private) if session.is_dir() else (private,)


def open_folders(address: IpcAddress) -> tuple[Path, ...]:
    """The same folders, made where they are not there, and checked.

    Raises ConfigError when the first of them cannot be used; another one that cannot is left out.
    """
    folders = list_folders(address)
    usable = [_open(folders[0])]
    for folder in folders[1:]:
        try:
            usable.append(_open(folder))
        except ConfigError:
            continue
    return tuple(usable)


def _open(folder: Path) -> Path:
    longest = max(len(os.fsencode(folder / name)) for name in SOCKETS)
    if longest > LONGEST_PATH_BYTES:
        raise ConfigError(
            f"{folder}: a socket's path may have {LONGEST_PATH_BYTES} bytes and would have {longest}; "
            "set BUS_RUNTIME_DIR to a shorter one"
        )
    for each in (folder.parent, folder):
        try:
            each.mkdir(mode=0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise ConfigError(f"{each}: cannot make this folder: {error.strerror}") from None
    _check_own(folder)
    for parent in (*folder.parents, *folder.resolve().parents):
        _check_parent(parent)
    return folder


def _check_own(folder: Path) -> None:
    """Raise ConfigError for a folder of the bus that is not this user's alone."""
    told = os.lstat(folder)
    if stat.S_ISLNK(told.st_mode):
        raise ConfigError(f"{folder}: is a symbolic link; the bus needs a folder of this user's own")
    if not stat.S_ISDIR(told.st_mode):
        raise ConfigError(f"{folder}: is not a folder")
    if told.st_uid != os.geteuid():
        raise ConfigError(f"{folder}: belongs to user {told.st_uid} and not to this one, {os.geteuid()}")
    if told.st_mode & _OTHERS:
        raise ConfigError(f"{folder}: has mode {stat.S_IMODE(told.st_mode):04o}, others get in; it must be 0700")


def _check_parent(parent: Path) -> None:
    """Raise ConfigError where another user could put another folder in the place of ours."""
    told = os.lstat(parent)
    if told.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{parent}: belongs to user {told.st_uid}, who could replace the folder of the bus in it")
    if not stat.S_ISLNK(told.st_mode) and told.st_mode & _WRITE_OTHERS and not told.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"{parent}: has mode {stat.S_IMODE(told.st_mode):04o}, others could replace the folder of the bus in it"
        )
