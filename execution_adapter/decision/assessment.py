"""The verdict before every order: ok, degraded or refuse, and why. Pure; it never waits.

`bus.book` says whether a price may be used at all. This adds what matters only for trading: how wide the spread is,
whether the price jumped, how late the exchange's own stamp is, whether the line has only just come back. Degraded
means: trade, but passively.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from quotebus.bus.book import HaltKnowledge, Reasons, Unusable, Verdict
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ConnectionHealth, FeedClass, MarketSession, Quote, SymbolState
from quotebus.execution_adapter.decision.decision_table import (
    EXTENDED_SESSIONS,
    LOST_LINE_MEMORY_NS,
    ROWS_OF_HALT,
    Row,
    find_row_of_session,
    find_strictest,
    is_forbidden,
)
from quotebus.execution_adapter.decision.limit_price import Touch, find_sides
from quotebus.execution_adapter.decision.order_steps import OrderSteps, read_steps


class Grade(StrEnum):
    """What an order may do with the price."""

    OK = "ok"
    DEGRADED = "degraded"
    REFUSE = "refuse"


class Caution(StrEnum):
    """Reasons of this module. Those of `bus.book.Unusable` always mean refuse; these may only degrade."""

    SETTLING = "settling"
    JUMPED = "jumped"
    SPREAD_ABSURD = "spread_absurd"
    SPREAD_WIDE = "spread_wide"
    EXCHANGE_LATE = "exchange_late"
    CLOCK_SKEW = "clock_skew"
    HALTS_UNKNOWN = "halts_unknown"
    HALT_UNKNOWN = "halt_unknown"
    OUT_OF_SESSION = "out_of_session"
    SESSION_UNKNOWN = "session_unknown"
    EXTENDED_HOURS = "extended_hours"
    SIZE_LARGE = "size_large"
    ORDERS_NOT_TAKEN = "orders_not_taken"


FIRST_SECOND_NS = NS_PER_S
DELAYS_NS = MappingProxyType({FeedClass.DELAYED: 900 * NS_PER_S})
"""How late a feed of a class is by itself: whoever accepts it accepts that, and only what is later still is refused."""
_HARMLESS = frozenset({Caution.EXTENDED_HOURS})
_REFUSING = frozenset({Caution.SETTLING, Caution.JUMPED, Caution.SPREAD_ABSURD, Caution.ORDERS_NOT_TAKEN})
_LINE = frozenset(
    {
        Unusable.CLIENT_CONFLICT,
        Unusable.UNCONFIRMED,
        Unusable.NO_HEALTH,
        Unusable.HEALTH_SILENT,
        Unusable.NOT_STREAMING,
        Unusable.READER_BEHIND,
    }
)
_LOST = frozenset({Unusable.NO_HEALTH, Unusable.HEALTH_SILENT, Unusable.NOT_STREAMING})
"""While one of these holds nothing new can be known of a halt."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds. Fractions are of the mid."""

    settle_ns: int = NS_PER_S
    spread_wide: float = 0.005
    spread_absurd: float = 0.10
    jump: float = 0.10
    jump_settle_ns: int = 2 * NS_PER_S
    jump_memory_ns: int = 60 * NS_PER_S
    exchange_late_ns: int = 2 * NS_PER_S
    exchange_refuse_ns: int = 10 * NS_PER_S
    clock_skew_ns: int = 500 * NS_PER_MS
    size_large: float = 10.0
    extended_hours: bool = False
    """Whether limit orders may be placed outside the regular session."""


