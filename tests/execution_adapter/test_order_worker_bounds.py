"""A worker on the intents of the bus runs for weeks: what it keeps of them has a bound, and nothing is worked twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quotebus import BusClient, BusSettings
from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.bus.events import TradeIntent
from quotebus.execution_adapter import taken_intents
from quotebus.execution_adapter.gateways.base import NullGateway
from quotebus.execution_adapter.order_worker import OrderWorker
from quotebus.execution_adapter.orders import intent_ends
from quotebus.execution_adapter.orders.order import ZERO, Answer, PositionReport
from quotebus.execution_adapter.settings import ExecutionSettings
from tests.support.bus import running_broker
from tests.support.programs import eventually


class Holding(NullGateway):
    """Says that nothing is held, once it may."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def query_position(self, request_id: str, symbol: str) -> Answer:
        self.may.wait(10)
        return PositionReport(request_id, ZERO, ZERO)


class Rig:
    def __init__(self, bus: BusSettings, folder: Path) -> None:
        self.gateway, self.lines = Holding(), list[str]()
        self.status: int | None = None
        settings = ExecutionSettings(
            execution_intents_from="strategy", execution_journal_dir=folder, **bus.model_dump()
        )
        self.worker = OrderWorker(settings, self.gateway, self.lines.append)
        self.strategy = BusClient(bus, name="strategy")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.status = self.worker.run()

    def send(self, name: str) -> None:
        self.strategy.publish(
            TradeIntent(
                client="strategy",
                intent_id=name,
                symbol=name.upper(),
                side="sell",
                qty=0.0,
                urgency="",
                deadline_ns=utc_ns() + 60 * NS_PER_S,
                complete_exit=True,
            )
        )

    def until(self, *names: str, says: str, times: int = 1) -> None:
        """Send them (the worker may not listen yet) until it has printed `says` so many times."""

        def said() -> bool:
            for name in names:
                self.send(name)
            return sum(says in line for line in self.lines) >= times

        eventually(said, why=says)

    def end(self) -> None:
        self.gateway.may.set()
        self.worker.stop()
        self._thread.join(10)
        self.strategy.close()
        assert not self._thread.is_alive()


@contextmanager
def worker(folder: Path, *, over: int, at_once: int = 1_000) -> Iterator[Rig]:
    with pytest.MonkeyPatch.context() as patch, running_broker() as bus:
        patch.setattr(taken_intents, "MAX_ENDED", over)
        patch.setattr(taken_intents, "MAX_INTENTS", at_once)
        rig = Rig(bus, folder)
        try:
            yield rig
        finally:
            rig.end()


def test_those_that_are_over_are_counted_and_never_worked_again(tmp_path: Path) -> None:
    with worker(tmp_path, over=2) as rig:
        rig.gateway.may.set()
        for number in range(6):
            rig.until(f"intent-{number}", says="done (no position)", times=number + 1)
        rig.send("intent-0")
        rig.until("intent-6", says="done (no position)", times=7)
        assert sum("done (no position)" in line for line in rig.lines) == 7, "the first one was not begun again"
    assert rig.status == intent_ends.ALL_FILLED
    assert rig.lines[-1] == "7 of 7 filled, 0 fallbacks or refusals"
    assert "earlier intents: 4 (4 filled)" in rig.lines


def test_one_too_many_is_refused_by_name_and_may_come_again(tmp_path: Path) -> None:
    with worker(tmp_path, over=0, at_once=2) as rig:
        names = ("first", "second", "third")
        rig.until(*names, says="not accepted: 2 intents are already being worked")
        refused = next(line for line in rig.lines if "not accepted: 2 intents are already being worked" in line)
        assert refused.startswith(tuple(f"intent {name} of strategy: not accepted" for name in names))
        rig.gateway.may.set()
        rig.until(*names, says="done (no position)", times=3)


def test_one_whose_journal_cannot_be_opened_costs_the_others_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with worker(folder, over=2) as rig:
        rig.gateway.may.set()
        rig.until("one", says="done (no position)")
        folder.rename(tmp_path / "away")
        folder.write_text("not a folder")
        rig.until("two", says="intent two of strategy: not accepted: EXECUTION_JOURNAL_DIR")
        folder.unlink()
        rig.until("three", says="THREE  sell 0 of 0  done (no position)")
    assert rig.status == intent_ends.ALL_FILLED, "those that could be worked were"
