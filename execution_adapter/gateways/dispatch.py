"""Requests to a gateway off the deciding thread. Every one gets an answer by its deadline, `Unknown` if need be."""

from __future__ import annotations

import logging
import threading
from queue import Empty, Full, Queue

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.execution_adapter.gateways.base import Gateway
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    Answer,
    CancelOrder,
    Command,
    QueryClock,
    QueryPosition,
    SubmitOrder,
    Unknown,
)

THREADS = 8
BOUND = 1_000
DEADLINE_NS = 15 * NS_PER_S
"""Far beyond the gateway's own deadlines: for one that hangs all the same."""
_log = logging.getLogger(__name__)


class Dispatch:
    """`send` returns at once; `answers` returns what has arrived. An answer later than its deadline still counts."""

    def __init__(self, gateway: Gateway, threads: int = THREADS, deadline_ns: int = DEADLINE_NS) -> None:
        self._gateway = gateway
        self._deadline_ns = deadline_ns
        self._requests: Queue[tuple[int, Command]] = Queue(BOUND)
        self._answers: Queue[tuple[int, Answer]] = Queue()  # at most one for each request
        self._due: dict[int, tuple[int, str]] = {}
        self._number = 0
        for index in range(threads):
            threading.Thread(target=self._run, name=f"gateway-{index}", daemon=True).start()

    def send(self, command: Command) -> None:
        """Queue a request. One that finds no room is answered as Unknown."""
        self._number += 1
        name = _name(command)
        self._due[self._number] = (now_ns() + self._deadline_ns, name)
        try:
            self._requests.put_nowait((self._number, command))
        except Full:
            self._answers.put((self._number, Unknown(name, "too many requests pending")))

    def answers(self) -> list[Answer]:
        """The answers that have arrived, and Unknown for each request past its deadline."""
        found: list[Answer] = []
        while True:
            try:
                number, answer = self._answers.get_nowait()
            except Empty:
                break
            self._due.pop(number, None)
            found.append(answer)
        now = now_ns()
        late = [number for number, (due_ns, _) in self._due.items() if now >= due_ns]
        return found + [Unknown(self._due.pop(number)[1], "no answer in time") for number in late]

    @property
    def under_way(self) -> int:
        return len(self._due)

    def _run(self) -> None:
        while True:
            number, command = self._requests.get()
            _log.debug("request %d: %s", number, command)
            answer = self._ask(command)
            if isinstance(answer, Unknown):
                _log.warning("%s: %s", answer.client_order_id, answer.reason)
            else:
                _log.debug("answer %d: %s", number, answer)
            self._answers.put((number, answer))

    def _ask(self, command: Command) -> Answer:
        if isinstance(command, SubmitOrder):
            return self._gateway.submit_order(command.order)
        if isinstance(command, CancelOrder):
            return self._gateway.cancel_order(command.client_order_id, command.order_id)
        if isinstance(command, QueryPosition):
            return self._gateway.query_position(command.request_id, command.symbol)
        if isinstance(command, QueryClock):
            return self._gateway.query_clock()
        if command.order_id:
            return self._gateway.query_order(command.client_order_id, command.order_id)
        return self._gateway.query_order(command.client_order_id)


def _name(command: Command) -> str:
    """The id its answer will carry."""
    if isinstance(command, SubmitOrder):
        return command.order.client_order_id
    if isinstance(command, QueryClock):
        return CLOCK
    return command.request_id if isinstance(command, QueryPosition) else command.client_order_id
