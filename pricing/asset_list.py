"""The venue's list of symbols: which there are, and which of them may be ordered. Pure.

Source: Alpaca's trading API, `/v2/assets` and `/v2/assets/{symbol}`: `status` is `active` or `inactive`, `tradable`
says whether orders are taken. Neither tells of a halt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from urllib.parse import quote

import msgspec

from quotebus.pricing.rest_connection import RestFailed

LIST_PATH = "/v2/assets?status=active&asset_class=us_equity"
MOST_NEAR = 3


class _Asset(msgspec.Struct, gc=False):
    symbol: str
    status: str = "active"
    tradable: bool = True


@dataclass(frozen=True, slots=True)
class Asset:
    """What the venue says of one symbol."""

    symbol: str
    is_active: bool
    is_tradable: bool


@dataclass(frozen=True, slots=True)
class AssetList:
    """The active symbols and whether each may be ordered, as read at `read_ns`, UTC."""

    tradable: Mapping[str, bool]
    read_ns: int

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.tradable

    def find_near(self, symbol: str) -> list[str]:
        """At most three symbols of the list that differ from this one by one slip of the hand."""
        return list(dict.fromkeys(near for near in _slips(symbol) if near in self.tradable))[:MOST_NEAR]


def make_path(symbol: str) -> str:
    """The path of a question about one symbol."""
    return f"/v2/assets/{quote(symbol, safe='')}"


def read_assets(rows: Iterable[msgspec.Raw]) -> dict[str, bool]:
    """Symbols of a list's rows to whether they may be ordered. Raises RestFailed where a row is no asset."""
    return {asset.symbol: asset.is_tradable for asset in map(_read_row, rows) if asset.is_active}


def read_asset(row: msgspec.Raw | None) -> Asset | None:
    """The answer about one symbol; None when the venue does not have it. Raises RestFailed."""
    return None if row is None else _read_row(row)


def _read_row(row: msgspec.Raw) -> Asset:
    try:
        asset = msgspec.json.decode(row, type=_Asset)
    except msgspec.DecodeError:
        raise RestFailed("not an asset") from None
    return Asset(asset.symbol, asset.status == "active", asset.tradable)


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
