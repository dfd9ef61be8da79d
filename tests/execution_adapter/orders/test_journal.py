"""The journal: what was written is there after a crash, one worker at a time, and nothing unreadable is guessed at."""

from __future__ import annotations

import errno
import os
from decimal import Decimal
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.execution_adapter.intents import parse
from quotebus.execution_adapter.orders import journal as journal_module
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.journal import ENDED, Journal, parse_lines
from quotebus.execution_adapter.orders.journal_entries import (
    JournalDamaged,
    JournalEnd,
    JournalHead,
    end_entry,
    final_entry,
    place_entry,
    read_children,
    read_head,
    read_size,
    size_entry,
)
from quotebus.execution_adapter.orders.journal_folder import find_end
from quotebus.execution_adapter.orders.order import Order, Status
from quotebus.execution_adapter.orders.states import Outcome

FIRST = Order("qb-1", "SPY", "buy", Decimal("10.5"), Decimal("554.76"))
SECOND = Order("qb-2", "SPY", "buy", Decimal("4.5"), None)


def test_orders_come_back_as_they_were_known(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "qb")
    ended = ChildOrder(FIRST, Decimal(6), Decimal("554.75"), Status.CANCELED, proven=True)
    journal.append({"intent": {"intent": "x", "start_ns": 1}}, place_entry(FIRST))
    journal.append(final_entry(ended), place_entry(SECOND))
    journal.close()
    again = Journal(tmp_path, "qb")
    first, second = read_children(again.entries())
    assert (first.order, first.filled, first.average_price) == (FIRST, Decimal(6), Decimal("554.75"))
    assert (first.status, first.proven) == (Status.CANCELED, True)
    assert (second.order, second.proven, second.filled) == (SECOND, False, Decimal(0))


def test_order_placed_again_under_its_id_is_one_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "qb")
    journal.append(place_entry(FIRST), place_entry(FIRST))
    [child] = read_children(journal.entries())
    assert child.resent


def test_newest_size_of_an_exit_counts_and_an_unreadable_one_stops_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "qb")
    assert read_size(journal.entries()) is None
    journal.append(size_entry(Decimal("10.25")), place_entry(FIRST), size_entry(Decimal(6)))
    assert read_size(journal.entries()) == 6
    journal.append({"size": "much"})
    with pytest.raises(JournalDamaged):
        read_size(journal.entries())


def test_last_line_cut_off_by_a_crash_is_dropped_and_the_next_one_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "qb")
    journal.append({"arrival": "1"})
    with journal.path.open("ab") as file:
        file.write(b'{"place": {"id"')
    assert journal.entries() == [{"arrival": "1"}]
    journal.append({"done": "x"})
    assert journal.entries() == [{"arrival": "1"}, {"done": "x"}]


@pytest.mark.parametrize(
    "line",
    [b"garbage", b"[]", b"{}", b'{"place": {}}', b'{"place": 5}', b'{"final": {"id": "never placed"}}',
     b'{"place": {"id": "a", "symbol": "S", "side": "buy", "qty": "x", "limit_price": null}}'],
)  # fmt: skip
def test_what_cannot_be_read_is_said_and_not_guessed(tmp_path: Path, line: bytes) -> None:
    journal = Journal(tmp_path, "qb")
    journal.path.write_bytes(line + b"\n")
    with pytest.raises(JournalDamaged):
        read_children(journal.entries())


def test_no_changed_bit_no_missing_line_and_no_line_without_a_checksum_passes(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "qb")
    ended = ChildOrder(FIRST, Decimal(6), Decimal("554.75"), Status.CANCELED, proven=True)
    journal.append(place_entry(FIRST), final_entry(ended), place_entry(SECOND), {"arrival": "1"})
    raw = journal.path.read_bytes()
    lines = raw.splitlines(keepends=True)
    harmed = [raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :] for at in range(len(raw) - 1) for bit in range(8)]
    harmed += [b"".join(lines[:at] + lines[at + 1 :]) for at in range(3)]
    harmed += [lines[0] + lines[2] + lines[1] + lines[3], raw + b'{"done": "10 of 10"}\n']
    for each in harmed:
        with pytest.raises(JournalDamaged):
            parse_lines(each, "qb")
    assert len(harmed) > 2_500


def test_lines_from_before_there_were_checksums_are_read_and_gone_on_from(tmp_path: Path) -> None:
    path = tmp_path / "qb.jsonl"
    path.write_text('{"arrival": "1"}\n{"arrival": "2"}\n')
    journal = Journal(tmp_path, "qb")
    journal.append({"arrival": "3"})
    journal.close()
    journal = Journal(tmp_path, "qb")
    journal.append({"arrival": "4"})
    assert [entry["arrival"] for entry in journal.entries()] == ["1", "2", "3", "4"]
    assert [" #" in line for line in path.read_text().splitlines()] == [False, False, True, True]


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


def test_half_an_entry_is_taken_back_so_that_the_next_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "qb")
    journal.append({"arrival": "1"})
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append(place_entry(FIRST))
    journal.append({"arrival": "2"})
    assert journal.entries() == [{"arrival": "1"}, {"arrival": "2"}]


def test_room_that_is_set_aside_is_not_seen_by_who_reads_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "qb")
    journal.append({"arrival": "1"})
    journal.reserve()
    journal.append({"arrival": "2"})
    assert [line.partition(" #")[0] for line in journal.path.read_text().splitlines()] == [
        '{"arrival": "1"}', '{"arrival": "2"}',
    ]  # fmt: skip
    assert journal.path.stat().st_blocks * 512 >= journal_module.ROOM_BYTES


def test_journal_that_has_ended_is_moved_and_who_waited_for_it_finds_that_out(tmp_path: Path) -> None:
    one, waits = Journal(tmp_path, "qb"), Journal(tmp_path, "qb")
    assert one.acquire()
    one.append(end_entry(Outcome.FILLED, Decimal(10), Decimal(10), "all filled"))
    assert not waits.acquire()
    one.retire()
    one.close()
    assert waits.acquire(), "of a new file of that name"
    assert waits.entries() == []
    waits.drop_empty()
    waits.close()
    assert [path.name for path in tmp_path.iterdir()] == [ENDED]
    assert find_end(tmp_path, "qb") == JournalEnd(Outcome.FILLED, "10 of 10 (all filled)", filled=Decimal(10))


@pytest.mark.parametrize("change", [{"intent": "SPY"}, {"start_ns": "soon"}, {"wish": ["a"]}])
def test_beginning_that_cannot_be_read_is_said(change: dict[str, object]) -> None:
    entry = JournalHead(parse("SPY buy 1"), 5, 3, "simulator/").entry
    with pytest.raises(JournalDamaged):
        read_head([{"intent": {**entry["intent"], **change}}])
