"""The folder of journals: what has not ended, what has and how, what is too old, and that many of them cost little."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from time import process_time_ns

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.intents import parse
from quotebus.execution_adapter.orders.journal import ENDED, Journal
from quotebus.execution_adapter.orders.journal_entries import (
    JournalDamaged,
    JournalEnd,
    JournalHead,
    end_entry,
    place_entry,
)
from quotebus.execution_adapter.orders.journal_folder import (
    NS_PER_DAY,
    find_end,
    find_journals,
    find_last_orders,
    read_journal,
    sweep_journals,
)
from quotebus.execution_adapter.orders.order import Order
from quotebus.execution_adapter.orders.states import Outcome

FIRST = Order("qb-mine-1", "SPY", "buy", Decimal("10.5"), Decimal("554.76"))
MINE = JournalHead(parse("SPY buy 10"), 5, 3, "simulator/", ("strategy", "a"))
END = end_entry(Outcome.PARTLY, Decimal(4), Decimal(10), "out of time")


def write(folder: Path, intent_id: str, *entries: dict[str, object]) -> Path:
    journal = Journal(folder, intent_id)
    journal.append(*entries)
    journal.close()
    return journal.path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_unfinished_are_those_of_the_account_that_have_not_ended(tmp_path: Path) -> None:
    intent = replace(parse("SPY sell all urgency=high"), window_ns=47_999_200_000)
    mine = JournalHead(intent, 5, 3, "simulator/", ("strategy", "a"))
    typed = replace(mine, intent_key=("", ""))
    write(tmp_path, "qb-mine", mine.entry, place_entry(FIRST))
    write(tmp_path, "qb-done", mine.entry, {"done": "10 of 10"})
    write(tmp_path, "qb-over", mine.entry, END)
    write(tmp_path, "qb-typed", typed.entry)
    write(tmp_path, "qb-paper", replace(mine, account="paper/").entry)
    (tmp_path / "qb-damaged.jsonl").write_bytes(b"garbage\n")
    (tmp_path / "qb-later.jsonl").write_bytes((tmp_path / "qb-mine.jsonl").read_bytes() + b"garbage\n")
    (tmp_path / "qb-empty.jsonl").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    with (tmp_path / "qb-mine.jsonl").open("ab") as file:
        file.write(b'{"final": ')
    found = find_journals(tmp_path, "simulator/")
    assert found.unfinished == {"qb-mine": mine, "qb-later": mine, "qb-typed": typed}, "damaged later or not"
    assert (list(found.damaged), found.ended) == (["qb-damaged"], ["qb-done", "qb-over"])
    assert not find_journals(tmp_path / "none", "simulator/").unfinished


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("10 of 10 (all filled)", Outcome.FILLED), ("4 of 10 (out of time)", Outcome.PARTLY),
     ("0 of 10 (stopped)", Outcome.UNFILLED), ("0 of 0 (no position)", Outcome.FILLED)],
)  # fmt: skip
def test_end_is_read_as_it_was_once_written(tmp_path: Path, text: str, outcome: Outcome) -> None:
    write(tmp_path / ENDED, "qb-mine", MINE.entry, {"done": text})
    assert find_end(tmp_path, "qb-mine") == JournalEnd(outcome, text)


def test_end_that_cannot_be_read_is_no_end(tmp_path: Path) -> None:
    assert find_end(tmp_path, "qb-mine") is None
    write(tmp_path / ENDED, "qb-mine", MINE.entry, {"done": {"outcome": "glorious"}})
    with pytest.raises(JournalDamaged):
        find_end(tmp_path, "qb-mine")


def test_orders_to_look_up_are_named_whatever_can_still_be_read(tmp_path: Path) -> None:
    assert find_last_orders(tmp_path, "qb-mine") == ["qb-mine-1"]
    path = write(tmp_path, "qb-mine", MINE.entry, place_entry(FIRST))
    assert find_last_orders(tmp_path, "qb-mine") == ["qb-mine-1"]
    later = place_entry(replace(FIRST, client_order_id="qb-mine-10"))
    path.write_bytes(path.read_bytes() + b"garbage\n" + json.dumps(later).encode() + b"\n")
    assert find_last_orders(tmp_path, "qb-mine") == ["qb-mine-10"]
    path.write_bytes(b"\x00" * 4_096)
    assert find_last_orders(tmp_path, "qb-mine") == ["qb-mine-1"]


def test_sweep_moves_what_has_ended_and_removes_what_is_too_old(tmp_path: Path) -> None:
    left = write(tmp_path, "qb-left", MINE.entry, END)
    old, new = (write(tmp_path / ENDED, name, MINE.entry, END) for name in ("qb-old", "qb-new"))
    open_still = write(tmp_path, "qb-open", MINE.entry)
    day_ns = NS_PER_DAY
    for path, age_days in ((old, 31), (new, 29), (open_still, 400)):
        os.utime(path, ns=(0, 1_000 * day_ns - age_days * day_ns))
    for _ in sweep_journals(tmp_path, ["qb-left", "qb-gone"], 1_000 * day_ns, 0):
        pass
    assert names(tmp_path / ENDED) == [
        "qb-left.jsonl",
        "qb-new.jsonl",
        "qb-old.jsonl",
    ]
    assert not left.exists()
    for _ in sweep_journals(tmp_path, [], 1_000 * day_ns, 30):
        pass
    assert names(tmp_path / ENDED) == ["qb-left.jsonl", "qb-new.jsonl", "removed.index"]
    assert open_still.exists(), "however old: it has not ended"


def test_one_that_was_removed_is_known_to_have_ended_and_what_cannot_be_read_is_not_removed(tmp_path: Path) -> None:
    for number in range(300):
        path = write(tmp_path / ENDED, f"qb-{number}", MINE.entry, place_entry(FIRST), END)
        os.utime(path, ns=(0, 0))
    kept = [tmp_path / ENDED / "qb-garbage.jsonl", tmp_path / ENDED / "qb-folder.jsonl"]
    kept[0].write_bytes(b"garbage\n")
    kept[1].mkdir()
    for path in kept:
        os.utime(path, ns=(0, 0))
    before = find_end(tmp_path, "qb-7")
    for _ in sweep_journals(tmp_path, [], 1_000 * NS_PER_DAY, 30):
        pass
    assert names(tmp_path / ENDED) == ["qb-folder.jsonl", "qb-garbage.jsonl", "removed.index"]
    assert before is not None
    assert find_end(tmp_path, "qb-7") == find_end(tmp_path, "qb-299") == before
    assert read_journal(tmp_path, "qb-0") == [MINE.entry, END]
    assert find_end(tmp_path, "qb-") is find_end(tmp_path, "qb-300") is None
    index = tmp_path / ENDED / "removed.index"
    index.write_bytes(index.read_bytes() + b'qb-300 [{"intent": ')
    with pytest.raises(JournalDamaged):
        find_end(tmp_path, "qb-300")
    index.write_bytes(b"")
    assert find_end(tmp_path, "qb-7") is None


@pytest.mark.parametrize("where", ["", ENDED])
def test_twenty_thousand_of_them_are_looked_through_in_half_a_second(tmp_path: Path, where: str) -> None:
    write(tmp_path, "qb-unfinished", MINE.entry)
    (tmp_path / where).mkdir(exist_ok=True)
    lines = write(tmp_path, "qb-done", MINE.entry, *[place_entry(FIRST)] * 20, END).read_bytes()
    for number in range(20_000):
        (tmp_path / where / f"qb-SPY-buy-{number:012x}.jsonl").write_bytes(lines)
    took_ns = []  # of this process: the machine may be busy with others
    for _ in range(5):
        began_ns = process_time_ns()
        assert list(find_journals(tmp_path, "simulator/").unfinished) == ["qb-unfinished"]
        assert (find_end(tmp_path, f"qb-SPY-buy-{7:012x}") is not None) == bool(where)
        took_ns.append(process_time_ns() - began_ns)
    assert min(took_ns) <= NS_PER_S / 2, took_ns
