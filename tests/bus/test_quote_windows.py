"""The newest quotes of the symbols that were looked at, and of no other."""

from __future__ import annotations

import pytest

from quotebus.bus.quote_windows import MAX_LENGTH, QuoteWindows
from tests.support.samples import QUOTE, like


def numbers(windows: QuoteWindows, length: int, symbol: str = "SPY") -> list[int]:
    return [quote.seq for quote in windows.look(symbol, length, None)]


def feed(windows: QuoteWindows, *seqs: int, symbol: str = "SPY") -> None:
    assert windows.put([like(QUOTE, symbol=symbol, seq=seq) for seq in seqs]) == 0


def test_a_window_begins_with_the_first_look_and_is_bounded() -> None:
    windows = QuoteWindows()
    feed(windows, 1, 2)
    assert [quote.seq for quote in windows.look("SPY", 3, like(QUOTE, seq=2))] == [2]
    feed(windows, 3, 4, 5)
    feed(windows, 9, symbol="QQQ")
    assert numbers(windows, 3) == [3, 4, 5]
    assert numbers(windows, 2) == [4, 5]
    assert numbers(windows, 5) == [3, 4, 5]
    feed(windows, 6, 7, 8)
    assert numbers(windows, 5) == [4, 5, 6, 7, 8]
    assert (len(windows), windows.dropped) == (0, 0)


def test_what_is_no_longer_wanted_is_forgotten() -> None:
    windows = QuoteWindows()
    assert numbers(windows, 2) == []
    feed(windows, 1)
    windows.keep_only(["QQQ"])
    assert numbers(windows, 2) == []


@pytest.mark.parametrize("length", [0, -1, MAX_LENGTH + 1])
def test_a_length_has_bounds(length: int) -> None:
    with pytest.raises(ValueError, match="a window holds 1 to 1000000 quotes"):
        QuoteWindows().look("SPY", length, None)
