"""A broker that admits keys only, as a program, and keys for whoever is to reach it."""

from __future__ import annotations

import os
from pathlib import Path

from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.zeromq.key_files import BROKER, KeyPair, Program, name_program
from quotebus.bus.transport.zeromq.key_folder import BROKER_FILE, KeyFolder, make_pair, write_pair
from tests.support import programs

ENDPOINTS = ("publish", "subscribe", "request")


class Keys:
    """A folder of keys, and beside it the programs' own files."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys"
        self.path.mkdir(mode=0o700)
        self._secrets = folder
        self.broker = make_pair(Program(BROKER, BROKER))
        write_pair(self.path / BROKER_FILE, self.broker)
        self.folder = KeyFolder(self.path)

    def make(self, role: str, name: str, *, admitted: bool = True) -> KeyPair:
        """A program's keys; its file is at `file_of`."""
        pair = make_pair(name_program(role, name), self.broker.public)
        write_pair(self.file_of(pair), pair)
        if admitted:
            self.admit(pair)
        return pair

    def file_of(self, pair: KeyPair) -> Path:
        return self.path_of(pair.program.role, pair.program.name)

    def path_of(self, role: str, name: str) -> Path:
        """Where a program's file is, or would be."""
        return self._secrets / f"{role}-{name}.key"

    def admit(self, pair: KeyPair) -> None:
        new = self.path / "new"
        new.write_bytes(pair.public + b"\n")
        new.chmod(0o600)
        os.rename(new, self.path / f"{pair.program}.pub")

    def revoke(self, pair: KeyPair) -> None:
        (self.path / f"{pair.program}.pub").unlink()


class KeyedBroker:
    """The program, on free ports of loopback."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        environment = {"BUS_URL": "tcp://127.0.0.1:0", "BUS_KEYS_DIR": str(keys.path)}
        self.program = programs.Program("quotebus", "broker", environment=environment)
        words = self.program.line("quotebus broker: publish").split()
        self.urls = {kind: words[words.index(kind) + 1] for kind in ENDPOINTS}

    def environment(self, pair: KeyPair) -> dict[str, str]:
        """What a program with this key is told."""
        return {
            **{f"BUS_{kind.upper()}_URL": url for kind, url in self.urls.items()},
            "BUS_KEY_FILE": str(self.keys.file_of(pair)),
        }

    def settings(self, pair: KeyPair) -> BusSettings:
        return BusSettings.model_validate({name.lower(): value for name, value in self.environment(pair).items()})

    def close(self) -> None:
        self.program.stop()
