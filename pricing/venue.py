"""What a node asks the venue by REST, beside the stream: its market data, its list of symbols, its clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from quotebus.pricing.commands import AskTrading, AskVenue
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.trading_budget import TradingBudget
from quotebus.pricing.trading_rest import TradingAnswer, TradingRest
from quotebus.pricing.venue_answers import Latest
from quotebus.pricing.venue_rest import VenueAnswer, VenueRest

Report: TypeAlias = VenueAnswer | TradingAnswer


class Venue:
    """Two APIs with a budget each, that of the trading API shared with the account's workers.

    `report` may be called from other threads.
    """

    def __init__(
        self, settings: PricingSettings, credentials: Callable[[], tuple[str, str]], report: Callable[[Report], None]
    ) -> None:
        """Opens nothing."""
        ca_file = settings.pricing_upstream_ca_file
        self._data = VenueRest(settings.data_url, settings.data_feed, ca_file, credentials, report)
        url, folder = settings.trading_url, settings.pricing_lock_dir
        budget = TradingBudget(url, settings.execution_budget_dir, settings.execution_request_share, credentials)
        self._trading = TradingRest(url, folder, ca_file, credentials, report, budget)

    def ask(self, command: AskVenue | AskTrading) -> None:
        """Carry out a command of the core."""
        if isinstance(command, AskTrading):
            self._trading.put((command.what, command.symbol))
        else:
            trades = command.number < 0
            self._data.ask(Latest.TRADES if trades else Latest.SNAPSHOTS, command.symbols, command.number)

    def abandon(self) -> None:
        """Forget what waits, and make what is under way fail soon."""
        self._data.abandon()
        self._trading.abandon()

    def count(self) -> dict[str, int]:
        """How often each was asked, and how often the file of symbols failed."""
        return {
            "rest_requests": self._data.requests,
            "trading_requests": self._trading.requests,
            "symbol_file_failures": self._trading.file_failures,
        }
