"""Lives of the worker under every trouble that its exit status must be right about, against the simulator's own broker.

    python -m tests.execution_adapter.lives --times 1000            # in this process, on a virtual clock
    python -m tests.execution_adapter.lives --first 17 --times 1    # one of them again

A life is a command given until it ends by itself: one, three or fourteen intents, from their journals on a real disk to
the exit status, and one trouble. The broker's books are the judge: exit 0 exactly when they say that all is filled;
afterwards no open order of ours, unless the exit status is 4 and the summary names it; nothing doubled or over-filled.
Only the troubles that keep the broker's word from the worker may end as 4 with all filled; they are marked `open_end`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from unittest import mock

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import QuotebusError
from quotebus.execution_adapter import taken_intents
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.intents_at_work import IntentsAtWork
from quotebus.execution_adapter.orders.journal import ROOM_BYTES, Journal
from quotebus.execution_adapter.orders.journal_entries import Entry
from quotebus.execution_adapter.orders.order import Answer, Command, SubmitOrder
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.pricing.simulator.trading.account import Position
from tests.execution_adapter.desk import Desk
from tests.execution_adapter.runs import SYMBOLS

SIZES = (1, 3, 14)
MOST_STEPS = 3_000
MEMORY = Path("/dev/shm")


class Wrong(AssertionError):
    """What was not as it must be."""


class Killed(BaseException):
    """kill -9 of the worker, wherever it was."""


class TroubledJournal(Journal):
    """A journal on a disk that may be full, of a worker that may be killed while it writes."""

    full: frozenset[str] = frozenset()
    kill_in: float = 0.0
    random = Random(0)
    opened: list[TroubledJournal]
    _room = 0

    def __init__(self, folder: Path, intent_id: str) -> None:
        super().__init__(folder, intent_id)
        self.opened.append(self)

    def close(self) -> None:
        if self in self.opened:
            super().close()
            self.opened.remove(self)

    def reserve(self) -> None:
        if self.path.stem in self.full:
            raise OSError(28, "No space left on device")
        self._room = ROOM_BYTES
        super().reserve()

    def append(self, *added: Entry) -> None:
        if self.random.random() < self.kill_in:
            os.write(self.file, repr(added).encode()[: self.random.randint(0, 40)].replace(b"\n", b" "))
            raise Killed
        self._room -= 300 * len(added)
        if self.path.stem in self.full and self._room < 0:
            raise OSError(28, "No space left on device")
        super().append(*added)


@dataclass
class Worker:
    """One run of the command, from its start to its exit status."""

    life: Life
    folder: Path
    work: IntentsAtWork = field(init=False)
    send: Callable[[Command], None] = field(init=False)
    lines: list[str] = field(default_factory=list)
    status: int | None = None
    dies: float = 0.0

    def __post_init__(self) -> None:
        desk = self.life.desk
        self.send = desk.connect(self.hear)
        self.work = IntentsAtWork(self.life.settings(self.folder), self._send, self.lines.append)
        try:
            self.work.begin(desk.now_ns, desk.utc_ns)
        except Killed:
            self.leave()
            raise

    def _send(self, command: Command) -> None:
        if isinstance(command, SubmitOrder) and self.life.random.random() < self.dies:
            raise Killed
        self.send(command)

    def hear(self, answer: Answer) -> None:
        if self.status is None:
            self.work.on_answer(answer, self.life.desk.now_ns)

    def turn(self) -> None:
        desk = self.life.desk
        self.work.advance(
            lambda intent, _: desk.assess(intent.symbol),
            lambda parent: parent.decisions.clear(),
            lambda: desk.now_ns,
            stream_proven=not self.life.trouble.blind,
        )
        self.work.tidy()

    def leave(self) -> None:
        """It is gone: what it sent goes on, what it would have heard nobody hears."""
        if self.hear in self.life.desk.listeners:
            self.life.desk.listeners.remove(self.hear)
        if self in self.life.workers:
            self.life.workers.remove(self)
        self.work.close()

    def end(self) -> None:
        self.status, self.lines[:] = self.work.exit_status(), [*self.lines, *self.work.report(self.life.desk.now_ns)]
        self.leave()


_living: list[Life] = []


def current_day() -> int:
    """The day of the newest life, in UTC."""
    return _living[-1].desk.utc_ns // (24 * 3600 * NS_PER_S) if _living else 0


class Life:
    """Some intents, one desk, one trouble."""

    def __init__(self, seed: int, size: int, trouble: Trouble, folder: Path) -> None:
        self.random = Random(f"life/{seed}")
        self.seed, self.folder, self.trouble = seed, folder, trouble
        symbols = SYMBOLS[:size]
        self.desk = Desk(seed, symbols)
        _living[:] = [self]
        self.texts = [self._text(number, symbol) for number, symbol in enumerate(symbols)]
        self.statuses: list[int] = []
        self.last_lines: list[str] = []
        self.workers: list[Worker] = []
        self.others: set[str] = set()
        """Client order ids of other programs on the account."""
        self.journal: type[TroubledJournal] = TroubledJournal
        self.events: Counter[str] = Counter()
        self.hosts = [folder / "host-a"]
        self.intents = {intent.intent_id("simulator/"): intent for intent in self.settings(self.hosts[0]).intents()}
        self.wanted = {name: self._wanted(intent) for name, intent in self.intents.items()}

    def _text(self, number: int, symbol: str) -> str:
        if self.trouble.exits and self.random.random() < 0.2:
            qty, account = Decimal(self.random.choice(["7", "10", "0.5"])), self.desk.broker.account
            for positions in (account.positions, account.shown):
                positions[symbol] = position = Position()
                position.qty, position.entry_price = qty, Decimal(10)
            return f"{symbol} sell all in {max(self.trouble.window_s)}s"
        side, window_s = self.random.choice(["buy", "sell"]), self.random.choice(self.trouble.window_s)
        return f"{symbol} {side} {10 + number} in {window_s}s"

    def _wanted(self, intent: Intent) -> Decimal:
        return self.desk.broker.account.qty(intent.symbol) if intent.exits else intent.qty

    def settings(self, folder: Path) -> ExecutionSettings:
        return ExecutionSettings(
            execution_intents="; ".join(self.texts),
            execution_gateway="simulator",
            execution_journal_dir=folder,
            execution_repeg_every_s=1,
            execution_patience_s=1,
            execution_grace_s=3,
            execution_give_up_s=8,
        )

    # running

    def run(self, *workers: Worker, each_step: Callable[[], None] = lambda: None) -> None:
        """Let these run side by side until each has ended by itself, or is killed."""
        left = list(workers)
        for _ in range(MOST_STEPS):
            try:
                self.desk.step()
                self.check()
                for worker in left:
                    worker.turn()
                each_step()
            except Killed:
                self.events["killed"] += 1
                for worker in left:
                    worker.leave()
                return
            for worker in [w for w in left if w.work.is_done and not self.desk.under_way]:
                worker.end()
                left.remove(worker)
                self.judge(worker)
            if not left:
                return
        raise Wrong(f"not over after {MOST_STEPS} steps: {[worker.work.report(0) for worker in left]}")

    def start(self, host: int = 0) -> Worker:
        if not self.workers:  # whoever was killed while it opened them: the kernel has closed them
            for journal in list(self.journal.opened):
                journal.close()
        worker = Worker(self, self.hosts[host])
        self.workers.append(worker)
        return worker

    def finish(self) -> None:
        """Give the command until it ends by itself, with no more trouble."""
        self.run(self.start())

    # the judge

    def check(self) -> None:
        """At any moment: nothing doubled, nothing that could over-fill."""
        for name, wanted in self.wanted.items():
            orders = self.desk.orders(name)
            open_orders = [order for order in orders if order.is_open]
            if len(open_orders) > 1:
                raise Wrong(f"two open orders of one intent: {name}")
            left = sum((order.remaining(Decimal(10)) for order in open_orders), Decimal(0))
            if (worst := self.desk.filled(name) + left) > wanted and not self.trouble.lies:
                raise Wrong(f"{worst} could be filled of {wanted}: {name}")

    def judge(self, worker: Worker) -> None:
        """At the end of a run: its exit status and its summary are the broker's books."""
        status = worker.status
        assert status is not None
        self.statuses.append(status)
        self.last_lines = worker.lines
        self.events[f"exit {status}"] += 1
        filled = {name: self.desk.filled(name) for name in self.intents}
        all_filled = filled == self.wanted
        if status == 0 and not all_filled:
            raise Wrong(f"exit 0, and {filled} of {self.wanted} are filled: {worker.lines}")
        if all_filled and status != 0 and not (self.trouble.open_end and status == 4):
            raise Wrong(f"exit {status}, and all are filled: {worker.lines}")
        if self.trouble.must_fill and not all_filled:
            raise Wrong(f"exit {status}, and nothing hindered it: {worker.lines}")
        if not self.trouble.damages and any("its journal is damaged" in line for line in worker.lines):
            raise Wrong(f"a journal is damaged, and nobody has touched it: {worker.lines}")
        names = {self.desk.root(order) for order in self.desk.broker.orders.by_id.values()}
        ours = {self.desk.root(order) for name in self.intents for order in self.desk.orders(name)}
        strangers = names - ours - self.others
        if strangers:
            raise Wrong(f"orders of no intent: {strangers}")
        self.require_named(worker)

    def require_named(self, worker: Worker) -> None:
        """No order of ours is open, unless this run says 4 and names it."""
        others = [other for other in self.trouble.still_there(self) if other is not worker]
        for name in [] if others else set(self.desk.open()) - self.others:
            if worker.status != 4 or not any(f"CHECK AT BROKER: order {name}" in line for line in worker.lines):
                raise Wrong(f"exit {worker.status}, and {name} is open, unnamed: {worker.lines}")


