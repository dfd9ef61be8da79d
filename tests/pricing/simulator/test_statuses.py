"""Halts and resumptions, tape by tape."""

from __future__ import annotations

import pytest

from quotebus.pricing.simulator.statuses import EVENTS, word_status


@pytest.mark.parametrize("tapes", ["AB", "CO"])
def test_each_tape_has_its_codes(tapes: str) -> None:
    codes = {(event, tape): word_status(event, tape).code for event in EVENTS for tape in tapes}
    assert all(code in ("23" if tapes == "AB" else "HPQT") for code in codes.values())
    assert len({codes["halt", tape] for tape in tapes}) == 1
    assert codes["halt", tapes[0]] != codes["resume", tapes[0]]


def test_a_pause_is_told_from_a_halt() -> None:
    assert word_status("pause", "A")[:3] == ("2", "Trading Halt", "M")
    assert word_status("pause", "C")[:3] == ("P", "Volatility Trading Pause", "LUDP")
    assert word_status("resume_quotes", "C").code == "Q"
