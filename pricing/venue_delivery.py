"""Hands the venue's answers to whoever asked: about quotes newer than ours, or, numbered below 0, about trades."""

from __future__ import annotations

import logging

from quotebus.pricing.core import Core
from quotebus.pricing.venue_rest import VenueAnswer

log = logging.getLogger(__name__)


def deliver(answer: VenueAnswer, core: Core, at_ns: int) -> None:
    """Take one answer, or the reason why there is none."""
    if answer.number < 0:
        trades = {symbol: row.trade for symbol, row in answer.rows.items() if row.trade is not None}
        log.debug("venue: latest trades of %d symbols%s", len(trades), answer.why and f" ({answer.why})")
        core.halt_watch.on_venue(answer.number, None if answer.why else trades, at_ns)
    elif answer.why:
        log.warning("the venue could not be asked whether its data is newer (%s)", answer.why)
        core.on_venue(answer.number, None, at_ns)
    else:
        newest_ns = {symbol: row.quote.exchange_ns for symbol, row in answer.rows.items() if row.quote is not None}
        core.on_venue(answer.number, newest_ns, at_ns)
