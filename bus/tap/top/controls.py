"""What the keys of `top` do: each leads from one state of the screen to the next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from quotebus.bus.tap.settings import SORTS
from quotebus.bus.tap.snapshot import SymbolRow
from quotebus.bus.tap.usability import Usability

HELP = (
    ("q", "quit"),
    ("s / S", "sort by the next / previous column"),
    ("r", "reverse the order"),
    ("/", "filter by symbol, state, cause, client or reason"),
    ("Esc", "close the panel, or clear the filter"),
    ("up down PgUp PgDn Home End", "move (also k and j)"),
    ("Enter", "explain whether this symbol's price may be used"),
    ("u", "show only symbols whose price may not be used"),
    ("c", "show the programs' counters"),
    ("space", "freeze the screen; again: go on"),
    ("?", "show this help"),
)
_TROUBLE = ("halted", "stale", "refused", "evicted", "pending", "released", "quiet", "live")
_ANSWERS = (Usability.NO, Usability.UNKNOWN, Usability.YES)
MAX_FILTER = 40


@dataclass(frozen=True, slots=True)
class Controls:
    """What the user has chosen: sorting, filter, cursor, panel."""

    sort: str = "symbol"
    descending: bool = False
    filter: str = ""
    typing: bool = False
    at: int = 0
    panel: str = ""
    held: bool = False
    trouble_only: bool = False
    ended: bool = False

    def press(self, key: str, rows: int, page: int) -> Controls:
        """The state after a key. `rows`: rows in the table; `page`: rows on the screen. Unknown keys change nothing."""
        if self.typing:
            return self._typed(key)
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -page, "pgdn": page, "home": -rows, "end": rows}
        if key in ("q", "eof"):
            return replace(self, ended=True)
        if key == "esc":
            return replace(self, panel="") if self.panel else replace(self, filter="", at=0)
        if key in moves:
            return replace(self, at=max(0, min(rows - 1, self.at + moves[key])))
        if key in ("s", "S"):
            step = 1 if key == "s" else -1
            sort = SORTS[(SORTS.index(self.sort) + step) % len(SORTS)]
            return replace(self, sort=sort, descending=sort in ("rate", "clients", "spread", "age"), at=0)
        toggles = {"?": "help", "h": "help", "c": "counters", "enter": "why"}
        if key in toggles:
            return replace(self, panel="" if self.panel == toggles[key] else toggles[key])
        match key:
            case "r":
                return replace(self, descending=not self.descending)
            case "/":
                return replace(self, typing=True, panel="")
            case "u":
                return replace(self, trouble_only=not self.trouble_only, at=0)
            case " ":
                return replace(self, held=not self.held)
        return self

    def _typed(self, key: str) -> Controls:
        if key in ("enter", "esc", "eof"):
            return replace(self, typing=False, filter="" if key == "esc" else self.filter, at=0)
        if key == "backspace":
            return replace(self, filter=self.filter[:-1], at=0)
        if len(key) == 1 and key.isprintable() and len(self.filter) < MAX_FILTER:
            return replace(self, filter=self.filter + key, at=0)
        return self


def select_rows(rows: Sequence[SymbolRow], controls: Controls) -> list[SymbolRow]:
    """The rows that pass the filter, sorted."""
    wanted = controls.filter.lower()
    kept = [
        row
        for row in rows
        if not (controls.trouble_only and row.usable is Usability.YES)
        and (
            not wanted
            or wanted in row.symbol.lower()
            or wanted in row.state
            or wanted in row.cause
            or any(wanted in reason for reason in row.reasons)
            or any(wanted in claim.client.lower() for claim in row.clients)
        )
    ]
    kept.sort(key=lambda row: row.symbol)
    if controls.sort == "symbol":
        return kept[::-1] if controls.descending else kept
    return sorted(kept, key=lambda row: _key(row, controls.sort), reverse=controls.descending)


def _key(row: SymbolRow, sort: str) -> float:
    match sort:
        case "spread":
            return -1.0 if row.spread is None else row.spread
        case "age":
            return inf if row.age_ns is None else float(row.age_ns)
        case "rate":
            return row.per_s
        case "clients":
            return float(len(row.clients))
        case "state":
            return float(_TROUBLE.index(row.state)) if row.state in _TROUBLE else -1.0
    return float(_ANSWERS.index(row.usable))
