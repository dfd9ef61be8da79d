"""May a price be used? The book's judgement, limited by what a pure listener can know. Pure.

A tap sends no requests, so no acknowledgement brings it the held quotes. Of what was published before it started it
knows only what nodes repeat: the state of every wanted symbol within 10 s, and the number of its newest quote.
"""

from __future__ import annotations

from enum import StrEnum

from quotebus.bus.book import Unusable, Verdict
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.tap.view import KnownStatus, View

ROTATION_NS = 11 * NS_PER_S
"""Within 10 s, and a little for transport, every wanted symbol's state is published again."""
_UNHEARD = frozenset({Unusable.NO_QUOTE, Unusable.LOST_NEWER, Unusable.TOO_OLD, Unusable.OTHER_CONNECTION})


class Usability(StrEnum):
    """May the price be used?"""

    YES = "yes"
    NO = "no"
    UNKNOWN = "cannot_tell"


def judge_price(view: View, verdict: Verdict, now_ns: int) -> Usability:
    """The book's judgement; UNKNOWN when the only reasons against the price are what this tap has not received."""
    if verdict.usable:
        return Usability.YES
    reasons = set(verdict.reasons)
    began_ns = view.bus.began_ns
    listening_ns = 0 if began_ns is None else now_ns - began_ns
    if Unusable.NO_STATUS in reasons and verdict.standing is None and listening_ns < ROTATION_NS:
        return Usability.UNKNOWN if reasons <= {Unusable.NO_STATUS, Unusable.NO_QUOTE} else Usability.NO
    known = view.known.get(verdict.symbol)
    if reasons <= _UNHEARD and known is None and listening_ns < ROTATION_NS:
        return Usability.UNKNOWN  # its state came with an answer to a client that already holds the quote
    if reasons <= _UNHEARD and known is not None and has_newer_unheard(verdict, known):
        age_ns = measure_announced_age_ns(view, verdict, known, now_ns)
        if age_ns is not None and age_ns <= view.max_age_ns:
            return Usability.UNKNOWN
    return Usability.NO


def list_reasons(view: View, verdict: Verdict, now_ns: int) -> tuple[Unusable, ...]:
    """The rules against the price; a quote that clients hold and this tap never received counts with its age."""
    known = view.known.get(verdict.symbol)
    if verdict.quote is not None or known is None or not has_newer_unheard(verdict, known):
        return verdict.reasons
    age_ns = measure_announced_age_ns(view, verdict, known, now_ns)
    if age_ns is None or age_ns <= view.max_age_ns:
        return verdict.reasons
    return tuple(Unusable.TOO_OLD if reason is Unusable.NO_QUOTE else reason for reason in verdict.reasons)


def has_newer_unheard(verdict: Verdict, known: KnownStatus) -> bool:
    """Whether the node of the current line holds a quote of the symbol that this tap has not received."""
    health, quote = verdict.health, verdict.quote
    if health is None or known.source != health.source or known.last_quote_seq == 0:
        return False
    return quote is None or quote.source != known.source or quote.seq < known.last_quote_seq


def measure_announced_age_ns(view: View, verdict: Verdict, known: KnownStatus, now_ns: int) -> int | None:
    """How long ago the newest announced quote was published; None when none was announced."""
    return (
        None if known.last_quote_ns is None else convert_to_node_ns(view, verdict, known, now_ns) - known.last_quote_ns
    )


def convert_to_node_ns(view: View, verdict: Verdict, known: KnownStatus, now_ns: int) -> int:
    """Now, on the clock of the node that published the symbol's state."""
    health = verdict.health
    if health is None or health.source != known.source:
        return now_ns
    age_ns = view.book.age_ns(health, now_ns)
    return health.published_ns + age_ns if age_ns < 2**61 else now_ns
