"""The keys of what `quotebus up` starts: one for each program, in the broker's folder, made where there is none yet."""

from __future__ import annotations

from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.zeromq.key_files import PUBLIC_ENDING, name_program
from quotebus.bus.transport.zeromq.key_folder import read_pair
from quotebus.bus.transport.zeromq.new_key import make_key, open_folder

PROGRAMS = {"pricing": ("node", "pricing"), "worker": ("worker", "execution"), "page": ("observer", "page")}
"""By what `quotebus up` calls them, role and name of their keys."""


class UpKeys:
    """Raises ConfigError for a key that is there in part, or of another folder's broker: nobody is admitted anew."""

    def __init__(self, path: Path) -> None:
        folder = open_folder(path)
        self.made: list[str] = []
        """Keys that were not there."""
        self._files: dict[str, Path] = {}
        broker, admitted = folder.read_broker(), folder.read_admitted().programs
        for program, (role, name) in PROGRAMS.items():
            key = name_program(role, name)
            secret, public = path / f"{key}.key", path / f"{key}{PUBLIC_ENDING}"
            self._files[program] = secret.absolute()
            if not secret.exists() and not public.exists():
                make_key(folder, role, name, secret)
                self.made.append(str(key))
                continue
            again = f"remove both {secret.name} and {public.name}, and a new key is made"
            if not secret.exists():
                raise ConfigError(f"{secret}: the secret of a key that is admitted is not here: bring it, or {again}")
            pair = read_pair(secret)
            if admitted.get(pair.public) != key or pair.broker != broker.public:
                raise ConfigError(f"{secret}: the broker of {path} does not admit this key; {again}")

    def environment_of(self, program: str) -> dict[str, str]:
        """What this program is told besides; nothing for one that is not on the bus."""
        return {"BUS_KEY_FILE": str(self._files[program])} if program in self._files else {}
