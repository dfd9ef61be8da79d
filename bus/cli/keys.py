"""`quotebus keys`: makes, lists and takes back the keys under which programs reach a broker over TCP."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, NoReturn

from pydantic import Field

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.flags import Positional, Unit, Words
from quotebus.bus.settings import Settings, die, load
from quotebus.bus.transport.zeromq.key_files import PUBLIC_ENDING, ROLES, name_program
from quotebus.bus.transport.zeromq.key_folder import KeyFolder
from quotebus.bus.transport.zeromq.new_key import make_key, open_folder
from quotebus.bus.transport.zeromq.roles import MAY

PROGRAM = "quotebus keys"
_SHOWN = 8
"""Letters of a public key, enough to compare."""


class KeysSettings(Settings):
    """The broker's folder, and what is to be done there."""

    about = (
        "Makes, lists and takes back keys in the broker's folder. A node publishes and reads; a worker asks, decides "
        "and reads, under its key's name only; an observer reads. The broker sees a change within a second; taking a "
        "key back lets everybody connect anew."
    )
    examples = (
        "quotebus keys new node pricing --bus-keys-dir keys  # pricing's secret is in node-pricing.key",
        "quotebus keys new worker strat --bus-keys-dir keys",
        "quotebus keys list --bus-keys-dir keys",
        "quotebus keys revoke strat --bus-keys-dir keys",
    )
    flag_prefix = "keys_"
    headings: ClassVar = {"keys_what": "what", "bus_keys_dir": "where"}

    keys_what: Annotated[Words, Positional(needed=True), Unit("WHAT")] = Field(
        [], description="`new node|worker|observer NAME`, `list`, or `revoke NAME`"
    )
    bus_keys_dir: str = Field(
        "", validation_alias="bus_keys_dir", description="the broker's folder of keys; made where it is not there"
    )
    keys_out: Annotated[str, Unit("FILE")] = Field(
        "", description="of `new`: where the program's secret key goes; ROLE-NAME.key unless given"
    )


def run(argv: Sequence[str]) -> int:
    """Do it: exit status 0, 78 for what cannot be done."""
    settings = load(KeysSettings, argv, PROGRAM)
    try:
        if not settings.bus_keys_dir:
            raise ConfigError("BUS_KEYS_DIR: which folder? For example --bus-keys-dir keys")
        folder = Path(settings.bus_keys_dir)
        match settings.keys_what:
            case ["new", role, name]:
                _make(folder, role, name, settings.keys_out)
            case ["list"]:
                _list(folder)
            case ["revoke", name]:
                _revoke(folder, name)
            case _:
                _refuse()
    except ConfigError as error:
        die(PROGRAM, error)
    return 0


def _refuse() -> NoReturn:
    raise ConfigError(
        "new node|worker|observer NAME, list, or revoke NAME; for example: quotebus keys new worker strat"
    )


def _make(path: Path, role: str, name: str, out: str) -> None:
    try:
        program = name_program(role, name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    secret = make_key(open_folder(path), role, name, Path(out) if out else None)
    _say(f"{program} may use: {', '.join(_endpoints(role))}. Its secret key is in {secret}: BUS_KEY_FILE={secret}")


def _list(path: Path) -> None:
    programs = KeyFolder(path).read_admitted().programs
    for key, program in sorted(programs.items(), key=lambda each: str(each[1])):
        _say(f"{program.role:<9} {program.name:<20} {key[:_SHOWN].decode()}…  {', '.join(_endpoints(program.role))}")
    if not programs:
        _say(f"{path} admits nobody")


def _revoke(path: Path, name: str) -> None:
    KeyFolder(path)  # it is there, and ours
    found = [each for role in ROLES if (each := path / f"{role}-{name}{PUBLIC_ENDING}").exists()]
    if not found or "/" in name:
        raise ConfigError(f"{path} has no key of this name; `quotebus keys list` shows them")
    for each in found:
        each.unlink()
        _say(f"{each.name.removesuffix(PUBLIC_ENDING)} is no longer admitted")


def _endpoints(role: str) -> list[str]:
    return [endpoint for endpoint, roles in MAY.items() if role in roles]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
