"""Requests to a gateway off the deciding thread. Every one gets an answer by its deadline, `Unknown` if need be."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Protocol

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.process.order_budget import RequestClass
from quotebus.execution_adapter.gateways.base import Gateway, ask
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    Answer,
    CancelOrder,
    Command,
    QueryClock,
    QueryPosition,
    Refused,
    Request,
    SubmitOrder,
    Unknown,
    Until,
)

THREADS = 8
BOUND = 1_000
DEADLINE_NS = 15 * NS_PER_S
"""Far beyond the gateway's own deadlines: for one that hangs all the same."""
WAITS_NS = 120 * NS_PER_S
"""How long any other request may: longer than a broker is believed that says to come back later."""
FRESH_NS = NS_PER_S
"""How long an order may wait for the budget."""
LOOK_AGAIN_NS = 250 * NS_PER_MS
"""Another program may have given the budget's rest back by then, or the hold may be over."""
_log = logging.getLogger(__name__)


class Budget(Protocol):
    """What is taken before requests are made."""

    def take(self, wanted: RequestClass) -> int:
        """Take one request: how many ns it has to wait, 0 when it may be made now."""

    def left(self) -> int:
        """How many requests other than cancels may be made now."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that the budget has not let go yet."""

    number: int
    since_ns: int


class Dispatch:
    """`send` returns at once; `answers` returns what has arrived. An answer later than its deadline still counts.

    What the budget does not let go now waits, cancels before everything else. An order waits for a second at most: its
    price is decided anew then.
    """

    def __init__(
        self,
        gateway: Gateway,
        threads: int = THREADS,
        deadline_ns: int = DEADLINE_NS,
        budget: Budget | None = None,
    ) -> None:
        self._gateway = gateway
        self._deadline_ns = deadline_ns
        self._budget = budget
        self._requests: Queue[tuple[int, Command]] = Queue(BOUND)
        self._answers: Queue[tuple[int, Answer]] = Queue()  # at most one for each request
        self._due: dict[int, tuple[int, str]] = {}
        self._cancels: dict[Command, _Waiting] = {}
        self._others: dict[Command, _Waiting] = {}
        self._go_ns = {RequestClass.CANCEL: 0, RequestClass.ORDER: 0}
        self._number = 0
        self.sent = self.held = 0
        for index in range(threads):
            threading.Thread(target=self._run, name=f"gateway-{index}", daemon=True).start()

    def send(self, command: Command) -> None:
        """Queue a request. One that finds no room is answered as Unknown; one that waits already is not doubled."""
        lane = self._cancels if isinstance(command, CancelOrder) else self._others
        if command in lane:
            return
        self._number += 1
        self._due[self._number] = (now_ns() + WAITS_NS, _name(command))
        if len(lane) >= BOUND:
            self._answers.put((self._number, Unknown(_name(command), "too many requests pending")))
            return
        lane[command] = _Waiting(self._number, now_ns())
        self._let_go()
        self.held += command in lane

    def room(self) -> int:
        """How many requests other than cancels would be made at once."""
        if self._budget is None:
            return BOUND
        return max(0, self._budget.left() - len(self._others) - len(self._cancels))

    def answers(self) -> list[Answer]:
        """The answers that have arrived, and Unknown for each request past its deadline."""
        self._let_go()
        now, found = now_ns(), self._withdraw()
        while True:
            try:
                number, answer = self._answers.get_nowait()
            except Empty:
                break
            self._due.pop(number, None)
            found.append(answer)
        late = [number for number, (due_ns, _) in self._due.items() if now >= due_ns]
        for lane in (self._cancels, self._others) if late else ():
            for command in [c for c, waiting in lane.items() if waiting.number in late]:
                del lane[command]
        return found + [Unknown(self._due.pop(number)[1], "no answer in time") for number in late]

    def _let_go(self) -> None:
        """Hand over what the budget allows, the oldest first."""
        for wanted, lane in ((RequestClass.CANCEL, self._cancels), (RequestClass.ORDER, self._others)):
            now = now_ns()
            if not lane or now < self._go_ns[wanted]:
                continue
            for command, waiting in list(lane.items()):
                wait_ns = self._budget.take(wanted) if self._budget is not None else 0
                if wait_ns:
                    self._go_ns[wanted] = now + min(wait_ns, LOOK_AGAIN_NS)
                    break
                del lane[command]
                self.sent += 1
                self._hand_over(waiting.number, command)

    def _hand_over(self, number: int, command: Command) -> None:
        self._due[number] = (now_ns() + self._deadline_ns, _name(command))
        try:
            self._requests.put_nowait((number, command))
        except Full:
            self._answers.put((number, Unknown(_name(command), "too many requests pending")))

    def _withdraw(self) -> list[Answer]:
        """Orders whose price is too old by now: they were not sent, and are decided anew."""
        now = now_ns()
        found: list[Answer] = []
        for command, waiting in list(self._others.items()):
            if isinstance(command, SubmitOrder) and now - waiting.since_ns >= FRESH_NS:
                del self._others[command], self._due[waiting.number]
                name = command.order.client_order_id
                why = "the budget of requests is used up"
                found.append(Refused(name, Request.PLACE, why, until=Until.TIME, wait_ns=0))  # it keeps its turn
        return found

    @property
    def cancels_waiting(self) -> int:
        """How many cancels wait for the budget."""
        return len(self._cancels)

    @property
    def under_way(self) -> int:
        return len(self._due)

    def _run(self) -> None:
        while True:
            number, command = self._requests.get()
            _log.debug("request %d: %s", number, command)
            answer = ask(self._gateway, command)
            if isinstance(answer, Unknown):
                _log.warning("%s: %s", answer.client_order_id, answer.reason)
            else:
                _log.debug("answer %d: %s", number, answer)
            self._answers.put((number, answer))


def _name(command: Command) -> str:
    """The id its answer will carry."""
    if isinstance(command, SubmitOrder):
        return command.order.client_order_id
    if isinstance(command, QueryClock):
        return CLOCK
    return command.request_id if isinstance(command, QueryPosition) else command.client_order_id
