"""What is in the files of keys, and who a key stands for. Pure.

A program's file holds all that it needs to reach a broker: its own pair and the broker's public key. A broker's folder
holds the broker's pair, and of every program the public key in a file that says role and name: `worker-strat.pub`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from quotebus.bus.own_names import OWN_NAME

ROLES = ("node", "worker", "observer")
BROKER = "broker"
PUBLIC_ENDING = ".pub"
_Z85 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")
_FIELDS = ("role", "name", "public", "secret", "broker")


@dataclass(frozen=True, slots=True)
class Program:
    """Who a key stands for. `name` has no hyphen: its clients are named `name` or `name-…`, its sources `name-…`."""

    role: str
    name: str

    def __str__(self) -> str:
        return f"{self.role}-{self.name}"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A program's keys in Z85, or the broker's; `broker` is the broker's public key, empty in its own file."""

    program: Program
    public: bytes
    secret: bytes = field(repr=False)
    broker: bytes = b""


def name_program(role: str, name: str) -> Program:
    """Raises ValueError for an unknown role, or what is no name of a key."""
    if role not in ROLES:
        raise ValueError(f"the role must be {', '.join(ROLES[:-1])} or {ROLES[-1]}")
    if not OWN_NAME.match(name):
        raise ValueError("the name of a key has at most 40 letters, digits, and . : _, and no hyphen")
    return Program(role, name)


def format_pair(pair: KeyPair) -> str:
    """The text of its file, which is a secret."""
    values = (pair.program.role, pair.program.name, pair.public, pair.secret, pair.broker)
    lines = [f"# A key of quotebus, {pair.program}. Whoever can read this file is this program.\n"]
    for name, value in zip(_FIELDS, values, strict=True):
        if value:
            lines.append(f"{name} {value.decode() if isinstance(value, bytes) else value}\n")
    return "".join(lines)


def parse_pair(text: str) -> KeyPair:
    """The keys in a file. Raises ValueError, whose text holds nothing of the file."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name in _FIELDS and name not in found:
            found[name] = value.strip()
        elif line.strip() and not line.startswith("#"):
            raise ValueError("is no file of `quotebus keys`")
    role = found.get("role", "")
    program = Program(BROKER, BROKER) if role == BROKER else name_program(role, found.get("name", ""))
    needed = ("public", "secret") if role == BROKER else ("public", "secret", "broker")
    if not all(_Z85.match(found.get(name, "")) for name in needed):
        raise ValueError("lacks a key, or one of its keys is damaged")
    return KeyPair(program, *(found.get(name, "").encode() for name in ("public", "secret", "broker")))


def parse_public(file_name: str, text: str) -> tuple[Program, bytes]:
    """Who a file of a broker's folder admits, and the public key in Z85. Raises ValueError."""
    role, _, name = file_name.removesuffix(PUBLIC_ENDING).partition("-")
    program, key = name_program(role, name), text.strip()
    if not _Z85.match(key):
        raise ValueError("holds no public key")
    return program, key.encode()


@dataclass(frozen=True, slots=True)
class AdmittedKeys:
    """Whom a broker admits, by public key. Two names for one key admit neither: nobody could tell who it is."""

    programs: dict[bytes, Program]

    @classmethod
    def of(cls, keys: Iterable[tuple[Program, bytes]]) -> AdmittedKeys:
        programs: dict[bytes, Program] = {}
        twice: set[bytes] = set()
        for program, key in keys:
            if programs.setdefault(key, program) != program:
                twice.add(key)
        return cls({key: program for key, program in programs.items() if key not in twice})

    def lost(self, later: AdmittedKeys) -> list[Program]:
        """Who was admitted and is no longer, or stands for somebody else now."""
        return [program for key, program in self.programs.items() if later.programs.get(key) != program]
