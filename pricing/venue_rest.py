"""The venue's market data by REST: latest quotes, trades and snapshots of a batch of symbols."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from quotebus.pricing.request_budget import RequestBudget
from quotebus.pricing.rest_connection import RestConnection
from quotebus.pricing.rest_reader import RestReader
from quotebus.pricing.venue_answers import Latest, VenueRow, make_path, read_rows

log = logging.getLogger(__name__)
BURST = 10
PER_MINUTE = 60
"""A plan allows 200 or more; the rest is the account's other programs'."""


@dataclass(frozen=True, slots=True)
class VenueAnswer:
    """What the venue said to the question of this number. `why` is set where it said nothing, and holds no secret."""

    number: int
    rows: Mapping[str, VenueRow] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    what: Latest
    symbols: tuple[str, ...]
    number: int


class VenueRest(RestReader[_Question, VenueAnswer]):
    """The data of one feed at one address."""

    def __init__(
        self,
        url: str,
        feed: str,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        report: Callable[[VenueAnswer], None],
    ) -> None:
        """Opens nothing. Without `url` every question is answered by saying so."""
        super().__init__(url, ca_file, credentials, report, RequestBudget(BURST, PER_MINUTE))
        self._feed = feed

    def ask(self, what: Latest, symbols: tuple[str, ...], number: int) -> None:
        """Ask about at most 100 symbols; the answer is reported with this number."""
        self.put(_Question(what, symbols, number))

    def _read(self, question: _Question, connection: RestConnection) -> VenueAnswer:
        path = make_path(question.what, question.symbols, self._feed)
        rows = read_rows(question.what, connection.get(path, within_s=self.within_s))
        log.debug("asked the venue for %s of %d symbols: %d rows", question.what, len(question.symbols), len(rows))
        return VenueAnswer(question.number, rows)

    def _fail(self, question: _Question, why: str) -> VenueAnswer:
        return VenueAnswer(question.number, why=why)
