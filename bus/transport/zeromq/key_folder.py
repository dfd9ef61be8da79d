"""Files of keys on disk: read only where nobody else can read or change them, written for their owner alone."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import zmq

from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.zeromq.key_files import (
    BROKER,
    PUBLIC_ENDING,
    AdmittedKeys,
    KeyPair,
    Program,
    format_pair,
    parse_pair,
    parse_public,
)

log = logging.getLogger(__name__)

BROKER_FILE = "broker.key"
_LONGEST_BYTES = 4_096
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITE_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def read_pair(path: Path) -> KeyPair:
    """The keys of a program, or of the broker. Raises ConfigError; nothing of the file is in its text."""
    try:
        with path.open("rb") as file:
            told = os.fstat(file.fileno())
            text = file.read(_LONGEST_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this key: {error.strerror}") from None
    if told.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"{path}: this key belongs to user {told.st_uid} and not to this one, {os.geteuid()}")
    if told.st_mode & _OTHERS:
        raise ConfigError(f"{path}: this key has mode {stat.S_IMODE(told.st_mode):04o}; it must be 0600")
    try:
        return parse_pair(text.decode("ascii"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no file of `quotebus keys`") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def write_pair(path: Path, pair: KeyPair) -> None:
    """Write a new file of mode 0600. Raises ConfigError when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: cannot write this key: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(format_pair(pair))


class KeyFolder:
    """A broker's folder of keys. Raises ConfigError where others could add to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            told = path.stat()
        except OSError as error:
            raise ConfigError(f"BUS_KEYS_DIR: {path}: {error.strerror}; make it with: quotebus keys new") from None
        if told.st_uid not in (0, os.geteuid()) or told.st_mode & _WRITE_OTHERS:
            raise ConfigError(f"BUS_KEYS_DIR: {path}: others can add keys: it must be yours, with mode 0700")

    def read_broker(self) -> KeyPair:
        """The broker's own keys. Raises ConfigError."""
        pair = read_pair(self.path / BROKER_FILE)
        if pair.program.role != BROKER:
            raise ConfigError(f"{self.path / BROKER_FILE}: is the key of a {pair.program.role} and not the broker's")
        return pair

    def read_admitted(self) -> AdmittedKeys:
        """Whom it admits now. A file that cannot be read, or that others could have written, admits nobody."""
        found: list[tuple[Program, bytes]] = []
        for path in sorted(self.path.glob(f"*{PUBLIC_ENDING}")):
            try:
                told = path.stat()
                if told.st_uid not in (0, os.geteuid()) or told.st_mode & _WRITE_OTHERS:
                    raise ValueError("others could have written it")
                found.append(parse_public(path.name, path.read_text("ascii")))
            except (OSError, ValueError) as error:
                log.warning("%s admits nobody: %s", path, error)
        return AdmittedKeys.of(found)

    def signature(self) -> tuple[object, ...]:
        """Changes when a file comes, goes or is written."""
        try:
            entries = [(each.name, each.stat()) for each in os.scandir(self.path) if each.name.endswith(PUBLIC_ENDING)]
        except OSError:
            return ()
        return tuple(sorted((name, told.st_mtime_ns, told.st_ino, told.st_mode) for name, told in entries))


def make_pair(program: Program, broker: bytes = b"") -> KeyPair:
    """New keys from the system's random numbers."""
    public, secret = zmq.curve_keypair()
    return KeyPair(program, public, secret, broker)
