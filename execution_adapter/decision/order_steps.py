"""The steps of an order's price and quantity, as the venue's list of symbols says them. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from quotebus.bus.events import AssetFacts

_MOST_DIGITS = 40


class OrderSteps(NamedTuple):
    """The smallest steps; None where the venue says nothing, and the settings and the rules of US equities count."""

    tick: Decimal | None = None
    """Of a price."""
    lot: Decimal | None = None
    """Of a quantity, in shares."""


UNSAID = OrderSteps()


def read_steps(asset: AssetFacts | None) -> OrderSteps:
    """The steps that an asset says; what is no number above 0 is not said."""
    if asset is None or (asset.tick is None and asset.lot is None):
        return UNSAID
    return OrderSteps(_read(asset.tick), _read(asset.lot))


def _read(text: str | None) -> Decimal | None:
    if text is None or len(text) > _MOST_DIGITS:
        return None
    try:
        step = Decimal(text)
    except InvalidOperation:
        return None
    return step if step.is_finite() and step > 0 else None
