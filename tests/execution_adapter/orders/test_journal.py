"""The journal: what was written is there after a crash, one worker at a time, and nothing unreadable is guessed at."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.execution_adapter.intents import parse
from quotebus.execution_adapter.orders import journal_entries as entries
from quotebus.execution_adapter.orders.child_order import Child
from quotebus.execution_adapter.orders.journal import Journal, unfinished
from quotebus.execution_adapter.orders.journal_entries import Begun, JournalDamaged
from quotebus.execution_adapter.orders.order import Order, Status

FIRST = Order("qb-1", "SPY", "buy", Decimal("10.5"), Decimal("554.76"))
SECOND = Order("qb-2", "SPY", "buy", Decimal("4.5"), None)


def test_orders_come_back_as_they_were_known(tmp_path: Path) -> None:
    kept = Journal(tmp_path, "qb")
    ended = Child(FIRST, Decimal(6), Decimal("554.75"), Status.CANCELED, proven=True)
    kept.append({"intent": {"intent": "x", "start_ns": 1}}, entries.placed(FIRST))
    kept.append(entries.ended(ended), entries.placed(SECOND))
    kept.close()
    again = Journal(tmp_path, "qb")
    first, second = entries.children(again.entries())
    assert (first.order, first.filled, first.average_price) == (FIRST, Decimal(6), Decimal("554.75"))
    assert (first.status, first.proven) == (Status.CANCELED, True)
    assert (second.order, second.proven, second.filled) == (SECOND, False, Decimal(0))


def test_order_placed_again_under_its_id_is_one_order(tmp_path: Path) -> None:
    kept = Journal(tmp_path, "qb")
    kept.append(entries.placed(FIRST), entries.placed(FIRST))
    [child] = entries.children(kept.entries())
    assert child.resent


def test_newest_size_of_an_exit_counts_and_an_unreadable_one_stops_it(tmp_path: Path) -> None:
    kept = Journal(tmp_path, "qb")
    assert entries.sized(kept.entries()) is None
    kept.append(entries.size(Decimal("10.25")), entries.placed(FIRST), entries.size(Decimal(6)))
    assert entries.sized(kept.entries()) == 6
    kept.append({"size": "much"})
    with pytest.raises(JournalDamaged):
        entries.sized(kept.entries())


def test_last_line_cut_off_by_a_crash_is_dropped_and_the_next_one_whole(tmp_path: Path) -> None:
    kept = Journal(tmp_path, "qb")
    kept.append({"arrival": "1"})
    with kept.path.open("ab") as file:
        file.write(b'{"place": {"id"')
    assert kept.entries() == [{"arrival": "1"}]
    kept.append({"done": "x"})
    assert kept.entries() == [{"arrival": "1"}, {"done": "x"}]


@pytest.mark.parametrize(
    "line",
    [b"garbage", b"[]", b"{}", b'{"place": {}}', b'{"place": 5}', b'{"final": {"id": "never placed"}}',
     b'{"place": {"id": "a", "symbol": "S", "side": "buy", "qty": "x", "limit_price": null}}'],
)  # fmt: skip
def test_what_cannot_be_read_is_said_and_not_guessed(tmp_path: Path, line: bytes) -> None:
    kept = Journal(tmp_path, "qb")
    kept.path.write_bytes(line + b"\n")
    with pytest.raises(JournalDamaged):
        entries.children(kept.entries())


def test_one_worker_at_a_time(tmp_path: Path) -> None:
    one, other = Journal(tmp_path, "qb"), Journal(tmp_path, "qb")
    assert one.acquire()
    assert not other.acquire()
    one.close()
    assert other.acquire()


def test_folder_that_cannot_be_had_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="EXECUTION_JOURNAL_DIR"):
        Journal(tmp_path / "file" / "x", "qb")


def test_unfinished_are_those_of_the_account_and_its_clients_that_have_not_ended(tmp_path: Path) -> None:
    intent = replace(parse("SPY sell all urgency=high"), window_ns=47_999_200_000)
    mine = Begun(intent, 5, 3, "simulator/", ("strategy", "a"))
    for name, begun, last in (
        ("mine", mine, entries.placed(FIRST)),
        ("done", mine, {"done": "10 of 10"}),
        ("others", replace(mine, wish=("stranger", "a")), {}),
        ("typed", replace(mine, wish=("", "")), {}),
        ("paper", replace(mine, account="paper/"), {}),
    ):
        kept = Journal(tmp_path, f"qb-{name}")
        kept.append(begun.entry, *([last] if last else []))
        kept.close()
    (tmp_path / "qb-damaged.jsonl").write_bytes(b"garbage\n")
    (tmp_path / "qb-empty.jsonl").write_bytes(b"")
    with (tmp_path / "qb-mine.jsonl").open("ab") as file:
        file.write(b'{"final": ')
    assert unfinished(tmp_path, "simulator/", {"strategy"}) == {"qb-mine": mine}
    assert unfinished(tmp_path / "none", "simulator/", {"strategy"}) == {}


@pytest.mark.parametrize("change", [{"intent": "SPY"}, {"start_ns": "soon"}, {"wish": ["a"]}])
def test_beginning_that_cannot_be_read_is_said(change: dict[str, object]) -> None:
    entry = Begun(parse("SPY buy 1"), 5, 3, "simulator/").entry
    with pytest.raises(JournalDamaged):
        entries.begun([{"intent": {**entry["intent"], **change}}])
