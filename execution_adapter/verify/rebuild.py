"""A book that holds exactly what a decision names, judged as the worker judged its own. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from quotebus.bus.book import Book, Reasons, Unusable, Verdict
from quotebus.bus.events import (
    ConnectionHealth,
    ExecutionDecision,
    HaltKind,
    HaltKnowledge,
    Quote,
    SymbolsAcknowledged,
    SymbolStatus,
)

_GIVEN = (Unusable.NOT_REQUESTED, Unusable.CLIENT_CONFLICT, Unusable.UNCONFIRMED, Unusable.READER_BEHIND)
"""Reasons that no message carries; they are taken from the recorded decision."""
_NEVER_OLDER_NS = 2**62


@dataclass(frozen=True, slots=True)
class RecordedState:
    """A symbol's state in one message. `halted_at`: the message that reported a halt not known to be over.

    `halted`: the message itself says so.
    """

    event: SymbolStatus | SymbolsAcknowledged
    state: str
    halted_at: int | None
    halted: bool = False


def rebuild_verdict(
    recorded: ExecutionDecision,
    state: RecordedState | None,
    health: ConnectionHealth | None,
    quote: Quote | None,
    max_age_ns: int,
    max_late_ns: int,
    accept: Collection[str],
    *,
    halted: bool,
) -> Verdict:
    """The verdict on these messages at the decision's `now_ns`. `halted`: a halt was known before `state`."""
    book, now_ns = Book(max_age_ns=max_age_ns, accept=accept, max_late_ns=max_late_ns), recorded.now_ns
    if state is not None:
        if halted:
            book.halts.take(recorded.symbol, "", HaltKnowledge.HALTED, HaltKind.STATUS, _NEVER_OLDER_NS)
        if isinstance(state.event, SymbolStatus):
            book.on_status(state.event)
        else:
            book.on_acknowledged(state.event)
    # The health last: a book with a health sets aside what other sources say. Received so that the age of each, less
    # the smallest delay, is what the worker measured.
    if quote is not None:
        book.on_message(quote, _received_ns(quote.published_ns, now_ns, recorded.quote_age_ns))
        book.on_quote(quote)
    if health is not None:
        book.on_message(health, _received_ns(health.published_ns, now_ns, recorded.health_age_ns))
        book.on_health(health)
    verdict = book.assess(recorded.symbol, now_ns)
    given = tuple(reason for reason in _GIVEN if reason in recorded.reasons)
    return replace(verdict, reasons=Reasons((*given, *verdict.reasons)))


def _received_ns(published_ns: int, now_ns: int, age_ns: int | None) -> int:
    return published_ns if age_ns is None else now_ns - age_ns
