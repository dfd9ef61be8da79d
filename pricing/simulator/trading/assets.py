"""The broker's assets: the list of the well-known symbols, and any symbol that ticks by its name or id. Pure.

Source of the forms: Alpaca's trading API, `/v2/assets`. The exchange has more symbols than could be listed: a list that
does not have all of them is what a client has to live with anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.symbols import TEST_FEED_SYMBOL, WELL_KNOWN, make_profile, ticks

ACTIVE, INACTIVE = "active", "inactive"
_EXCHANGES = {"A": "NYSE", "B": "ARCA", "C": "NASDAQ"}


class Assets:
    """`asset_id` gives a symbol's id."""

    def __init__(self, seed: int, faults: Faults, asset_id: Callable[[str], str]) -> None:
        self._seed = seed
        self._faults = faults
        self._asset_id = asset_id

    def find(self, symbol: str) -> dict[str, object] | None:
        """One asset; None for a symbol that the exchange does not have."""
        faults = self._faults
        if not ticks(symbol) or faults.covers("asset_unknown", symbol):
            return None
        active = not faults.covers("asset_inactive", symbol)
        return {
            "id": self._asset_id(symbol),
            "class": "us_equity",
            "exchange": _EXCHANGES[make_profile(self._seed, symbol).tape],
            "symbol": symbol,
            "name": f"{symbol} (simulated)",
            "status": ACTIVE if active else INACTIVE,
            "tradable": active and not faults.covers("not_tradable", symbol),
            "marginable": True,
            "shortable": not faults.covers("not_shortable", symbol),
            "easy_to_borrow": not faults.covers("not_shortable", symbol),
            "fractionable": symbol != TEST_FEED_SYMBOL and not faults.covers("not_fractionable", symbol),
            "attributes": [],
        }

    def list(self, query: Mapping[str, str]) -> list[dict[str, object]]:
        """The well-known assets, of this `status` if the query has one."""
        found = [asset for symbol in WELL_KNOWN if (asset := self.find(symbol)) is not None]
        wanted = query.get("status", "")
        return [asset for asset in found if wanted in ("", "all", asset["status"])]
