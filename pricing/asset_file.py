"""The file that keeps the venue's list of symbols from one life of the node to the next.

It lies in a folder that may be everybody's, so one that another user owns or may write is not read. It is written to a
new file that replaces the old one. What cannot be read or written is told, and never ends the node.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
from pathlib import Path

import msgspec

from quotebus.bus.codec import DECODE_ERRORS
from quotebus.pricing.asset_list import AssetList, OrderTerms

log = logging.getLogger(__name__)
MAX_BYTES = 8 << 20
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


VERSION = 2


class _Version(msgspec.Struct):
    version: int


class _Group(msgspec.Struct):
    """The symbols that share their terms: most of them do."""

    terms: OrderTerms
    symbols: list[str]


class _SymbolsKept(msgspec.Struct):
    version: int
    read_ns: int
    groups: list[_Group]


class AssetFile:
    """The list of one address. `failures` counts reads and writes that failed."""

    def __init__(self, folder: Path, url: str) -> None:
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path = folder / f"quotebus-{os.geteuid()}-{digest}.symbols"
        self.failures = 0

    def read(self) -> AssetList | None:
        """The list in the file; None when there is none, or none that can be trusted."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell(f"cannot be read ({error.strerror})")
            return None
        with open(file, "rb") as opened:
            facts = os.fstat(file)
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & _OTHERS:
                self._tell("is not read: others may write it")
                return None
            try:
                text = opened.read(MAX_BYTES)
                if msgspec.json.decode(text, type=_Version).version != VERSION:
                    return None  # of another quotebus: the venue is asked
                content = msgspec.json.decode(text, type=_SymbolsKept)
            except (OSError, *DECODE_ERRORS):
                self._tell("is damaged")
                return None
        terms = {symbol: group.terms for group in content.groups for symbol in group.symbols}
        return AssetList(terms, content.read_ns) if terms else None

    def write(self, assets: AssetList) -> None:
        """Replace what is in the file."""
        groups: dict[OrderTerms, list[str]] = {}
        for symbol, terms in assets.terms.items():
            groups.setdefault(terms, []).append(symbol)
        kept = _SymbolsKept(VERSION, assets.read_ns, [_Group(*group) for group in groups.items()])
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()  # of a process of this number that did not end well
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(msgspec.json.encode(kept))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            self._tell(f"cannot be written ({error.strerror}): the next node will ask the venue")

    def _tell(self, what: str) -> None:
        self.failures += 1
        log.warning("the file of symbols %s %s", self.path, what)
