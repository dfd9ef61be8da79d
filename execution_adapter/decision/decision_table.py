"""The decision table: what may be ordered, by what is known of a halt and of the session, and by how good the price is.

Pure.

Rows stand in order of severity: where two apply, the lower one counts. A row whose cells all say REFUSE also cancels
what rests.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from quotebus.bus.book import HaltKnowledge
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import MarketSession

LOST_LINE_MEMORY_NS = 300 * NS_PER_S
"""For so long after the line was lost, what was last known of a halt, or of the session, still counts."""


class Row(StrEnum):
    """What is known of the symbol's trading."""

    TRADING = "trading"
    EXTENDED = "extended hours"
    UNKNOWN = "unknown"
    HALTED = "halted"
    NO_SESSION = "no session"
    OTHER_CLASS = "class not accepted"


class Column(StrEnum):
    """How good the price is."""

    GOOD = "good"
    """It may be used now."""
    LAST = "last"
    """It may not, and the last good one is recent."""
    NONE = "none"
    """It may not, and there is no such one."""


class Rule(StrEnum):
    """What may be done."""

    LIMIT = "limit"
    """A limit inside the spread that follows the market."""
    PASSIVE = "passive"
    """A limit on our own side of the spread."""
    COLLAR = "collar"
    """A limit at most a band beyond the last good price."""
    MARKET = "market"
    REFUSE = "refuse"


TABLE: Mapping[Row, Mapping[Column, Rule]] = {
    Row.TRADING: {Column.GOOD: Rule.LIMIT, Column.LAST: Rule.COLLAR, Column.NONE: Rule.MARKET},
    Row.EXTENDED: {Column.GOOD: Rule.LIMIT, Column.LAST: Rule.COLLAR, Column.NONE: Rule.REFUSE},
    Row.UNKNOWN: {Column.GOOD: Rule.PASSIVE, Column.LAST: Rule.COLLAR, Column.NONE: Rule.REFUSE},
    Row.HALTED: {Column.GOOD: Rule.REFUSE, Column.LAST: Rule.REFUSE, Column.NONE: Rule.REFUSE},
    Row.NO_SESSION: {Column.GOOD: Rule.REFUSE, Column.LAST: Rule.REFUSE, Column.NONE: Rule.REFUSE},
    Row.OTHER_CLASS: {Column.GOOD: Rule.REFUSE, Column.LAST: Rule.REFUSE, Column.NONE: Rule.REFUSE},
}
ROWS_OF_HALT: Mapping[HaltKnowledge, Row] = {
    HaltKnowledge.TRADING: Row.TRADING,
    HaltKnowledge.PRESUMED: Row.TRADING,
    HaltKnowledge.UNKNOWN: Row.UNKNOWN,
    HaltKnowledge.HALTED: Row.HALTED,
}


EXTENDED_SESSIONS = frozenset({MarketSession.PRE, MarketSession.POST, MarketSession.OVERNIGHT})


def name_cell(row: Row, column: Column) -> str:
    """The cell of the table that decided, as decisions and the summary name it."""
    return f"{row}/{column}"


def find_row_of_session(session: MarketSession, *, extended_hours: bool) -> Row:
    """The row of a session. Outside the regular one nothing is ordered, unless extended hours are asked for."""
    if session == MarketSession.REGULAR:
        return Row.TRADING
    return Row.EXTENDED if extended_hours and session in EXTENDED_SESSIONS else Row.NO_SESSION


def find_strictest(*rows: Row) -> Row:
    """Of several rows that apply the most severe one."""
    order = list(TABLE)
    return max(rows, key=order.index)


def is_forbidden(row: Row) -> bool:
    """Whether nothing at all may be ordered, and what rests is cancelled."""
    return set(TABLE[row].values()) == {Rule.REFUSE}
