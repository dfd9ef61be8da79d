"""Defects put into the worker around its orders: its identities, journals, answers, budget, exit status.

Those of the machine that works one order are in `mutants`. Each of these names the kind of fault that it is one of, and
the troubles under which a life must show it.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from quotebus.execution_adapter.gateways import base, simulator
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.intents_at_work import IntentsAtWork
from quotebus.execution_adapter.orders import asked_intent
from quotebus.execution_adapter.orders.asked_intent import AskedIntent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.deferral import Deferral
from quotebus.execution_adapter.orders.intent_ends import IntentEnds
from quotebus.execution_adapter.orders.intent_progress import IntentProgress
from quotebus.execution_adapter.orders.journal import Journal
from quotebus.execution_adapter.orders.journal_entries import JournalEnd
from quotebus.execution_adapter.orders.order import Refused, Report, Request
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.request_pace import RequestPace
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.settling_order import SettlingOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from tests.execution_adapter import lives


@dataclass(frozen=True)
class Planted:
    """One defect. `changes` are (where, name, what stands there instead)."""

    name: str
    row: str
    troubles: tuple[str, ...]
    changes: Collection[tuple[Any, str, Any]]

    @property
    def shows_soon(self) -> bool:
        """Whether the first few lives show it."""
        return self.name not in _RARE

    def plant(self) -> ExitStack:
        """The defect is there until the stack is closed."""
        stack = ExitStack()
        for where, name, instead in self.changes:
            stack.enter_context(mock.patch.object(where, name, instead))
        return stack


_intent_id, _take, _submit = Intent.intent_id, ChildOrder.take, simulator.SimulatorGateway.submit_order
_entries, _restore, _read_error = Journal.entries, ParentOrder.restore, base.read_error
_find_outcome, _deferral_take = IntentProgress.find_outcome, Deferral.take


def _of_the_day(intent: Intent, account: str) -> str:
    return _intent_id(intent, f"{account}|{lives.current_day()}")


def _taken_is_refused(gateway: Any, order: Any) -> Any:
    answer = _submit(gateway, order)
    if type(answer).__name__ != "Exists":
        return answer
    return Refused(order.client_order_id, Request.PLACE, answer.reason, final=True)


def _later_is_never(client_order_id: str, request: Request, status: int, *rest: Any) -> Any:
    answer = _read_error(client_order_id, request, status, *rest)
    return replace(answer, final=True) if isinstance(answer, Refused) else answer


def _server_error_is_refused(client_order_id: str, request: Request, status: int, *rest: Any) -> Any:
    answer = _read_error(client_order_id, request, status, *rest)
    return answer if isinstance(answer, Refused) else Refused(client_order_id, request, f"http {status}", final=True)


def _waits_a_day(deferral: Deferral, refused: Refused, pause_ns: int, now_ns: int) -> None:
    _deferral_take(deferral, refused, pause_ns, now_ns)
    deferral._due_ns = now_ns + 10**15


def _says_and_goes_on(worker: IntentsAtWork, intent_id: str, intent: str, why: str) -> None:
    worker._say(f"{intent}: not worked: {why} ({intent_id})")


def _does_not_settle(worker: IntentsAtWork, head: Any, intent_id: str, journal: Any, why: str, now_ns: int) -> None:
    worker._say(f"{head.intent}: not worked: {why} ({intent_id})")
    if journal is not None:
        journal.close()


def _done_is_filled(worker: IntentsAtWork, head: Any, intent_id: str, end: JournalEnd, now_ns: int) -> None:
    worker._note_ended(intent_id, str(head.intent), replace(end, outcome=Outcome.FILLED))


def _done_is_what_was_written(worker: IntentsAtWork, head: Any, intent_id: str, end: JournalEnd, now_ns: int) -> None:
    worker._note_ended(intent_id, str(head.intent), end)


def _judge_by_the_worked(ends: IntentEnds, parents: Collection[ParentOrder]) -> int:
    return 0 if all(parent.find_outcome() is Outcome.FILLED for parent in parents) else 3


def _falls_with_its_journal(parent: ParentOrder, why: str, now_ns: int) -> list[Any]:
    raise OSError(28, why)


def _goes_on_without_a_record(parent: ParentOrder, why: str, now_ns: int) -> list[Any]:
    return []


def _falls_with_one(worker: IntentsAtWork, head: Any, intent_id: str, journal: Any, why: str, now_ns: int) -> None:
    raise OSError(21, why)


def _believes_the_fill(intent: AskedIntent, child: ChildOrder, report: Report, now_ns: int) -> list[Any]:
    child.status, child.proven = report.status, True
    if intent.state is State.DONE:
        intent.outcome = intent.find_outcome()
        return []
    return intent._on_final(report, now_ns)


def _stream_counts_after_the_end(child: ChildOrder, report: Report) -> int:
    if child.proven and report.filled is not None and report.filled > child.filled:
        child.filled = report.filled
    return _take(child, report)


def _asks_no_more(*_: Any) -> list[Any]:
    return []


def _does_not_follow(parent: ParentOrder, child: ChildOrder, report: Report, now_ns: int) -> list[Any]:
    child.proven = True
    return parent._on_final(report, now_ns)


def _keeps_half_lines(journal: Journal) -> list[Any]:
    with mock.patch("os.ftruncate"):
        return _entries(journal)


def _forgets_when_it_returned(parent: ParentOrder, children: list[ChildOrder], now_ns: int) -> list[Any]:
    commands = _restore(parent, children, now_ns)
    parent._restored_ns = parent.start_ns
    return commands


def _partly_is_filled(intent: IntentProgress) -> Outcome:
    outcome = _find_outcome(intent)
    return Outcome.FILLED if outcome is Outcome.PARTLY else outcome


def _open_is_unfilled(intent: IntentProgress) -> Outcome:
    outcome = _find_outcome(intent)
    return Outcome.PARTLY if outcome is Outcome.UNRESOLVED else outcome


def _lost_at_once(parent: ParentOrder, why: str, now_ns: int) -> list[Any]:
    return parent._finish(why, now_ns)


def _settles_by_leaving(order: SettlingOrder, assessment: Any, now_ns: int) -> list[Any]:
    return order._finish("its journal is damaged", now_ns)


def _not_found_is_not_there(parent: ParentOrder, child: ChildOrder, now_ns: int) -> list[Any]:
    child.not_found += 1
    if parent.state is State.LOOKING_UP:
        if child.elsewhere:
            return parent._on_no_next(now_ns)
        child.proven = True
        parent._enter(State.WAITING, "not found", now_ns)
    return []


def _always(value: object) -> property:
    return property(lambda _: value)


_RARE = frozenset({"TakenIdIsRefused", "ServerErrorIsRefused", "DamagedIsFine", "DamagedIsLeftOpen", "OpenIsUnfilled",
                   "NamesNoOrder", "StreamHasTheLastWord", "SizesWithoutHistory", "LostIsGone", "KeepsHalfLines",
                   "GivesUpAtOnce", "AsksEachSecond"})  # fmt: skip
GATEWAY = simulator.SimulatorGateway
_LAST_WORD = (
    (ChildOrder, "take", _stream_counts_after_the_end),
    (AskedIntent, "_on_word_after_end", _asks_no_more),
)
PLANTED: tuple[Planted, ...] = (
    Planted("TakenIdIsRefused", "C1", ("lost_and_hidden",), [(GATEWAY, "submit_order", _taken_is_refused)]),
    Planted("NotFoundIsAbsent", "C1", ("lost_and_hidden",), [(ParentOrder, "_on_not_found", _not_found_is_not_there)]),
    Planted("LaterIsNever", "C2", ("refused_for_now",), [(simulator, "read_error", _later_is_never)]),
    Planted("ServerErrorIsRefused", "C2", ("server_errors",), [(simulator, "read_error", _server_error_is_refused)]),
    Planted("WaitsTooLong", "C2", ("refused_for_now",), [(Deferral, "take", _waits_a_day)]),
    Planted("AsksEachSecond", "C3", ("resting",), [(RequestPace, "ask_every_ns", lambda *_, **__: 1)]),
    Planted("IdentityOfTheDay", "C4", ("given_again", "midnight"), [(Intent, "intent_id", _of_the_day)]),
    Planted("AnotherWorkerIsFine", "C5", ("another_worker",), [(IntentsAtWork, "_leave", _says_and_goes_on)]),
    Planted("DamagedIsFine", "C5", ("damaged",), [(IntentsAtWork, "_settle_damaged", _does_not_settle)]),
    Planted("DamagedIsLeftOpen", "C5", ("damaged",), [(SettlingOrder, "_decide", _settles_by_leaving)]),
    Planted("DoneIsFilled", "C5", ("halted", "rejected"), [(IntentsAtWork, "_check", _done_is_filled)]),
    Planted("DoneIsWhatWasWritten", "C5", ("given_again",), [(IntentsAtWork, "_check", _done_is_what_was_written)]),
    Planted("OnlyTheWorkedCount", "C5", ("another_worker",), [(IntentEnds, "judge", _judge_by_the_worked)]),
    Planted("PartlyIsFilled", "C5", ("storm", "rejected"), [(IntentProgress, "find_outcome", _partly_is_filled)]),
    Planted("OpenIsUnfilled", "C5", ("stopped", "two_hosts"), [(IntentProgress, "find_outcome", _open_is_unfilled)]),
    Planted("NamesNoOrder", "C5", ("stopped", "two_hosts"), [(IntentProgress, "list_doubtful", lambda _: [])]),
    Planted("FallsWithOneJournal", "C6", ("full_disk",), [(ParentOrder, "on_unrecorded", _falls_with_its_journal)]),
    Planted("GoesOnUnrecorded", "C6", ("full_disk",), [(ParentOrder, "on_unrecorded", _goes_on_without_a_record)]),
    Planted("FallsAtTheStart", "C6", ("unopenable",), [(IntentsAtWork, "_settle_damaged", _falls_with_one)]),
    Planted("BelievesTheFill", "C7", ("false_fill",), [(AskedIntent, "_on_end", _believes_the_fill)]),
    Planted("StreamHasTheLastWord", "C7", ("false_fill",), _LAST_WORD),
    Planted("DeafToBusts", "C7", ("busted",), [(asked_intent, "REVISIONS", frozenset())]),
    Planted("SuccessorIsForgotten", "C9", ("replaced",), [(ParentOrder, "_follow", _does_not_follow)]),
    Planted("VersionTwice", "C10", ("calm",), [(simulator, "strip_version", lambda url: url)]),
    Planted("KnowsNoOtherHost", "", ("two_hosts", "given_again"), [(AskedIntent, "_is_last", _always(True))]),
    Planted("SizesWithoutHistory", "", ("lost_journals", "damaged"), [(SellAllOrder, "_is_last", _always(True))]),
    Planted("LostIsGone", "", ("storm", "lost_late"), [(ParentOrder, "_end", _lost_at_once)]),
    Planted("KeepsHalfLines", "", ("killed",), [(Journal, "entries", _keeps_half_lines)]),
    Planted("GivesUpAtOnce", "", ("long_away",), [(ParentOrder, "restore", _forgets_when_it_returned)]),
)  # fmt: skip


def caught_in_a_life(planted: Planted, times: int) -> str | None:
    """How lives under its troubles show a defect; None when `times` lives do not."""
    from tests.execution_adapter.troubles import TROUBLES

    troubles = [trouble for trouble in TROUBLES if trouble.name in planted.troubles]
    with planted.plant():
        for seed in range(times):
            size = lives.SIZES[seed // len(troubles) % len(lives.SIZES)]
            try:
                lives.live(seed, troubles[seed % len(troubles)], size)
            except lives.Wrong as error:
                return str(error)
    return None
