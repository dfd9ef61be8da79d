"""The simulated broker's assets: the list, single ones, and the faults that change them."""

from __future__ import annotations

import random

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.trading.assets import Assets
from quotebus.pricing.simulator.trading.market_hours import MarketHours


def test_the_list_has_the_well_known_and_others_are_found_by_name() -> None:
    faults = Faults(random.Random(1))
    assets = Assets(1, faults, lambda symbol: f"id-{symbol}")
    listed = {str(asset["symbol"]): asset for asset in assets.list({})}
    assert {"SPY", "AAPL"} <= listed.keys()
    assert "ANY" not in listed
    found = assets.find("ANY")
    assert found is not None
    assert (found["status"], found["tradable"], found["id"]) == ("active", True, "id-ANY")
    assert assets.find("ZZTOP") is None
    faults.change({"asset_unknown": ["SPY"], "asset_inactive": ["AAPL"], "not_tradable": ["QQQ"]})
    listed = {str(asset["symbol"]): asset for asset in assets.list({"status": "active"})}
    assert not {"SPY", "AAPL"} & listed.keys()
    assert listed["QQQ"]["tradable"] is False
    assert assets.find("SPY") is None
    [gone] = assets.list({"status": "inactive"})
    assert (gone["symbol"], gone["status"], gone["tradable"]) == ("AAPL", "inactive", False)


def test_phases_of_markets() -> None:
    hours = MarketHours()
    told = {}
    for session in ("regular", "pre", "post", "overnight", "closed"):
        hours.session = session
        rows = hours.phases(["NYSE", "BOATS"])["clocks"]
        assert isinstance(rows, list)
        told[session] = [row["phase"] for row in rows]
    assert told == {
        "regular": ["core", "closed"],
        "pre": ["pre", "closed"],
        "post": ["post", "closed"],
        "overnight": ["closed", "core"],
        "closed": ["closed", "closed"],
    }
