"""The venue's list of symbols: which there are, which of them may be ordered, and in what steps. Pure.

Source: Alpaca's trading API, `/v2/assets` and `/v2/assets/{symbol}`: `status` is `active` or `inactive`, `tradable`
says whether orders are taken. `price_increment` and `min_trade_increment` are the steps of an order's price and
quantity, where it has them; a stock that is not `fractionable` is ordered in whole shares. Nothing there tells of a
halt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from string import ascii_uppercase
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from quotebus.bus.events import AssetFacts
from quotebus.pricing.rest_connection import RestFailed

LIST_PATH = "/v2/assets?status=active&asset_class=us_equity"
MOST_NEAR = 3
WHOLE = "1"
"""The lot of what is ordered in whole shares only."""
_MOST_DIGITS = 30


class _Asset(msgspec.Struct, gc=False):
    symbol: str
    status: str = "active"
    tradable: bool = True
    # A list is not given up for a value of these that cannot be read: then the venue has not said it.
    fractionable: object = None
    price_increment: object = None
    min_trade_increment: object = None


class OrderTerms(NamedTuple):
    """Whether orders are taken, and the steps of their price and quantity, decimals; None where nothing is said."""

    tradable: bool
    tick: str | None = None
    lot: str | None = None


@dataclass(frozen=True, slots=True)
class Asset:
    """What the venue says of one symbol."""

    symbol: str
    is_active: bool
    terms: OrderTerms


@dataclass(frozen=True, slots=True)
class AssetList:
    """The active symbols and the terms of their orders, as read at `read_ns`, UTC."""

    terms: Mapping[str, OrderTerms]
    read_ns: int

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.terms

    def find_facts(self, symbol: str) -> AssetFacts | None:
        """What the list says of a symbol; None when it does not have it."""
        terms = self.terms.get(symbol)
        return None if terms is None else make_facts(terms, self.read_ns)

    def find_near(self, symbol: str) -> list[str]:
        """At most three symbols of the list that differ from this one by one slip of the hand."""
        return list(dict.fromkeys(near for near in _slips(symbol) if near in self.terms))[:MOST_NEAR]


def make_facts(terms: OrderTerms, read_ns: int) -> AssetFacts:
    """The terms as they are published."""
    return AssetFacts(tradable=terms.tradable, tick=terms.tick, lot=terms.lot, read_ns=read_ns)


def make_path(symbol: str) -> str:
    """The path of a question about one symbol."""
    return f"/v2/assets/{quote(symbol, safe='')}"


def read_assets(rows: Iterable[msgspec.Raw]) -> dict[str, OrderTerms]:
    """Symbols of a list's rows to the terms of their orders. Raises RestFailed where a row is no asset."""
    known: dict[OrderTerms, OrderTerms] = {}  # most symbols have the same
    assets = (asset for asset in map(_read_row, rows) if asset.is_active)
    return {asset.symbol: known.setdefault(asset.terms, asset.terms) for asset in assets}


def read_asset(row: msgspec.Raw | None) -> Asset | None:
    """The answer about one symbol; None when the venue does not have it. Raises RestFailed."""
    return None if row is None else _read_row(row)


def _read_row(row: msgspec.Raw) -> Asset:
    try:
        asset = msgspec.json.decode(row, type=_Asset)
    except msgspec.DecodeError:
        raise RestFailed("not an asset") from None
    lot = _read_step(asset.min_trade_increment) or (WHOLE if asset.fractionable is False else None)
    terms = OrderTerms(asset.tradable, _read_step(asset.price_increment), lot)
    return Asset(asset.symbol, asset.status == "active", terms)


def _read_step(value: object) -> str | None:
    """A step above 0 as a plain decimal; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        step = Decimal(str(value))
    except InvalidOperation:
        return None
    text = f"{step.normalize():f}" if step.is_finite() and step > 0 else ""
    return text if 0 < len(text) <= _MOST_DIGITS else None


def _slips(symbol: str) -> Iterator[str]:
    """Two letters in the wrong order, one wrong, one too many, one too few: the likely ones first."""
    places = range(len(symbol))
    for place in places[:-1]:
        yield symbol[:place] + symbol[place + 1] + symbol[place] + symbol[place + 2 :]
    for place in places:
        for letter in ascii_uppercase:
            yield symbol[:place] + letter + symbol[place + 1 :]
    for place in places:
        yield symbol[:place] + symbol[place + 1 :]
    for place in range(len(symbol) + 1):
        for letter in (*ascii_uppercase, "."):
            yield symbol[:place] + letter + symbol[place:]
