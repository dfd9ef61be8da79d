"""Numbers that several programs change: one at a time, and nobody waits for long for one that stands still."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.process.shared_numbers import SharedNumbers


def add_one(numbers: SharedNumbers) -> int:
    """What it was."""
    with numbers.hold() as held:
        held[0] += 1
        return held[0] - 1


def try_for_ms(numbers: SharedNumbers) -> float:
    """How long it tried, in vain."""
    began_ns = now_ns()
    with pytest.raises(BlockingIOError):
        add_one(numbers)
    return (now_ns() - began_ns) / NS_PER_MS


def test_one_that_holds_them_while_it_waits_for_a_processor_is_waited_for(tmp_path: Path) -> None:
    patient, brief = (SharedNumbers(tmp_path / "numbers", 1, patient=each) for each in (True, False))
    add_one(patient)
    with patient.path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert try_for_ms(brief) >= 20
        threading.Timer(0.06, fcntl.flock, (other, fcntl.LOCK_UN)).start()
        assert add_one(patient) == 1


def test_one_that_stands_still_is_waited_for_once(tmp_path: Path) -> None:
    numbers = SharedNumbers(tmp_path / "numbers", 1, patient=True)
    add_one(numbers)
    for _ in range(2):
        with numbers.path.open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            assert try_for_ms(numbers) >= 200
            assert min(try_for_ms(numbers) for _ in range(10)) < 200, "not again"
        add_one(numbers)
