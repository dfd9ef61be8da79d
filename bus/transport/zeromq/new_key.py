"""A program's new key: its secret in a file of its own, and its public half where the broker admits it."""

from __future__ import annotations

from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.zeromq.key_files import BROKER, PUBLIC_ENDING, Program, name_program
from quotebus.bus.transport.zeromq.key_folder import BROKER_FILE, KeyFolder, make_pair, write_pair


def open_folder(path: Path) -> KeyFolder:
    """The broker's folder of keys, with the broker's own; made where it is not there. Raises ConfigError."""
    if not path.exists():
        try:
            path.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise ConfigError(f"BUS_KEYS_DIR: {path}: cannot make this folder: {error.strerror}") from None
    folder = KeyFolder(path)
    if not (path / BROKER_FILE).exists():
        write_pair(path / BROKER_FILE, make_pair(Program(BROKER, BROKER)))
    return folder


def make_key(folder: KeyFolder, role: str, name: str, secret: Path | None = None) -> Path:
    """Make a program's key and admit it; where its secret is, by default `ROLE-NAME.key` here. Raises ConfigError."""
    try:
        program = name_program(role, name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    taken = [each for each in folder.read_admitted().programs.values() if each.name == name]
    if taken:
        raise ConfigError(f"{taken[0]} has this name; take its key back first, or choose another name")
    pair = make_pair(program, folder.read_broker().public)
    secret = secret or Path(f"{program}.key")
    write_pair(secret, pair)
    # Whole from the first moment: a broker may be reading.
    new = folder.path / f".{program}{PUBLIC_ENDING}.new"
    new.write_text(f"{pair.public.decode()}\n")
    new.chmod(0o600)
    new.rename(folder.path / f"{program}{PUBLIC_ENDING}")
    return secret
