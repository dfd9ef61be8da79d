"""What `top` shows as live is known to be live."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Event
from quotebus.bus.tap.snapshot import take_snapshot
from quotebus.bus.tap.top.controls import Controls
from quotebus.bus.tap.top.table import render_header, render_snapshot
from tests.support.samples import HEALTH, QUOTE, STATUS, UTC_NS, like
from tests.support.tap import told

QUIET = like(STATUS, symbol="QQQ", state="quiet")
HALTED = like(STATUS, symbol="IWM", state="halted", cause="halt")
CUT = like(HEALTH, state="backing_off", cause="reset", next_retry_ns=UTC_NS + 4 * NS_PER_S)


def states(*events: Event, later_ns: int = 0) -> dict[str, tuple[str, str]]:
    """By symbol, its state as it stands in the table, and the style it is drawn in."""
    view, intake, now_ns = told(*events)
    lines = render_snapshot(take_snapshot(view, intake, now_ns + later_ns, "x", True), Controls(), 80)
    column = next(line.plain.index("STATE") for line in lines if line.plain.startswith("SYMBOL"))
    return {
        line.plain.split()[0]: (
            line.plain[column:].split()[0],
            next((str(span.style) for span in line.spans if span.start <= column < span.end), ""),
        )
        for line in lines
        if line.plain.startswith(("SPY", "QQQ", "IWM"))
    }


def test_a_state_is_shown_in_its_colour_while_its_line_streams() -> None:
    assert states(HEALTH, STATUS, QUOTE, QUIET, HALTED) == {
        "SPY": ("live", "green"),
        "QQQ": ("quiet", "cyan"),
        "IWM": ("halted", "bold magenta"),
    }


def test_nothing_is_shown_as_live_while_its_line_is_down_or_its_node_silent() -> None:
    in_doubt = {"SPY": ("live?", "dim"), "QQQ": ("quiet?", "dim"), "IWM": ("halted", "bold magenta")}
    assert states(HEALTH, STATUS, QUOTE, QUIET, HALTED, CUT) == in_doubt
    assert states(HEALTH, STATUS, QUOTE, QUIET, HALTED, later_ns=5 * NS_PER_S) == in_doubt


def test_a_replayed_state_is_not_shown_in_green() -> None:
    replayed = [like(event, source="replay:pricing-3f9c2a") for event in (HEALTH, STATUS, QUOTE)]
    assert states(*replayed) == {"SPY": ("live", "dim")}


def test_the_line_itself_is_not_shown_as_streaming_while_the_tap_is_not_connected() -> None:
    view, intake, now_ns = told(HEALTH, STATUS, QUOTE)

    def style(connected: bool) -> str:
        line = render_header(take_snapshot(view, intake, now_ns, "x", connected), 80)[1]
        at = line.plain.index("streaming")
        return next((str(span.style) for span in line.spans if span.start <= at < span.end), "")

    assert style(connected=True) == "bold green"
    assert style(connected=False) == "dim"


def test_what_the_tap_itself_dropped_is_in_the_header_when_there_is_any() -> None:
    view, intake, now_ns = told(HEALTH, STATUS, QUOTE)

    def header(dropped: int) -> str:
        shown = take_snapshot(view, intake, now_ns, "x", True, not_subscribed=dropped)
        return "\n".join(line.plain for line in render_header(shown, 80))

    assert "not subscribed" not in header(0)
    assert "not subscribed 7" in header(7)