@dataclass(frozen=True, slots=True)
class Past:
    """What a verdict depends on besides the newest messages. Ages are taken at its instant."""

    good_for_ns: int | None = None
    """For how long the line has been good; None while it is not."""
    flapped: bool = False
    """Whether it was lost once: then it must settle."""
    level_mid: float | None = None
    """The last good mid that was no jump, `level_age_ns` ago."""
    level_age_ns: int = 0
    far_for_ns: int | None = None
    """For how long the mid has been far from it; None when it was not far at the look before."""
    halt: HaltKnowledge | None = None
    """What was known of a halt while the line was last good, `halt_age_ns` ago; None while it is good."""
    halt_age_ns: int = 0
    first_second: bool = False
    """Whether the worker has looked at the symbol for less than a second: much may only not have come yet."""

    def settling(self, limits: Limits) -> bool:
        return self.flapped and self.good_for_ns is not None and self.good_for_ns < limits.settle_ns

    def jumped(self, mid: float, limits: Limits) -> bool:
        """Whether a good mid is far from the level. A new level counts once it has held for a while."""
        if self.level_mid is None or self.level_age_ns > limits.jump_memory_ns:
            return False
        far = abs(mid - self.level_mid) > limits.jump * self.level_mid
        return far and (self.far_for_ns or 0) < limits.jump_settle_ns


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on trading one symbol at one instant, with what it depends on."""

    grade: Grade
    reasons: tuple[str, ...]
    verdict: Verdict
    """The book's verdict on the price, with the messages it judged."""
    sides: Touch | None
    """The quote's two sides, sizes in shares; None unless both are there and apart."""
    past: Past
    extended_hours: bool = False
    """Whether limit orders may be placed outside the regular session."""

    @property
    def symbol(self) -> str:
        return self.verdict.symbol

    @property
    def row(self) -> Row:
        """The row of the decision table that applies."""
        return find_row(self.verdict, self.past, extended_hours=self.extended_hours)

    @property
    def limit_only(self) -> bool:
        """Whether no order without a limit may be open: outside the regular session."""
        return find_session(self.verdict) != MarketSession.REGULAR

    @property
    def tradable(self) -> bool:
        """Whether any order at all may go out: not for a symbol halted or refused, nor for one that the venue takes no
        orders for, whatever the fallback.
        """
        standing = self.verdict.standing
        refused = standing is not None and standing.state == SymbolState.REFUSED
        return not (is_forbidden(self.row) or refused or self.orders_not_taken)

    @property
    def orders_not_taken(self) -> bool:
        """Whether the venue says that it takes no orders for the symbol."""
        return takes_no_orders(self.verdict)

    @property
    def steps(self) -> OrderSteps:
        """The steps of an order's price and quantity that the venue says."""
        standing = self.verdict.standing
        return read_steps(None if standing is None else standing.asset)


def find_session(verdict: Verdict) -> MarketSession:
    """The market's session by the newest health, while that is not older than a line lost lately."""
    health, age_ns = verdict.health, verdict.health_age_ns
    if health is None or age_ns is None or age_ns > LOST_LINE_MEMORY_NS:
        return MarketSession.UNKNOWN
    return health.session


def takes_no_orders(verdict: Verdict) -> bool:
    """Whether the venue says that it takes no orders for the symbol; not said is not so."""
    asset = None if verdict.standing is None else verdict.standing.asset
    return asset is not None and not asset.tradable


def find_delay_ns(verdict: Verdict) -> int:
    """How late the feed's quotes are by themselves."""
    return DELAYS_NS.get(verdict.health.feed_class, 0) if verdict.health is not None else 0


def find_halt_row(verdict: Verdict, past: Past) -> Row:
    """The row of what is known of a halt. A line lost lately keeps what was last known."""
    halt = verdict.halt
    remembers = past.halt is not None and past.halt_age_ns <= LOST_LINE_MEMORY_NS
    if halt is HaltKnowledge.UNKNOWN and past.halt is not None and remembers and _LOST.intersection(verdict.reasons):
        halt = past.halt
    return ROWS_OF_HALT[halt]


def find_row(verdict: Verdict, past: Past, *, extended_hours: bool = False) -> Row:
    """The row of the decision table for this verdict."""
    session_row = find_row_of_session(find_session(verdict), extended_hours=extended_hours)
    class_row = Row.OTHER_CLASS if Unusable.CLASS_NOT_ACCEPTED in verdict.reasons else Row.TRADING
    return find_strictest(find_halt_row(verdict, past), session_row, class_row)


