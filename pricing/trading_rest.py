"""The venue's trading API, as far as prices need it: its list of symbols, one symbol of it, and its clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec

from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.bus.events import MarketSession
from quotebus.pricing.asset_file import AssetFile
from quotebus.pricing.asset_list import LIST_PATH, Asset, AssetList, make_path, read_asset, read_assets
from quotebus.pricing.commands import Asked
from quotebus.pricing.rest_connection import RestConnection, RestFailed
from quotebus.pricing.rest_reader import RestReader
from quotebus.pricing.sessions import CLOCK_PATH, read_clock
from quotebus.pricing.trading_budget import TradingBudget

log = logging.getLogger(__name__)
BUDGET_S = 4.0
"""How long a question may wait for the account's budget."""
FRESH_NS = 20 * 3_600 * NS_PER_S
"""A list of the last 20 hours is read from the file, an older one again from the venue."""


@dataclass(frozen=True, slots=True)
class AssetsRead:
    """The venue's list of symbols. `why` is set where there is none, and holds no secret."""

    assets: AssetList | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class AssetRead:
    """What the venue says of one symbol, None when it does not have it. `why` is set where it said nothing."""

    symbol: str
    asset: Asset | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ClockRead:
    """The session by the venue's clock; None where it said nothing that is understood, and then `why`."""

    session: MarketSession | None
    why: str = ""


TradingAnswer: TypeAlias = AssetsRead | AssetRead | ClockRead


class TradingRest(RestReader[tuple[Asked, str], TradingAnswer]):
    """One trading API. A list that was read lately is taken from `folder` instead."""

    within_s = 20.0
    max_body_bytes = 48 << 20

    def __init__(
        self,
        url: str,
        folder: Path,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        report: Callable[[TradingAnswer], None],
        budget: TradingBudget,
    ) -> None:
        """Opens nothing. Without `url` every question is answered by saying so."""
        super().__init__(url, ca_file, credentials, report, budget)
        self._file = AssetFile(folder, url)
        self._file_read = False
        self._trading_budget = budget
        self._given_up = threading.Event()

    @property
    def file_failures(self) -> int:
        return self._file.failures

    def _read(self, question: tuple[Asked, str], connection: RestConnection) -> TradingAnswer:
        asked, symbol = question
        if asked is Asked.CLOCK:
            self._wait()
            session = read_clock(connection.get(CLOCK_PATH, within_s=1.0))
            return ClockRead(session, "" if session is not None else "not a clock")
        if asked is Asked.ASSET:
            self._wait()
            row = connection.get(make_path(symbol), within_s=2.0, into=msgspec.Raw)
            return AssetRead(symbol, read_asset(row))
        return self._read_list(connection)

    def _read_list(self, connection: RestConnection) -> AssetsRead:
        kept = None if self._file_read else self._file.read()
        self._file_read = True
        if kept is not None:
            age_ns = utc_ns() - kept.read_ns
            log.info("%d symbols of the venue, read %.1f hours ago", len(kept.terms), age_ns / 3_600 / NS_PER_S)
            if 0 <= age_ns < FRESH_NS:
                return AssetsRead(kept)
            self._report(AssetsRead(kept))  # better than nothing while the new one is on its way
        self._wait()
        # Cut in one go, read row by row: so the interpreter is never held for long.
        rows = connection.get(LIST_PATH, within_s=self.within_s, into=list[msgspec.Raw])
        symbols = read_assets(rows or ())
        if not symbols:
            raise RestFailed("no list of symbols there")
        assets = AssetList(symbols, utc_ns())
        log.info("%d symbols read from the venue", len(symbols))
        self._file.write(assets)
        return AssetsRead(assets)

    def _may_ask(self) -> bool:
        return True  # the reading thread waits for the budget: a moment later is soon enough

    def _wait(self) -> None:
        if not self._trading_budget.wait(BUDGET_S, self._given_up):
            raise RestFailed("the budget of requests is used up")

    def abandon(self) -> None:
        self._given_up.set()
        super().abandon()

    def _fail(self, question: tuple[Asked, str], why: str) -> TradingAnswer:
        asked, symbol = question
        if asked is Asked.CLOCK:
            return ClockRead(None, why)
        return AssetRead(symbol, None, why) if asked is Asked.ASSET else AssetsRead(None, why)
