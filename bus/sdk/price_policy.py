"""What becomes of a quote that may not be used: passed on, dropped, or passed on with the reasons. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from quotebus.bus.events import Flag, Quote
from quotebus.bus.verdict import Verdict

PricePolicy = Literal["pass", "drop", "flag"]
SUPERSEDED = "superseded"
"""A newer quote of the symbol has come: the handler was too slow for this one."""


def check_policy(policy: str) -> PricePolicy:
    """Raises ValueError for a word that is none."""
    for known in get_args(PricePolicy):
        if policy == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"policy must be pass, drop or flag, not {policy[:40]!r}")


def list_reasons(quote: Quote, verdict: Verdict) -> tuple[str, ...]:
    """Why this quote may not be used now, empty if it may."""
    newest = verdict.quote
    if newest is not None and (newest.source, newest.seq) != (quote.source, quote.seq):
        return (SUPERSEDED,)
    reasons = tuple(str(reason) for reason in verdict.reasons)
    return reasons or tuple(flag.name.lower() for flag in Flag if quote.flags & flag and flag.name)
