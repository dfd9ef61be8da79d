"""What a judgement says: the reasons against a price, and the quote, health and state that were judged. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from quotebus.bus.events import AssetFacts, Cause, ConnectionHealth, HaltKnowledge, Quote, Reference, SymbolState


class Unusable(StrEnum):
    """Why a price may not be used now."""

    NOT_REQUESTED = "not_requested"
    CLIENT_CONFLICT = "client_conflict"
    UNCONFIRMED = "unconfirmed"
    READER_BEHIND = "reader_behind"
    NO_HEALTH = "no_health"
    HEALTH_SILENT = "health_silent"
    NOT_STREAMING = "not_streaming"
    CLASS_NOT_ACCEPTED = "class_not_accepted"
    NO_STATUS = "no_status"
    NOT_LIVE = "not_live"
    HALTED = "halted"
    NO_QUOTE = "no_quote"
    OTHER_SOURCE = "other_source"
    OTHER_CONNECTION = "other_connection"
    LOST_NEWER = "lost_newer"
    ONE_SIDED = "one_sided"
    CROSSED = "crossed"
    LOCKED = "locked"
    BACKWARD_TIME = "backward_time"
    SUSPICIOUS = "suspicious"
    EXCHANGE_LATE = "exchange_late"
    EXCHANGE_AHEAD = "exchange_ahead"
    TOO_OLD = "too_old"


_OWN = frozenset({Unusable.NOT_REQUESTED, Unusable.CLIENT_CONFLICT, Unusable.READER_BEHIND})
_NODES = frozenset({Unusable.NO_HEALTH, Unusable.HEALTH_SILENT, Unusable.NOT_STREAMING})


class Reasons(tuple[Unusable, ...]):
    """Why a price may not be used, all of them; prints as `not_live, too_old`, and as `none` when there are none."""

    __slots__ = ()

    def __str__(self) -> str:
        return ", ".join(self) or "none"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


def is_own_trouble(reasons: Collection[Unusable]) -> bool:
    """Whether something is the matter with the reader itself, which says nothing of the market, and passes.

    An answer that is missing is the reader's trouble only while a node streams.
    """
    return not _OWN.isdisjoint(reasons) or (Unusable.UNCONFIRMED in reasons and _NODES.isdisjoint(reasons))


@dataclass(frozen=True, slots=True)
class Standing:
    """A symbol's newest state, from a SymbolStatus or an acknowledgement's row, and the message it came with."""

    state: SymbolState
    """Where the symbol stands."""
    cause: Cause
    """Why that state was entered."""
    source: str
    """The pricing node that said so."""
    reference: Reference
    """(source, seq) of the message; the source begins with `ack:` for an acknowledgement."""
    halt: HaltKnowledge = HaltKnowledge.UNKNOWN
    """What that node knows of a trading halt."""
    halt_kind: str = ""
    """What that rests on, a `HaltKind`; empty when nothing is known."""
    halt_exchange_ns: int | None = None
    """The exchange's time of that evidence, nanoseconds; compare it with other times of the exchange only."""
    asset: AssetFacts | None = None
    """What the venue's list of symbols says of it; None where there is none, or it is silent."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one symbol's price at one instant, with what it is based on."""

    symbol: str
    """Upper case."""
    reasons: Reasons
    """Everything that speaks against using the price; empty when it may be used."""
    quote: Quote | None
    """The quote that was judged; None when there is none."""
    health: ConnectionHealth | None
    """The connection's health that was judged; None when none was heard."""
    standing: Standing | None
    """The symbol's state that was judged; None when none was heard."""
    halt: HaltKnowledge
    """What is known of a trading halt."""
    age_ns: int | None
    """The quote's age by our own clock, nanoseconds, late delivery included; None without a quote."""
    health_age_ns: int | None = None
    """The health's age, nanoseconds; None without a health."""
    announced_seq: int = 0
    """The newest quote's number as the quote's own source announced it; 0 when it said nothing."""

    @property
    def usable(self) -> bool:
        """Whether the price may be used: nothing speaks against it."""
        return not self.reasons
