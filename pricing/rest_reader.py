"""Reads REST answers in a thread of its own, which lives only while there is something to read.

One request at a time, each bounded in time and size, all within a budget: a venue counts requests for data and for
orders apart. Whatever comes back, or does not, is reported; nothing here ends the node.
"""

from __future__ import annotations

import http.client
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from quotebus.bus.clock import now_ns, utc_ns
from quotebus.pricing.rest_connection import RestConnection, RestFailed

TIMEOUT_S = 2.0
MOST_WAITING = 4

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")


class ReadingBudget(Protocol):
    """What is taken before a request is made, and what watches the answers."""

    def take(self, now_ns: int, /) -> bool:
        """Whether a request may be made now; it is counted then."""

    def watch(self, status: int, headers: Mapping[str, str], now_ns: int, utc_ns: int, /) -> None:
        """Take the venue's word from status and headers of an answer, names in small letters."""


class RestReader(ABC, Generic[QuestionT, AnswerT]):
    """Questions to one address. `report` is called from the reading thread, or from the caller's."""

    within_s = 4.0
    """For one whole answer."""
    max_body_bytes = 4 << 20

    def __init__(
        self,
        url: str,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        report: Callable[[AnswerT], None],
        budget: ReadingBudget,
    ) -> None:
        """Opens nothing. Without `url` every question is answered by saying so."""
        self.url = url
        self._ca_file = ca_file
        self._credentials = credentials
        self._report = report
        self._budget = budget
        self._questions: deque[QuestionT] = deque()
        self._lock = threading.Lock()
        self._reading = False
        self._connection: RestConnection | None = None
        self.requests = 0

    @abstractmethod
    def _read(self, question: QuestionT, connection: RestConnection) -> AnswerT:
        """Ask one question. Raises RestFailed, OSError, HTTPException or ValueError."""

    @abstractmethod
    def _fail(self, question: QuestionT, why: str) -> AnswerT:
        """What to report where there is no answer; `why` holds no secret."""

    def put(self, question: QuestionT) -> None:
        """Ask soon, or say at once why not."""
        refused = self._refuse()
        if refused:
            self._report(self._fail(question, refused))
            return
        with self._lock:
            self._questions.append(question)
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
        if not self.url:
            return "no address of the venue's REST data"
        if len(self._questions) >= MOST_WAITING:
            return "too many questions wait"
        return "" if self._may_ask() else "the budget of requests is used up"

    def _may_ask(self) -> bool:
        return self._budget.take(now_ns())

    def _watch(self, status: int, headers: Mapping[str, str]) -> None:
        self._budget.watch(status, headers, now_ns(), utc_ns())

    def _run(self) -> None:
        ended = False
        try:
            self._read_all()
            ended = True
        finally:
            if not ended:  # by an error of ours: the next question gets a thread of its own
                with self._lock:
                    self._reading = False

    def _read_all(self) -> None:
        while (question := self._next()) is not None:
            answer = self._fail(question, "the read ended unexpectedly")
            try:
                answer = self._answer(question)
            finally:
                self._report(answer)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _next(self) -> QuestionT | None:
        """The next question; with none left the thread has ended for everybody else."""
        with self._lock:
            if self._questions:
                return self._questions.popleft()
            self._reading = False
            return None

    def _answer(self, question: QuestionT) -> AnswerT:
        self.requests += 1
        try:
            if self._connection is None:
                self._connection = RestConnection(
                    self.url,
                    self._ca_file,
                    self._credentials,
                    timeout_s=TIMEOUT_S,
                    max_body_bytes=self.max_body_bytes,
                    watch=self._watch,
                )
            return self._read(question, self._connection)
        except RestFailed as failed:
            why = str(failed)
        except (http.client.HTTPException, OSError, ValueError) as error:
            why = type(error).__name__
        if self._connection is not None:  # it may be in the middle of an answer: the next question gets another
            self._connection.close()
        return self._fail(question, why)