def grade_price(
    verdict: Verdict, sides: Touch | None, side: str, qty: Decimal, limits: Limits, past: Past
) -> Assessment:
    """Grade the book's verdict for an order of `qty` shares; `sides` are its quote's."""
    quote, reasons = verdict.quote, verdict.reasons
    if not reasons and sides is None:
        reasons = Reasons((Unusable.LOCKED,))  # its publisher did not flag it
    cautions: list[Caution] = [Caution.SETTLING] if past.settling(limits) else []
    if quote is not None:
        cautions += _spread_cautions(quote, limits)
        if not reasons and quote.mid is not None and past.jumped(quote.mid, limits):
            cautions.append(Caution.JUMPED)
        cautions += _lag_cautions(quote, limits)
    if sides is not None and _is_large(sides, side, qty, limits):
        cautions.append(Caution.SIZE_LARGE)
    if verdict.health is not None and "halts_unknown" in verdict.health.detail:
        cautions.append(Caution.HALTS_UNKNOWN)
    if takes_no_orders(verdict):
        cautions.append(Caution.ORDERS_NOT_TAKEN)
    row = find_row(verdict, past, extended_hours=limits.extended_hours)
    cautions += _session_cautions(find_session(verdict), row)
    if find_halt_row(verdict, past) is Row.UNKNOWN:
        cautions.append(Caution.HALT_UNKNOWN)
    late_ns = 0 if quote is None else quote.received_ns - quote.exchange_ns - find_delay_ns(verdict)
    late = late_ns > limits.exchange_refuse_ns
    if reasons or late or is_forbidden(row) or not _REFUSING.isdisjoint(cautions):
        grade = Grade.REFUSE
    else:
        grade = Grade.OK if _HARMLESS.issuperset(cautions) else Grade.DEGRADED
    named = tuple(dict.fromkeys((*reasons, *cautions)))  # the book names a late quote, too
    return Assessment(grade, named, verdict, sides, past, limits.extended_hours)


def _session_cautions(session: MarketSession, row: Row) -> list[Caution]:
    if session == MarketSession.REGULAR:
        return []
    if row is not Row.NO_SESSION:
        return [Caution.EXTENDED_HOURS]
    known = session in EXTENDED_SESSIONS or session == MarketSession.CLOSED
    return [Caution.OUT_OF_SESSION if known else Caution.SESSION_UNKNOWN]


def _spread_cautions(quote: Quote, limits: Limits) -> list[Caution]:
    mid = quote.mid
    if mid is None or quote.spread is None:
        return []
    if quote.spread > limits.spread_absurd * mid:
        return [Caution.SPREAD_ABSURD]
    return [Caution.SPREAD_WIDE] if quote.spread > limits.spread_wide * mid else []


def _lag_cautions(quote: Quote, limits: Limits) -> list[Caution]:
    lag_ns = quote.received_ns - quote.exchange_ns
    if lag_ns > limits.exchange_late_ns:
        return [Caution.EXCHANGE_LATE]
    return [Caution.CLOCK_SKEW] if lag_ns < -limits.clock_skew_ns else []


def _is_large(sides: Touch, side: str, qty: Decimal, limits: Limits) -> bool:
    shown = sides.ask_size if side == "buy" else sides.bid_size
    return float(qty) > limits.size_large * max(float(shown), 1.0)


@dataclass(slots=True)
class _Level:
    """Where a symbol's mid was last good, and since when it may have moved to another level."""

    mid: float
    at_ns: int
    jumped_ns: int | None = None


