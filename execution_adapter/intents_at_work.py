"""The intents of one worker, from their journals to the exit status. Without bus, threads and sockets.

What happened is handed in with its time; what is to be asked of the broker goes out through `send`, and lines for
people through `say`. `OrderWorker` is the loop around it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice

from quotebus.bus.book import HaltKnowledge, Reasons, Verdict
from quotebus.execution_adapter.decision.assessment import Assessment, Grade, Past
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.journal_folder import find_paths, set_aside
from quotebus.execution_adapter.orders.order import Answer
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import State
from quotebus.execution_adapter.orders.worked_intent import WorkedIntent
from quotebus.execution_adapter.taken_intents import TakenIntents

SWEPT_AT_ONCE = 20
"""Old journals looked at in one turn, so that there may be many of them."""
NO_PRICE = Assessment(
    Grade.REFUSE, (), Verdict("?", Reasons(), None, None, None, HaltKnowledge.UNKNOWN, None), None, Past()
)
"""For an intent whose symbol nobody knows."""
Assess = Callable[[Intent, int], Assessment]
_log = logging.getLogger(__name__)


class IntentsAtWork(TakenIntents):
    """What was taken on, while it is worked."""

    # what happens

    def stop(self, now_ns: int) -> None:
        """Cancel what is open and order nothing more."""
        for worked in self._worked.values():
            self._execute(worked, worked.parent.stop(now_ns), now_ns)

    def on_answer(self, answer: Answer, now_ns: int) -> None:
        """Take an answer of the broker or an order update."""
        if self._clock.take(answer, now_ns):
            return
        for worked in self._worked.values():
            self._execute(worked, worked.parent.on_answer(answer, now_ns), now_ns)

    def reconcile(self, now_ns: int) -> None:
        """Order updates may have been missed: ask for every open order."""
        for worked in self._worked.values():
            self._execute(worked, worked.parent.on_gap(now_ns), now_ns)

    def advance(
        self,
        assess: Assess,
        publish: Callable[[ParentOrder], None],
        clock: Callable[[], int],
        *,
        stream_proven: bool,
    ) -> None:
        """Time has passed: decide for each intent, publish what was decided, and send it. Tells of progress."""
        resting = sum(worked.parent.state is State.RESTING for worked in self._worked.values())
        power = [worked.parent.intent_id for worked in self._worked.values() if worked.parent.affects_power]
        self.pace.begin_turn(clock(), resting, frozenset(power))
        for worked in self._worked.values():
            parent, now_ns = worked.parent, clock()
            if not worked.is_done:
                parent.broker, parent.pace = self._clock.find(now_ns), self.pace
                assessment = assess(parent.intent, now_ns) if parent.needs_price else NO_PRICE
                commands = parent.advance(assessment, now_ns, stream_proven=stream_proven)
                if parent.asks_for_the_clock:
                    for question in self._clock.ask(now_ns):
                        self._send(question)
                publish(parent)
                self._execute(worked, commands, now_ns)
            self._tell_progress(worked, now_ns)
            self.reports.note(parent, now_ns)

    def tidy(self) -> None:
        """Do a little of what is to be done about old journals."""
        try:
            for _ in islice(self._sweep, SWEPT_AT_ONCE):
                pass
        except OSError as error:
            _log.warning("EXECUTION_JOURNAL_DIR: %s: %s", error.filename, error.strerror)

    def report(self, now_ns: int) -> list[str]:
        """The summary."""
        return self.ends.report([worked.parent for worked in self._worked.values()], now_ns)

    def exit_status(self) -> int:
        """0 when by the broker's books all are filled, 4 when the fate of an order is open, else 3."""
        return self.ends.judge([worked.parent for worked in self._worked.values()])

    def _tell_progress(self, worked: WorkedIntent, now_ns: int) -> None:
        line = worked.take_progress(now_ns)
        if line is None:
            return
        self._say(line)
        if worked.is_done:
            try:
                worked.record_end()
                if worked.is_settled:
                    set_aside(self._folder, worked.parent.intent_id)
                elif worked.is_damaged:
                    path, ended = find_paths(self._folder, worked.parent.intent_id)
                    self._say(f"once its orders are known to be over: mv {path} {ended}")
            except OSError as error:
                _log.error("%s: its end is not in its journal: %s", worked.parent.intent, error.strerror)
