"""The verdict before every order: ok, degraded or refuse, why, and on what evidence. Pure; it never waits.

`bus.book` says whether a price may be used at all. This adds what only somebody about to trade cares for: how wide the
spread is, whether the price jumped, how late the exchange's own stamp is, whether the line has only just come back.
Degraded means: trade, but passively.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from quotebus.bus.book import HaltKnowledge, Unusable, Verdict
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ConnectionHealth, Quote, SymbolState
from quotebus.execution_adapter.intents import Intent


class Grade(StrEnum):
    """What an order may do with the price."""

    OK = "ok"
    DEGRADED = "degraded"
    REFUSE = "refuse"


class Caution(StrEnum):
    """Reasons beside `bus.book.Unusable`, which always mean refuse."""

    SETTLING = "settling"
    JUMPED = "jumped"
    SPREAD_ABSURD = "spread_absurd"
    SPREAD_WIDE = "spread_wide"
    EXCHANGE_LATE = "exchange_late"
    CLOCK_SKEW = "clock_skew"
    HALTS_UNKNOWN = "halts_unknown"
    SIZE_LARGE = "size_large"


_REFUSING = frozenset({Caution.SETTLING, Caution.JUMPED, Caution.SPREAD_ABSURD})
_LINE = frozenset(
    {
        Unusable.UNCONFIRMED,
        Unusable.NO_HEALTH,
        Unusable.HEALTH_SILENT,
        Unusable.NOT_STREAMING,
        Unusable.READER_BEHIND,
    }
)
_UNTRADABLE = (SymbolState.REFUSED, SymbolState.HALTED)


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


@dataclass(frozen=True, slots=True)
class Past:
    """What a verdict rests on beside the newest messages; ages are at its instant."""

    good_for_ns: int | None = None
    """For how long the line has been good; None while it is not."""
    flapped: bool = False
    """Whether it was lost once: then it must settle."""
    level_mid: float | None = None
    """The last good mid that was no jump, `level_age_ns` ago."""
    level_age_ns: int = 0
    far_for_ns: int | None = None
    """For how long the mid has been far from it; None when it was not far at the look before."""

    def settling(self, limits: Limits) -> bool:
        return self.flapped and self.good_for_ns is not None and self.good_for_ns < limits.settle_ns

    def jumped(self, mid: float, limits: Limits) -> bool:
        """Whether a good mid is far from the level; a new level counts once it has held for a while."""
        if self.level_mid is None or self.level_age_ns > limits.jump_memory_ns:
            return False
        far = abs(mid - self.level_mid) > limits.jump * self.level_mid
        return far and (self.far_for_ns or 0) < limits.jump_settle_ns


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict was based on; None where it was not known. Ages are at the instant of the verdict."""

    connection_state: str | None
    connection_cause: str | None
    health_age_ns: int | None
    """Since this worker first judged on it, which is at most the true age."""
    symbol_state: str | None
    symbol_cause: str | None
    halt: HaltKnowledge
    exchange_age_ns: int | None
    receive_age_ns: int | None
    seq: int
    announced_seq: int
    bid: float | None
    ask: float | None
    spread: float | None
    flags: int
    exchange_lag_ns: int | None
    past: Past


@dataclass(frozen=True, slots=True)
class Graded:
    """The verdict on trading one symbol at one instant."""

    symbol: str
    grade: Grade
    reasons: tuple[str, ...]
    price: Verdict

    @property
    def tradable(self) -> bool:
        """Whether any order at all may go out: not for a symbol halted or refused, whatever the fallback."""
        standing = self.price.standing
        halted = self.price.halt is HaltKnowledge.HALTED
        return not halted and (standing is None or standing.state not in _UNTRADABLE)


@dataclass(frozen=True, slots=True)
class Assessment(Graded):
    """The verdict with its evidence."""

    evidence: Evidence


def graded(price: Verdict, intent: Intent | None, limits: Limits, past: Past) -> Graded:
    """The book's verdict with every caution."""
    refused, quote = bool(price.reasons), price.quote
    cautions: list[Caution] = [Caution.SETTLING] if past.settling(limits) else []
    if quote is not None:
        cautions += _spread_cautions(quote, limits)
        if not refused and quote.mid is not None and past.jumped(quote.mid, limits):
            cautions.append(Caution.JUMPED)
        cautions += _lag_cautions(quote, limits)
        if intent is not None and _large(quote, intent, limits):
            cautions.append(Caution.SIZE_LARGE)
    if price.health is not None and "halts_unknown" in price.health.detail:
        cautions.append(Caution.HALTS_UNKNOWN)
    late = quote is not None and quote.received_ns - quote.exchange_ns > limits.exchange_refuse_ns
    if refused or late or not _REFUSING.isdisjoint(cautions):
        grade = Grade.REFUSE
    else:
        grade = Grade.DEGRADED if cautions else Grade.OK
    return Graded(price.symbol, grade, (*price.reasons, *cautions), price)


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


