"""Quotes between two looks: whatever comes, a view that hears the newest only ends as one that hears them all."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec
from quotebus.bus.events import Flag
from quotebus.bus.tap.message_reader import MessageReader, ReceivedFrame
from quotebus.bus.tap.newest_quotes import NewestQuotes
from quotebus.bus.tap.settings import TopSettings
from quotebus.bus.tap.source import CaptureSource
from quotebus.bus.tap.verbs.top import Top
from quotebus.bus.tap.view import View
from tests.support.samples import QUICK, QUOTE, UTC_NS, like
from tests.support.tap import STORY, capture

QUOTES = st.builds(
    lambda symbol, source, seq, flags, step: codec.encode(
        like(QUOTE, symbol=symbol, source=source, seq=seq, flags=flags, published_ns=UTC_NS + step, bid_size=float(seq))
    ),
    st.sampled_from(["SPY", "QQQ"]),
    st.sampled_from(["pricing-00000a", "pricing-00000b", "replay:pricing-00000a"]),
    st.integers(1, 12),
    st.sampled_from([0, 0, 0, int(Flag.BACKWARD_TIME)]),
    st.integers(0, 20),
)
GARBAGE = st.sampled_from([b"quote.SPY\0\x93\x01\x02", b"quote.SPY\0", b"quote.QQQ\0" + b"\xff" * 5_000, b"what"])


def told(frames: list[bytes], looks: set[int], newest: NewestQuotes | None) -> tuple[View, MessageReader]:
    view, intake = View(), MessageReader()
    for number, frame in enumerate(frames):
        for heard in intake.read([ReceivedFrame(frame, UTC_NS + number)], newest):
            view.take(heard)
        if newest is not None and (number in looks or number == len(frames) - 1):
            for one in newest.take():
                view.take_quotes(one.quote, one.received_ns, one.messages, one.octets, renumbered=one.renumbered)
    return view, intake


@QUICK
@given(st.lists(QUOTES | GARBAGE, max_size=40), st.sets(st.integers(0, 40)))
def test_the_newest_alone_tell_what_all_of_them_tell(frames: list[bytes], looks: set[int]) -> None:
    (all_view, all_intake), (view, intake) = told(frames, looks, None), told(frames, looks, NewestQuotes())
    assert view.book.quotes == all_view.book.quotes
    assert view.replayed.quotes == all_view.replayed.quotes
    assert (view.quotes.total, view.quotes.total_bytes) == (all_view.quotes.total, all_view.quotes.total_bytes)
    assert (view.bus.total, view.bus.octets) == (all_view.bus.total, all_view.bus.octets)
    assert (intake.heard, intake.replayed, intake.unreadable) == (
        all_intake.heard,
        all_intake.replayed,
        all_intake.unreadable,
    )
    assert intake.tracker.lost == all_intake.tracker.lost


def test_most_of_a_busy_symbol_is_never_shown_to_the_view() -> None:
    newest, intake = NewestQuotes(), MessageReader()
    frames = [codec.encode(like(QUOTE, seq=seq)) for seq in range(1, 101)]
    assert len(list(intake.read([ReceivedFrame(frame, UTC_NS) for frame in frames], newest))) == 1, (
        "a new topic is learned"
    )
    [counted] = newest.take()
    assert (counted.quote.seq, counted.messages) == (100, 99)
    assert not list(newest.take())


def test_sources_that_alternate_in_one_instant_do_not_fill_memory(tmp_path: Path) -> None:
    top = Top(TopSettings(), CaptureSource(str(capture(tmp_path, *STORY)), None, None, None))
    frames = [codec.encode(like(QUOTE, seq=seq, source=f"pricing-{seq % 2:06x}")) for seq in range(1, 5_001)]
    for first in range(0, len(frames), 500):
        top.take([ReceivedFrame(frame, UTC_NS) for frame in frames[first : first + 500]])
    assert top.view.quotes.total["SPY"] > 3_000, "looked at though no time passed"
