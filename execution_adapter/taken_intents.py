"""Which intents a worker takes on: those of its settings and of the bus, each by its journal. Without bus and threads.

A journal that cannot be read, or opened, orders nothing more: the broker is asked how its orders ended, by their ids.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from quotebus.bus.errors import ConfigError
from quotebus.bus.events import TradeIntent
from quotebus.bus.topics import REPLAYED
from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.intents import SIDES, Intent, from_event, read_wish
from quotebus.execution_adapter.orders.broker_clock import BrokerClock
from quotebus.execution_adapter.orders.intent_ends import IntentEnds
from quotebus.execution_adapter.orders.intent_reports import IntentReports
from quotebus.execution_adapter.orders.journal import Journal
from quotebus.execution_adapter.orders.journal_entries import (
    Entry,
    JournalDamaged,
    JournalEnd,
    JournalHead,
    read_arrival,
    read_children,
    read_doubt,
    read_end,
    read_head,
    read_size,
)
from quotebus.execution_adapter.orders.journal_folder import (
    JournalsFound,
    find_end,
    find_journals,
    find_last_orders,
    read_journal,
    sweep_journals,
)
from quotebus.execution_adapter.orders.order import Command, SubmitOrder
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.request_pace import RequestPace
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.settling_order import CheckingOrder, SettlingOrder, UnreadOrder
from quotebus.execution_adapter.orders.states import Outcome
from quotebus.execution_adapter.orders.summary import IntentEnd
from quotebus.execution_adapter.orders.worked_intent import WorkedIntent
from quotebus.execution_adapter.settings import MAX_INTENTS, ExecutionSettings

MAX_ENDED = 200
"""Ended intents that still take late reports; the summary only counts those before them."""
SWEPT_AT_ONCE = 20
"""Old journals looked at in one turn, so that there may be many of them."""
OTHER_WORKER = "another worker is already working on it"
Assess = Callable[[Intent, int], Assessment]
Send = Callable[[Command], None]
Say = Callable[[str], None]
_log = logging.getLogger(__name__)


class TakenIntents:
    """Every intent of a worker by its id. Times are on the worker's clock; `utc_ns` is the same instant in UTC."""

    def __init__(self, settings: ExecutionSettings, send: Send, say: Say) -> None:
        self._settings, self._send, self._say = settings, send, say
        self._tactics, self._policies = settings.tactics(), settings.policies()
        self._folder = settings.execution_journal_dir
        self._clock = BrokerClock(has_broker=settings.gateway != "none")
        self.pace = RequestPace()
        self._worked: dict[str, WorkedIntent] = {}
        self.ends = IntentEnds()
        self.reports = IntentReports(settings.execution_client, settings.account)
        self._sources = frozenset(filter(None, settings.execution_intents_from.split(",")))
        self._found = JournalsFound()
        self._sweep: Iterator[None] = iter(())

    @property
    def symbols(self) -> list[str]:
        parents = [worked.parent for worked in self._worked.values() if worked.parent.needs_price]
        return list(dict.fromkeys(parent.intent.symbol for parent in parents))

    @property
    def is_done(self) -> bool:
        return all(worked.is_done for worked in self._worked.values())

    @property
    def count(self) -> int:
        return len(self._worked)

    def close(self) -> None:
        """Release the journals."""
        for worked in self._worked.values():
            worked.close()

    # taking on

    def begin(self, now_ns: int, utc_ns: int) -> None:
        """Take on the intents of the settings, and those of the bus that were not finished.

        Raises ConfigError when no journal can be opened at all, ValueError and OSError for the intents' file.
        """
        account = self._settings.account
        found = self._found = find_journals(self._folder, account)
        self._sweep = sweep_journals(self._folder, found.ended, utc_ns, self._settings.execution_journal_keep_days)
        typed = {head.intent: intent_id for intent_id, head in found.unfinished.items() if head.intent_key == ("", "")}
        unopened: list[ConfigError] = []
        intents = self._settings.intents()
        for intent in intents:
            intent_id = typed.get(intent, intent.intent_id(account))
            head = JournalHead(intent, utc_ns, self._tactics.grace_ns, account)
            unopened += filter(None, [self._try_to_take_on(head, intent_id, now_ns, utc_ns)])
        if unopened and len(unopened) == len(intents):
            raise unopened[0]
        if not self._sources:
            return
        for intent_id, head in found.unfinished.items():
            if head.intent_key[0] in self._sources:
                self._try_to_take_on(head, intent_id, now_ns, utc_ns)
        for intent_id, why in found.damaged.items():
            if intent_id not in self.ends and intent_id not in self._worked:
                self._settle_unread(intent_id, f"its journal is damaged: {why}", now_ns)

    def take_on_event(self, event: TradeIntent, now_ns: int, utc_ns: int) -> None:
        """Take on an intent of the bus, unless it is known, too much or not for us."""
        if event.client not in self._sources or event.source.startswith(REPLAYED):
            return
        if event.side not in SIDES:
            self._decline(event, "side must be buy or sell")
            return
        digest = hashlib.sha256(f"{self._settings.account}|{event.client}|{event.intent_id}".encode()).hexdigest()[:12]
        if any(self._is_known(f"qb-{side}-{digest}", event, now_ns, utc_ns) for side in SIDES):
            return
        try:
            intent, grace_ns = from_event(event, utc_ns, self._tactics.grace_ns)
        except ValueError as error:
            self._decline(event, str(error))
            return
        if self._forget_oldest() >= MAX_INTENTS:
            self._decline(event, f"{MAX_INTENTS} intents are already being worked")
            return
        key = (event.client, event.intent_id)
        head = JournalHead(intent, utc_ns, grace_ns, self._settings.account, key)
        self._take_on_for(event, head, f"qb-{event.side}-{digest}", now_ns, utc_ns)

    def _is_known(self, intent_id: str, event: TradeIntent, now_ns: int, utc_ns: int) -> bool:
        """Whether it was taken on before, in whatever life: it is reported, or gone on with."""
        if intent_id in self._worked:
            parent = self._worked[intent_id].parent
            if isinstance(parent, UnreadOrder):
                with suppress(ValueError):
                    parent.recognize(read_wish(event), (event.client, event.intent_id))
            self.reports.ask(intent_id)
            return True
        try:
            entries = read_journal(self._folder, intent_id)
            if (end := read_end(entries)) is not None:
                if intent_id not in self.ends:
                    self._note_ended(intent_id, event.intent_id, end)
                self.reports.note_ended(entries, end)
                return True
            if (head := read_head(entries)) is not None:
                self._take_on_for(event, head, intent_id, now_ns, utc_ns)
                return True
        except JournalDamaged:
            return False  # it is told when it is opened
        if intent_id in self.ends:
            self._decline(event, "it has ended, and its journal was removed")
            return True
        return False

    def _take_on_for(self, event: TradeIntent, head: JournalHead, intent_id: str, now_ns: int, utc_ns: int) -> None:
        try:
            self._take_on(head, intent_id, now_ns, utc_ns)
        except ConfigError as error:  # of its journal: those that are being worked go on
            self._decline(event, str(error))
            return
        end = self.ends.find(intent_id)
        if end is not None and end.outcome is Outcome.UNRESOLVED and OTHER_WORKER not in end.why:
            self.reports.give_up(event, end)

    def _decline(self, event: TradeIntent, why: str) -> None:
        self._say(f"intent {event.intent_id} of {event.client}: not accepted: {why}")
        self.reports.decline(event, why)

    def _try_to_take_on(self, head: JournalHead, intent_id: str, now_ns: int, utc_ns: int) -> ConfigError | None:
        try:
            self._take_on(head, intent_id, now_ns, utc_ns)
        except ConfigError as error:
            self._leave(intent_id, str(head.intent), str(error))
            return error
        return None

    def _take_on(self, head: JournalHead, intent_id: str, now_ns: int, utc_ns: int) -> None:
        """Begin an intent, or go on with it where its journal ends, and then as it began. Raises ConfigError."""
        if intent_id in self._worked or intent_id in self.ends or self._has_ended(head, intent_id, now_ns):
            return
        try:
            journal = Journal(self._folder, intent_id)
        except ConfigError as error:
            if not os.path.lexists(self._folder / f"{intent_id}.jsonl"):
                raise
            self._settle_damaged(head, intent_id, None, str(error), now_ns)
            return
        try:
            if not journal.acquire():
                self._leave(intent_id, str(head.intent), OTHER_WORKER)
            elif self._has_ended(head, intent_id, now_ns):  # between the look and the lock
                journal.drop_empty()
            elif self._work(head, intent_id, journal, now_ns, utc_ns):
                return
        except OSError as error:
            journal.drop_empty()
            self._settle_damaged(head, intent_id, journal, f"{journal.path}: {error.strerror}", now_ns)
            return
        journal.close()

    def _has_ended(self, head: JournalHead, intent_id: str, now_ns: int) -> bool:
        try:
            end = find_end(self._folder, intent_id)
        except JournalDamaged as error:
            self._settle_damaged(head, intent_id, None, f"its journal is damaged: {error}", now_ns)
            return True
        if end is None:
            return False
        may_be_more = end.outcome in (Outcome.PARTLY, Outcome.UNFILLED) and not head.intent.exits
        if may_be_more and not head.intent_key[0] and self._settings.gateway != "none":
            self._check(head, intent_id, end, now_ns)
        else:
            self._note_ended(intent_id, str(head.intent), end)
        return True

    def _check(self, head: JournalHead, intent_id: str, end: JournalEnd, now_ns: int) -> None:
        """Ask the broker for the orders of an intent that ended unfilled here: another host may have gone on."""
        why = f"already done: {end.text}"
        self._say(f"{head.intent}: {why}; add id= to repeat it; asking the broker for its orders ({intent_id})")
        parent = CheckingOrder(head.intent, intent_id, now_ns, self._tactics, end)
        self._worked[intent_id] = WorkedIntent(parent, None, [])

    def _note_ended(self, intent_id: str, intent: str, end: JournalEnd) -> None:
        self._say(f"{intent}: already done: {end.text}; add id= to repeat it ({intent_id})")
        self.ends.add(intent_id, IntentEnd(intent, end.outcome, f"ended before, {end.text}", end.order_ids))

    def _leave(self, intent_id: str, intent: str, why: str) -> None:
        """Say of an intent that it is not worked here, and that what has become of it is open."""
        orders = find_last_orders(self._folder, intent_id)
        if self.ends.add(intent_id, IntentEnd(intent, Outcome.UNRESOLVED, f"not worked: {why}", tuple(orders))):
            self._say(f"{intent}: not worked: {why} ({intent_id})")

    def _work(self, head: JournalHead, intent_id: str, journal: Journal, now_ns: int, utc_ns: int) -> bool:
        """Work the intent by its journal, which is locked. False when there is nothing to work. Raises OSError."""
        entries: list[Entry] = []
        try:
            entries = journal.entries()
            asked, head = head, read_head(entries) or head
            if asked.intent_key != head.intent_key or (not head.intent_key[0] and asked.intent != head.intent):
                self._leave(intent_id, str(asked.intent), f"its journal is of another intent, {head.intent}")
                return False
            if (end := read_end(entries)) is not None:
                self._note_ended(intent_id, str(head.intent), end)
                with suppress(OSError):
                    journal.retire()
                return False
            children = read_children(entries)
            intent = replace(head.intent, qty=read_size(entries) or head.intent.qty)
            if any(not child.proven for child in children[:-1]):
                raise JournalDamaged("an order was placed before the previous one was final")
        except JournalDamaged as error:
            self._settle_damaged(head, intent_id, journal, f"its journal is damaged: {error}", now_ns)
            return True
        if not entries:
            journal.append(head.entry)
        self.ends.withdraw(intent_id)
        start_ns = min(now_ns, head.start_ns - (utc_ns - now_ns))
        tactics = replace(self._tactics, grace_ns=head.grace_ns).for_urgency(intent.urgency)
        parent = (SellAllOrder if intent.exits else ParentOrder)(intent, intent_id, start_ns, tactics, self._policies)
        parent.arrival_mid, parent.intent_key = read_arrival(entries), head.intent_key
        parent.doubt = read_doubt(entries)
        self._worked[intent_id] = worked = WorkedIntent(parent, journal, children)
        _log.debug("%s: taken on as %s, %d orders in its journal", intent, intent_id, len(children))
        if children:
            self._say(f"{intent}: resumed after {len(children)} orders")
            self._execute(worked, parent.restore(children, now_ns), now_ns)
        return True

    def _settle_damaged(
        self, head: JournalHead, intent_id: str, journal: Journal | None, why: str, now_ns: int
    ) -> None:
        parent = SettlingOrder(head.intent, intent_id, now_ns, self._tactics, why)
        parent.intent_key = head.intent_key
        self._settle(parent, journal)

    def _settle_unread(self, intent_id: str, why: str, now_ns: int) -> None:
        """Not even whose it is can be read; what is there in its place may be no file at all."""
        journal: Journal | None = None
        with suppress(ConfigError, OSError):
            journal = Journal(self._folder, intent_id)
            if not journal.acquire():
                journal.close()
                self._leave(intent_id, "an intent", OTHER_WORKER)
                return
        self._settle(UnreadOrder(intent_id, now_ns, self._tactics, why), journal)

    def _settle(self, parent: SettlingOrder, journal: Journal | None) -> None:
        """Order nothing more, and ask the broker how its orders ended."""
        name = parent.intent_id
        path = self._folder / f"{name}.jsonl"
        self._say(f"{parent.title}: nothing more is ordered: {parent.why}; asking the broker for its orders ({path})")
        self._worked[name] = WorkedIntent(parent, journal, [], damaged=True)

    def _forget_oldest(self) -> int:
        """Forget the oldest intents that have ended; how many have not."""
        ended = [intent_id for intent_id, worked in self._worked.items() if worked.is_done]
        active = len(self._worked) - len(ended)
        for intent_id in ended[: max(0, len(ended) - MAX_ENDED)]:
            worked = self._worked.pop(intent_id)
            worked.close()
            self.ends.forget(intent_id, worked.parent)
            self.reports.forget(intent_id)
        return active

    def _execute(self, worked: WorkedIntent, commands: list[Command], now_ns: int) -> None:
        for command in commands:
            if isinstance(command, SubmitOrder):
                try:
                    worked.record_order(command.order)
                except OSError as error:
                    _log.error("%s: not sent, its journal cannot be written: %s", command.order, error.strerror)
                    self._execute(worked, worked.parent.on_unrecorded(str(error.strerror), now_ns), now_ns)
                    return
            self._send(command)
