"""The report: nothing is lost between capture and picture, and nothing from a capture acts in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from math import isnan
from pathlib import Path

import pytest

from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, Gap, encode_gap
from quotebus.bus.capture.report.collect import Collector, ReportData
from quotebus.bus.capture.report.events import list_events
from quotebus.bus.capture.report.labels import choose_time_ticks, choose_value_ticks
from quotebus.bus.capture.report.page import render_page
from quotebus.bus.capture.report.scale import Columns, Extremes, LogHistogram
from quotebus.bus.capture.report.script import SCRIPT, SCRIPT_HASH
from quotebus.bus.cli.capture_report import run
from quotebus.bus.clock import NS_PER_S
from tests.support.market import Market, day, write
from tests.support.samples import DECISION, STATUS, like

EVIL = "<script>alert(1)</script>\"'&\x1b[31m\n"


def collected(entries: list[Captured], columns: int = 100) -> ReportData:
    return Collector(Columns(entries[0].received_ns, entries[-1].received_ns, columns)).run(entries)


def test_columns_keep_every_extreme() -> None:
    extremes = Extremes(2)
    for value in (5.0, 1.0, 9.0, 4.0):
        extremes.add(0, value)
    assert (extremes.low[0], extremes.high[0], extremes.last[0]) == (1.0, 9.0, 4.0)
    assert isnan(extremes.low[1])
    assert extremes.range(0) == (1.0, 9.0)
    columns = Columns(1_000, 1_999, 10)
    assert [columns.of(at) for at in (0, 1_000, 1_099, 1_100, 1_999, 5_000)] == [0, 0, 0, 1, 9, 9]


def test_histogram_counts_everything_and_quantiles_are_at_most_a_step_too_high() -> None:
    histogram = LogHistogram()
    for value in range(1, 1_001):
        histogram.add(value)
    histogram.add(-5)
    assert histogram.total == 1_001
    assert histogram.not_positive == 1
    assert 500 <= (histogram.quantile(0.5) or 0) <= 500 * 10 ** (1 / 8)
    assert histogram.quantile(1.0) == 1_000
    assert LogHistogram().quantile(0.5) is None


def test_halts_lost_lines_and_decisions_are_where_they_were() -> None:
    market = day()
    market.say(like(DECISION, symbol="SPY", reasons=()), "worker-1")
    data = collected(market.entries)
    assert [span.what for span in data.line] == ["idle", "streaming", "backing_off", "streaming"]
    [missed] = data.missed
    assert missed.end_ns is not None
    assert missed.end_ns - missed.begin_ns == 1_500_000_000
    whats = [span.what for span in data.symbols["SPY"].unusable]
    assert whats.count("halted") == 1
    assert "not_streaming" in whats
    halted = next(span for span in data.symbols["SPY"].unusable if span.what == "halted")
    assert halted.end_ns is not None
    assert halted.end_ns - halted.begin_ns == 2 * NS_PER_S
    assert "halted" not in [span.what for span in data.symbols["QQQ"].unusable]
    assert [mark.action for mark in data.symbols["SPY"].marks] == ["limit"]
    quotes = sum(1 for entry in market.entries if entry.topic.startswith("quote."))
    assert sum(symbol.quotes for symbol in data.symbols.values()) == quotes
    assert data.hops["exchange → node"].total == quotes


def test_the_events_are_listed_in_order_and_lead_to_their_pictures() -> None:
    market = day()
    market.say(like(DECISION, symbol="SPY", reasons=("place",)), "worker-1")
    market.health(state="stopped", cause="shutdown")
    for _ in range(5):
        market.at_ns += NS_PER_S
        market.health(source="pricing-ffffff", node="second", state="streaming")
    data = collected(market.entries)
    events, left_out = list_events(data, list(data.symbols.values()))
    assert left_out == 0
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    kinds = [event.kind for event in events]
    assert (kinds.count("halt"), kinds.count("decision"), kinds.count("failover")) == (1, 1, 1)
    assert "backing_off (reset)" in " ".join(event.text for event in events)
    html = render_page(data, "t", [])
    for event in events:
        target = f"p-{event.symbol}" if event.symbol else "connection"
        assert f'id="{target}"' in html
        assert f'href="#{target}"' in html
    assert html.index("class=legend") < html.index("class=events") < html.index('id="connection"')


def test_losses_that_the_recorder_noted_are_shown() -> None:
    market = day()
    gap = Gap(source="recorder-1", cause="bus", publisher="pricing-1", topic="quote.SPY", first_seq=4, count=3)
    market.put(GAP_TOPIC, encode_gap(gap), market.at_ns)
    data = collected(market.entries)
    assert data.lost == 3
    assert data.symbols["SPY"].gaps
    assert "3 messages lost (bus)" in render_page(data, "t", [])


def test_a_hole_in_the_capture_is_shaded() -> None:
    entries = day().entries
    middle = len(entries) // 2
    before = len(collected(entries).missed)
    missed = collected([*entries[:middle], *entries[middle + 20 :]]).missed
    assert len(missed) == before + 1
    hole = next(span for span in missed if span.detail == "not in this capture")
    assert (hole.begin_ns, hole.end_ns) == (entries[middle - 1].received_ns, entries[middle + 20].received_ns)


class _Parts(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.values: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attributes:
            assert not name.startswith("on"), name
            if name in ("href", "src", "style"):
                self.values.append(value or "")


def test_page_is_self_contained_and_nothing_from_the_capture_acts() -> None:
    market = Market()
    market.health(state=EVIL, cause=EVIL, node="pricing")
    market.quote("SPY", conditions=(EVIL,), tape=EVIL)
    market.say(like(STATUS, symbol="SPY", state=EVIL, cause=EVIL))
    market.say(like(DECISION, symbol="SPY", action=EVIL, side=EVIL, client="c", reasons=(EVIL,), limit_price=1e308))
    market.say(like(DECISION, symbol=EVIL, client="d"))
    market.quote("SPY", bid_price=float("nan"), ask_price=float("inf"))
    market.quote("SPY", bid_price=-1e308, ask_price=1e308)
    html = render_page(collected(market.entries), EVIL, [("host", EVIL)])
    parts = _Parts(html)
    assert not parts.tags & {"img", "link", "iframe", "object", "use", "image"}
    assert (html.count("<script"), html.count(f"<script>{SCRIPT}</script>")) == (1, 1), "ours, and no other"
    assert f"script-src '{SCRIPT_HASH}'\"" in html
    assert all(value.startswith("#") for value in parts.values)
    assert "\x1b" not in html
    assert not re.search(
        r"https?:|url\(|@import|nan|inf(?![a-z])", re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|Inf", "", html)
    )


@pytest.mark.parametrize("entries", [day().entries[:1], day().entries[:4], day().entries])
def test_any_length_gives_a_page(entries: list[Captured]) -> None:
    html = render_page(collected(entries, 1_100), "t", [])
    assert html.count("<svg") == html.count("</svg>") >= 4
    assert len(html) < 400_000


def test_ticks_are_round_and_few() -> None:
    assert choose_value_ticks(554.6, 555.3) == pytest.approx([554.6, 554.8, 555.0, 555.2])
    assert all(len(choose_value_ticks(1.0, 1.0 + 10.0**power)) <= 7 for power in range(-4, 6))
    ticks = choose_time_ticks(0, 8 * 3600 * NS_PER_S)
    assert len(ticks) <= 10
    assert all(tick % (3600 * NS_PER_S) == 0 for tick in ticks)


def test_verb_writes_the_page_beside_the_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = write(day().entries, tmp_path / "day.mcap")
    assert run([str(capture)]) == 0
    assert "day.html" in capsys.readouterr().out
    html = (tmp_path / "day.html").read_text()
    assert '<a href="#SPY">SPY</a>' in html
    assert run([str(capture), "-o", str(tmp_path / "one.html"), "--symbols", "qqq"]) == 0
    assert 'id="SPY"' not in (tmp_path / "one.html").read_text()
    capture.write_bytes(capture.read_bytes()[:-200])
    assert run([str(capture)]) in (0, 3)
    with pytest.raises(FileNotFoundError):
        run([str(tmp_path / "none.mcap")])
