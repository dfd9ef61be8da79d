"""Journals that cannot be read, of whatever kind: the broker's word ends them, and one start is enough."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import TradeIntent
from quotebus.execution_adapter.intents_at_work import IntentsAtWork
from quotebus.execution_adapter.orders.journal import ENDED
from quotebus.execution_adapter.orders.order import SubmitOrder
from quotebus.execution_adapter.settings import ExecutionSettings
from tests.execution_adapter.desk import Desk

CLIENT = "strategy"
NOBODY = 65_534


class Starts:
    """One worker after the other for a client's intents, at one desk, with one folder of journals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Desk(1, ("SPY",))
        self.lines: list[str] = []
        self.ordered = 0

    def event(self) -> TradeIntent:
        deadline_ns = self.desk.utc_ns + 20 * NS_PER_S
        return TradeIntent(
            client=CLIENT, intent_id="a", symbol="SPY", side="buy", qty=7.0, urgency="", deadline_ns=deadline_ns
        )

    name = "qb-buy-af3f03f6f779"
    """What the intent of `event` is called for ever."""

    def run(self, *, sent: bool = False, steps: int = 3_000, loss: float = 0.0, typed: str = "") -> int:
        """A worker until all has ended, or it is killed after so many steps; its exit status."""
        desk, settings = self.desk, ExecutionSettings(
            execution_gateway="simulator", execution_intents_from=CLIENT, execution_intents=typed,
            execution_journal_dir=self.folder, execution_give_up_s=5, execution_grace_s=3,
        )  # fmt: skip
        desk.loss = loss
        self.lines.clear()
        transmit = desk.connect(lambda answer: work.on_answer(answer, desk.now_ns))

        def send(command: object) -> None:
            self.ordered += isinstance(command, SubmitOrder)
            transmit(command)  # type: ignore[arg-type]

        work = IntentsAtWork(settings, send, self.lines.append)
        work.begin(desk.now_ns, desk.utc_ns)
        if sent:
            work.take_on_event(self.event(), desk.now_ns, desk.utc_ns)
        for _ in range(steps):
            if work.is_done:
                break
            desk.step()
            work.advance(
                lambda intent, _: desk.assess(intent.symbol),
                lambda parent: parent.decisions.clear(),
                lambda: desk.now_ns,
                stream_proven=True,
            )
        desk.listeners.clear()
        self.lines += work.report(desk.now_ns)
        work.close()
        return work.exit_status()

    def order_one(self) -> None:
        """A worker that is killed while its order is open."""
        self.desk.still = True
        self.desk.faults.change({"order_ack_ms": 4_000})
        self.run(sent=True, steps=30)
        assert self.ordered == 1

    @property
    def journal(self) -> Path:
        [path] = self.folder.glob("qb-*.jsonl")
        return path


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_link(path: Path) -> None:
    path.rename(path.with_suffix(".away"))
    path.symlink_to(path.with_suffix(".away"))


def other_version(path: Path) -> None:
    first, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({"intent": {"version": 9, "what": "?"}}).encode() + b"\n" + rest)
    assert first


HARMS: dict[str, Callable[[Path], object]] = {
    "garbage first": lambda path: path.write_bytes(b"garbage\n" + path.read_bytes()),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 40 + b"\n"),
    "another version": other_version,
    "a list": lambda path: path.write_bytes(b"[1]\n"),
    "a folder": as_folder,
    "a link": as_link,
}


@pytest.mark.parametrize("harm", HARMS)
def test_its_open_order_is_cancelled_and_the_next_start_is_free_of_it(tmp_path: Path, harm: str) -> None:
    starts = Starts(tmp_path)
    starts.order_one()
    [order] = starts.desk.broker.orders.by_id.values()
    HARMS[harm](starts.journal)
    path = starts.journal
    assert starts.run() == 3, starts.lines
    assert any(str(path) in line for line in starts.lines), "the file is named"
    assert not order.is_open
    assert not os.path.lexists(path)
    assert os.path.lexists(tmp_path / ENDED / path.name), "it is kept"
    assert starts.run() == 0, starts.lines
    assert starts.run(sent=True) == (0 if order.filled_qty == 7 else 3), "sent again it ends by the broker's word"
    assert starts.ordered == 1, "nothing is ever ordered for it again"


@pytest.mark.parametrize("harm", ["garbage first", "a folder"])
def test_while_the_broker_does_not_answer_it_is_open_and_stays(tmp_path: Path, harm: str) -> None:
    starts = Starts(tmp_path)
    starts.order_one()
    HARMS[harm](starts.journal)
    assert starts.run(loss=1.0) == 4
    name = starts.journal.stem
    assert any(f"CHECK AT BROKER: order {name}-1" in line for line in starts.lines)
    assert any(f"mv {starts.journal} {tmp_path / ENDED}" in line for line in starts.lines), "how to go on"
    assert starts.run() in (0, 3), "it answers again"
    assert not list(tmp_path.glob("qb-*.jsonl"))


def test_nothing_was_ordered_for_one_that_is_sent_while_something_else_has_its_name(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    starts.run(sent=True, steps=1)
    as_folder(starts.journal)
    assert starts.run(sent=True) == 3, starts.lines
    assert any("buy  0 of 7" in line for line in starts.lines)
    assert starts.desk.filled(next((tmp_path / ENDED).glob("*.jsonl")).stem) == Decimal(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that another user may not read")
def test_one_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = Starts(folder)
        starts.order_one()
        os.chown(folder, NOBODY, NOBODY)
        monkeypatch.chdir("/")
        os.seteuid(NOBODY)
        try:
            assert starts.run() == 3, starts.lines
            assert any("Permission denied" in line for line in starts.lines)
            assert starts.run() == 0
        finally:
            os.seteuid(0)
        assert starts.ordered == 1


def test_one_of_another_account_is_left_alone(tmp_path: Path) -> None:
    starts = Starts(tmp_path)
    starts.run(sent=True, steps=1)
    path = starts.journal
    path.write_bytes(b"garbage\n" + path.read_bytes().replace(b'"simulator/"', b'"simulator/other"'))
    assert starts.run() == 0
    assert path.exists()


def test_one_that_is_born_on_a_full_disk_is_known_to_have_no_order_and_is_worked_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = Starts(tmp_path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        assert starts.run(sent=True) == 3, starts.lines
    assert starts.ordered == 0
    assert starts.run() == 0
    assert starts.run(sent=True) == 0
    assert starts.desk.broker.account.qty("SPY") == 7