@dataclass(frozen=True)
class Trouble:
    """One kind of trouble. `lies`: the broker's word itself is wrong for a while."""

    name: str
    live: Callable[[Life], None]
    open_end: bool = False
    lies: bool = False
    exits: bool = True
    blind: bool = False
    """The order stream is not proven, so orders are asked about."""
    must_fill: bool = False
    """Nothing hinders the last run for long: it must end with all filled."""
    damages: bool = False
    window_s: tuple[int, ...] = (2, 6)
    still_there: Callable[[Life], list[Worker]] = lambda _: []


def live(seed: int, trouble: Trouble, size: int) -> Life:
    """One life from its first start to its last end. Raises Wrong."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder, ExitStack() as patches:
        life = Life(seed, size, trouble, Path(folder))
        journal = type("OneLifesJournal", (TroubledJournal,), {"random": life.random, "opened": []})
        patches.enter_context(mock.patch.object(taken_intents, "Journal", journal))
        life.journal = journal
        try:
            trouble.live(life)
            life.desk.pass_time(20 * NS_PER_S)
            life.check()
            if life.statuses[-1] != 4 or not trouble.open_end:
                life.finish()  # once more: it must say what it said
                if life.statuses[-1] != life.statuses[-2]:
                    raise Wrong(f"first {life.statuses[-2]}, and {life.statuses[-1]} when it was given again")
        except (AssertionError, OSError, ValueError, KeyError, QuotebusError) as error:
            raise Wrong(f"seed {seed}, {trouble.name}, {size} intents: {type(error).__name__}: {error}") from error
        return life


def main() -> int:
    from tests.execution_adapter.troubles import TROUBLES
    from tests.execution_adapter.unkind_troubles import UNKIND

    parser = argparse.ArgumentParser(
        description="lives of the worker, and whether its exit status is the broker's books"
    )
    parser.add_argument("--times", type=int, default=300, help="how many lives")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="one trouble, by its name")
    options = parser.parse_args()
    troubles = [trouble for trouble in (*TROUBLES, *UNKIND) if options.only in ("", trouble.name)]
    events: Counter[str] = Counter()
    wrong, began = 0, time.monotonic()
    for done, seed in enumerate(range(options.first, options.first + options.times), start=1):
        trouble = troubles[seed % len(troubles)]
        try:
            events += live(seed, trouble, SIZES[seed // len(troubles) % len(SIZES)]).events
        except Wrong as error:
            wrong += 1
            print(f"WRONG: {str(error)[:1500]}", flush=True)
        if done % 50 == 0 or done == options.times:
            print(f"{done} of {options.times} lives, {wrong} wrong, {time.monotonic() - began:.0f} s", flush=True)
    print(", ".join(f"{count} {what}" for what, count in events.most_common()))
    return int(wrong > 0)


if __name__ == "__main__":
    from tests.execution_adapter import lives  # the one that `troubles` imports

    sys.exit(lives.main())