def _large(quote: Quote, intent: Intent, limits: Limits) -> bool:
    shown = quote.ask_size if intent.side == "buy" else quote.bid_size
    return shown is not None and float(intent.qty) > limits.size_large * max(shown, 1.0)


@dataclass(slots=True)
class _Level:
    """Where a symbol's mid was last good, and where it may have gone."""

    mid: float
    at_ns: int
    jumped_ns: int | None = None


class Assessor:
    """Judges for one worker. `look` gives the book's verdict on a symbol at an instant."""

    def __init__(self, look: Callable[[str, int], Verdict], limits: Limits | None = None) -> None:
        self._look = look
        self.limits = limits or Limits()
        self._good_since_ns: int | None = None
        self._flapped = False
        self._levels: dict[str, _Level] = {}
        self._health: ConnectionHealth | None = None
        self._heard_ns = 0

    def assess(self, symbol: str, intent: Intent | None, now_ns: int) -> Assessment:
        """Whether `intent` (None: any) may trade `symbol` on the price held at `now_ns`, and why not."""
        price = self._look(symbol, now_ns)
        health, quote = price.health, price.quote
        if health is not self._health:
            self._health = health
            # The book may have heard it after `now_ns` was read: a line is not good before its health was there.
            self._heard_ns = now_ns - min(0, price.health_age_ns or 0)
        good_for_ns = self._line(not _LINE.intersection(price.reasons), health, now_ns)
        past = self._past(symbol, good_for_ns, now_ns)
        found = graded(price, intent, self.limits, past)
        if quote is not None and quote.mid is not None and not price.reasons:
            self._remember(symbol, quote.mid, now_ns, jumped=Caution.JUMPED in found.reasons)
        age_ns, standing = price.age_ns, price.standing
        evidence = Evidence(
            connection_state=health.state if health else None,
            connection_cause=health.cause if health else None,
            health_age_ns=None if health is None else max(0, now_ns - self._heard_ns),
            symbol_state=standing.state if standing else None,
            symbol_cause=standing.cause if standing else None,
            halt=price.halt,
            exchange_age_ns=None
            if age_ns is None or quote is None
            else age_ns + quote.published_ns - quote.exchange_ns,
            receive_age_ns=None if age_ns is None or quote is None else age_ns + quote.published_ns - quote.received_ns,
            seq=quote.seq if quote else 0,
            announced_seq=price.announced_seq,
            bid=quote.bid_price if quote else None,
            ask=quote.ask_price if quote else None,
            spread=quote.spread if quote else None,
            flags=quote.flags if quote else 0,
            exchange_lag_ns=quote.received_ns - quote.exchange_ns if quote else None,
            past=past,
        )
        return Assessment(symbol, found.grade, found.reasons, price, evidence)

    def _line(self, good: bool, health: ConnectionHealth | None, now_ns: int) -> int | None:
        """How long the line has been good; None while it is not. A line that was lost once must settle anew."""
        if not good or health is None:
            if self._good_since_ns is not None:
                self._flapped = True
            self._good_since_ns = None
            return None
        if self._good_since_ns is None:
            self._good_since_ns = max(now_ns, self._heard_ns)
        if health.connection > 1 or health.gap_end_ns is not None:
            # A flap between two of our looks: the node's own stamp of when the line came up tells.
            self._flapped = True
            counted_ns = max(0, health.published_ns - health.since_ns)
            return max(0, min(now_ns - self._good_since_ns, counted_ns + now_ns - self._heard_ns))
        return max(0, now_ns - self._good_since_ns)

    def _past(self, symbol: str, good_for_ns: int | None, now_ns: int) -> Past:
        level = self._levels.get(symbol)
        if level is None:
            return Past(good_for_ns, self._flapped)
        far_for_ns = None if level.jumped_ns is None else now_ns - level.jumped_ns
        return Past(good_for_ns, self._flapped, level.mid, now_ns - level.at_ns, far_for_ns)

    def _remember(self, symbol: str, mid: float, now_ns: int, *, jumped: bool) -> None:
        level = self._levels.get(symbol)
        if level is None or not jumped:
            self._levels[symbol] = _Level(mid, now_ns)
        elif level.jumped_ns is None:
            level.jumped_ns = now_ns