class Assessor:
    """Assesses prices for one worker. `look` returns the book's verdict on a symbol at an instant.

    `lot`: shares in one unit of the quotes' sizes.
    """

    def __init__(self, look: Callable[[str, int], Verdict], limits: Limits | None = None, lot: int = 1) -> None:
        self._look = look
        self._lot = lot
        self.limits = limits or Limits()
        self._good_since_ns: int | None = None
        self._flapped = False
        self._levels: dict[str, _Level] = {}
        self._halts: dict[str, tuple[HaltKnowledge, int]] = {}
        self._newest: dict[str, tuple[Quote, Touch | None]] = {}
        self._health: ConnectionHealth | None = None
        self._received_ns = 0
        self._first_look_ns: dict[str, int] = {}

    def assess(self, symbol: str, side: str, qty: Decimal, now_ns: int) -> Assessment:
        """Whether an order of `qty` shares may go out on the price held at `now_ns`, and why not."""
        verdict = self._look(symbol, now_ns)
        health, quote = verdict.health, verdict.quote
        if health is not self._health:
            self._health = health
            # The book may have received it after `now_ns` was read: a line is not good before its health was there.
            self._received_ns = now_ns - min(0, verdict.health_age_ns or 0)
        good_for_ns = self._line(not _LINE.intersection(verdict.reasons), health, now_ns)
        if not _LOST.intersection(verdict.reasons):
            self._halts[symbol] = (verdict.halt, now_ns)
        past = self._past(symbol, good_for_ns, now_ns, lost=bool(_LOST.intersection(verdict.reasons)))
        sides = None if quote is None else self._sides(quote)
        assessment = grade_price(verdict, sides, side, qty, self.limits, past)
        if quote is not None and quote.mid is not None and not verdict.reasons:
            self._remember(symbol, quote.mid, now_ns, jumped=Caution.JUMPED in assessment.reasons)
        return assessment

    def _sides(self, quote: Quote) -> Touch | None:
        """A quote is assessed many times while it stands, and its sides are worked out once."""
        newest = self._newest.get(quote.symbol)
        if newest is None or newest[0] is not quote:
            newest = self._newest[quote.symbol] = (quote, find_sides(quote, self._lot))
        return newest[1]

    def _line(self, good: bool, health: ConnectionHealth | None, now_ns: int) -> int | None:
        """How long the line has been good, ns; None while it is not. A line that was lost once must settle again."""
        if not good or health is None:
            if self._good_since_ns is not None:
                self._flapped = True
            self._good_since_ns = None
            return None
        if self._good_since_ns is None:
            self._good_since_ns = max(now_ns, self._received_ns)
        if health.connection > 1 or health.gap_end_ns is not None:
            # The line may have flapped between two assessments: the node's stamp of when it came up shows that.
            self._flapped = True
            counted_ns = max(0, health.published_ns - health.since_ns)
            return max(0, min(now_ns - self._good_since_ns, counted_ns + now_ns - self._received_ns))
        return max(0, now_ns - self._good_since_ns)

    def _past(self, symbol: str, good_for_ns: int | None, now_ns: int, *, lost: bool) -> Past:
        halt, halt_ns = self._halts.get(symbol, (None, now_ns)) if lost else (None, now_ns)
        first = now_ns - self._first_look_ns.setdefault(symbol, now_ns) < FIRST_SECOND_NS
        level = self._levels.get(symbol)
        if level is None:
            return Past(good_for_ns, self._flapped, halt=halt, halt_age_ns=now_ns - halt_ns, first_second=first)
        far_for_ns = None if level.jumped_ns is None else now_ns - level.jumped_ns
        level_age_ns = now_ns - level.at_ns
        return Past(good_for_ns, self._flapped, level.mid, level_age_ns, far_for_ns, halt, now_ns - halt_ns, first)

    def _remember(self, symbol: str, mid: float, now_ns: int, *, jumped: bool) -> None:
        level = self._levels.get(symbol)
        if level is None or not jumped:
            self._levels[symbol] = _Level(mid, now_ns)
        elif level.jumped_ns is None:
            level.jumped_ns = now_ns
