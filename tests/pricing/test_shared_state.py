"""Slots: numbering for the life of the process, contents only for as long as the symbol is wanted."""

from __future__ import annotations

import msgspec
import pytest

from quotebus.bus import codec
from quotebus.pricing.shared_state import SharedState
from tests.support.samples import QUOTE


def held(shared: SharedState, symbol: str, seq: int) -> None:
    slot = shared.want(symbol)
    event = msgspec.structs.replace(QUOTE, symbol=symbol, seq=seq)
    slot.frame, slot.quote_seq, slot.connection, slot.exchange_ns = codec.encode(event), seq, 3, 99


def test_last_quote_is_payload_number_and_time_of_one_and_the_same_quote() -> None:
    shared = SharedState()
    held(shared, "SPY", 5)
    payload, seq, published_ns = shared.slots["SPY"].last_quote()
    assert payload is not None
    decoded = codec.decode_payload("quote", payload)
    assert (decoded.seq, decoded.published_ns) == (seq, published_ns) == (5, decoded.published_ns)


def test_no_quote_yet() -> None:
    assert SharedState().want("SPY").last_quote() == (None, 0, None)


def test_numbering_goes_on_after_a_symbol_was_let_go_and_nothing_else_does() -> None:
    shared = SharedState()
    held(shared, "SPY", 5)
    slot = shared.want("SPY")
    slot.trade_seq = 7
    shared.retire("SPY")
    assert shared.slots == {}
    slot.frame, slot.connection = b"late", 3  # the hot thread was in the middle of a quote
    again = shared.want("SPY")
    assert (again.quote_seq, again.trade_seq) == (5, 7)
    assert again.last_quote() == (None, 0, None)
    assert (again.connection, again.exchange_ns, again.watch_quote) == (0, 0, True)


def test_retiring_twice_or_the_unknown_is_nothing() -> None:
    shared = SharedState()
    held(shared, "SPY", 5)
    shared.retire("SPY")
    shared.retire("SPY")
    shared.retire("QQQ")
    assert shared.want("SPY").quote_seq == 5


def test_memory_of_former_symbols_is_bounded_and_the_longest_gone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedState, "MAX_RETIRED", 3)
    shared = SharedState()
    for number in range(5):
        held(shared, f"S{number}", number + 1)
        shared.retire(f"S{number}")
    assert [shared.want(f"S{number}").quote_seq for number in range(5)] == [0, 0, 3, 4, 5]
