"""Hands the venue's answers to whoever asked: about quotes newer than ours, or, numbered below 0, about trades; about
symbols; about its clock.
"""

from __future__ import annotations

import logging

from quotebus.bus.clock import to_utc_ns
from quotebus.pricing.core import Core
from quotebus.pricing.trading_rest import AssetRead, AssetsRead, ClockRead
from quotebus.pricing.venue import Report
from quotebus.pricing.venue_rest import VenueAnswer

log = logging.getLogger(__name__)


def deliver(answer: Report, core: Core, at_ns: int) -> None:
    """Take one answer, or the reason why there is none."""
    match answer:
        case VenueAnswer():
            _deliver_data(answer, core, at_ns)
        case AssetsRead(assets, why):
            core.venue_watch.assets.on_list(assets, why, at_ns)
        case AssetRead(symbol, asset, why):
            core.venue_watch.assets.on_asset(symbol, asset, why, at_ns)
        case ClockRead(session, why):
            log.debug("venue: its clock says %s", session or why)
            core.venue_day.on_clock(session, to_utc_ns(at_ns))


def _deliver_data(answer: VenueAnswer, core: Core, at_ns: int) -> None:
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
