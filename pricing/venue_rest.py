"""Reads the venue's REST data in a thread of its own, which lives only while there is something to read.

One request at a time, each bounded in time and size, all within a budget of its own: the venue counts requests for data
and for orders apart. Whatever comes back, or does not, is reported; nothing here ends the node.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from quotebus.bus.clock import now_ns, utc_ns
from quotebus.pricing.request_budget import RequestBudget, read_wait_ns
from quotebus.pricing.rest_connection import RestConnection, RestFailed
from quotebus.pricing.venue_answers import Latest, VenueRow, make_path, read_rows

log = logging.getLogger(__name__)
TIMEOUT_S = 2.0
WITHIN_S = 4.0
MAX_BODY_BYTES = 4 << 20
MOST_WAITING = 4
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


class VenueRest:
    """The data of one feed at one address. `report` is called from the reading thread, or from the caller's."""

    def __init__(
        self,
        url: str,
        feed: str,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        report: Callable[[VenueAnswer], None],
    ) -> None:
        """Opens nothing. Without `url` every question is answered by saying so."""
        self._url = url
        self._feed = feed
        self._ca_file = ca_file
        self._credentials = credentials
        self._report = report
        self._budget = RequestBudget(BURST, PER_MINUTE)
        self._questions: deque[_Question] = deque()
        self._lock = threading.Lock()
        self._reading = False
        self._connection: RestConnection | None = None
        self.requests = 0

    def ask(self, what: Latest, symbols: tuple[str, ...], number: int) -> None:
        """Ask about at most 100 symbols; the answer is reported with this number."""
        refused = self._refuse()
        if refused:
            self._report(VenueAnswer(number, why=refused))
            return
        with self._lock:
            self._questions.append(_Question(what, symbols, number))
            start, self._reading = not self._reading, True
        if start:
            threading.Thread(target=self._run, name="venue-rest", daemon=True).start()

    def abandon(self) -> None:
        """Forget what waits, and make the request that is under way fail soon."""
        self._questions.clear()
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _refuse(self) -> str:
        if not self._url:
            return "no address of the venue's REST data"
        if len(self._questions) >= MOST_WAITING:
            return "too many questions wait"
        return "" if self._budget.take(now_ns()) else "the budget of requests is used up"

    def _run(self) -> None:
        while (question := self._next()) is not None:
            answer = VenueAnswer(question.number, why="the read ended unexpectedly")
            try:
                answer = self._answer(question)
            finally:
                self._report(answer)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _next(self) -> _Question | None:
        """The next question; with none left the thread has ended for everybody else."""
        with self._lock:
            if self._questions:
                return self._questions.popleft()
            self._reading = False
            return None

    def _answer(self, question: _Question) -> VenueAnswer:
        path = make_path(question.what, question.symbols, self._feed)
        self.requests += 1
        try:
            if self._connection is None:
                self._connection = self._connect()
            rows = read_rows(question.what, self._connection.get(path, within_s=WITHIN_S))
        except RestFailed as failed:
            if failed.status == http.client.TOO_MANY_REQUESTS:
                self._budget.hold(read_wait_ns(failed.headers, utc_ns()), now_ns())
            return self._fail(question, str(failed))
        except (http.client.HTTPException, OSError, ValueError) as error:
            return self._fail(question, type(error).__name__)
        log.debug("asked the venue for %s of %d symbols: %d rows", question.what, len(question.symbols), len(rows))
        return VenueAnswer(question.number, rows)

    def _connect(self) -> RestConnection:
        return RestConnection(
            self._url, self._ca_file, self._credentials, timeout_s=TIMEOUT_S, max_body_bytes=MAX_BODY_BYTES
        )

    def _fail(self, question: _Question, why: str) -> VenueAnswer:
        """No answer; the connection may be in the middle of one, so the next question gets another."""
        if self._connection is not None:
            self._connection.close()
        return VenueAnswer(question.number, why=why)
