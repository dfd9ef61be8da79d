"""What the page shows, folded from messages: states, causes, losses, reasons, and what is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Event
from quotebus.bus.serve.page_messages import (
    make_activity,
    make_head,
    make_programs,
    make_sparks,
    make_symbol,
    make_timeline,
)
from quotebus.bus.serve.page_stream import PageComposer, PageVersions
from quotebus.bus.serve.state import PageState, Picture
from quotebus.bus.tap.escape import encode_json_line
from quotebus.bus.tap.message_reader import ReceivedFrame
from tests.support.samples import COUNTERS, DECISION, HEALTH, QUOTE, REQUESTED, STATUS, UTC_NS, like
from tests.support.tap import EVIL

FIELDS = (
    *("symbol", "bid", "bid_size", "ask", "ask_size", "spread", "quote_ms", "per_s", "state", "cause", "usable"),
    *("reasons", "clients", "replayed", "since_s"),
)


class Story:
    """A page's state, told one event after another; time is the events' own."""

    def __init__(self) -> None:
        self.now_ns = UTC_NS
        self.state = PageState("tcp://127.0.0.1:5571", UTC_NS)
        self._seq = 100

    def tell(self, *events: Event, after_ns: int = NS_PER_MS, late_ns: int = 0) -> None:
        for event in events:
            self.now_ns += after_ns
            self._seq += 1
            stamped = like(event, seq=self._seq, published_ns=self.now_ns - late_ns)
            self.state.take([ReceivedFrame(codec.encode(stamped), self.now_ns)])

    def look(self, after_ns: int = 0, connected: bool = True) -> Picture:
        self.now_ns += after_ns
        return self.state.look(self.now_ns, connected)

    def live(self) -> None:
        """A line that streams, and one good price."""
        self.tell(HEALTH, STATUS, QUOTE, COUNTERS)
        self.tell(like(STATUS, last_quote_seq=self._seq - 1, last_quote_ns=self.now_ns - NS_PER_MS))

    def rows(self) -> dict[str, dict[str, Any]]:
        found = [dict(zip(FIELDS, row, strict=True)) for row in self.state.rows.since(0)["rows"]]  # type: ignore[attr-defined]
        return {row["symbol"]: row for row in found}


def texts_of(value: Any) -> Iterator[str]:
    """Every text in plain values, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from texts_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_live_price_is_shown_as_usable(story: Story) -> None:
    story.live()
    picture = story.look()
    row = story.rows()["SPY"]
    assert (row["bid"], row["ask"], row["state"], row["usable"]) == (687.25, 687.27, "live", "yes")
    assert (picture.usable, picture.ready.ready, picture.healthy.ready) == (1, True, True)
    head = make_head(story.state, picture, "run")
    assert (head["current"], head["lines"][0]["tone"], head["lines"][0]["state"]) == (True, "good", "streaming")


def test_a_line_that_is_cut_makes_every_price_unusable_and_not_ready(story: Story) -> None:
    story.live()
    story.tell(like(HEALTH, state="backing_off", cause="reset", since_ns=story.now_ns))
    picture = story.look()
    row = story.rows()["SPY"]
    assert (row["state"], row["usable"], row["reasons"]) == ("live?", "no", ["not_streaming"])
    assert not picture.ready.ready
    assert "backing_off (reset)" in picture.ready.why
    tracks = {track["node"]: track["spans"] for track in make_timeline(story.state.timeline)["tracks"]}
    assert [(span["state"], span["cause"], span["tone"]) for span in tracks["pricing"]] == [
        ("streaming", "demand", "good"),
        ("backing_off", "reset", "bad"),
    ]
    assert tracks["pricing"][1]["means"].startswith("the connection broke")


@pytest.mark.parametrize(("connected", "says"), [(True, "nothing heard for 4 s"), (False, "not connected to the bus")])
def test_a_bus_that_is_not_heard_is_not_shown_as_it_was(story: Story, connected: bool, says: str) -> None:
    story.live()
    story.look()
    picture = story.look(4 * NS_PER_S, connected)
    row = story.rows()["SPY"]
    assert (row["usable"], row["reasons"][0], row["state"]) == ("no", "not_heard", "live?")
    assert (picture.usable, picture.ready.ready, picture.healthy.ready) == (0, False, False)
    assert says in picture.ready.why
    head = make_head(story.state, picture, "run")
    assert (head["current"], head["lines"][0]["tone"], head["lines"][0]["state"]) == (False, "blind", "streaming?")
    watcher = make_timeline(story.state.timeline)["tracks"][0]
    assert [span["state"] for span in watcher["spans"]] == ["hearing", "deaf"]


def test_a_page_that_is_behind_says_so(story: Story) -> None:
    story.live()
    story.tell(like(HEALTH, since_ns=HEALTH.since_ns), COUNTERS, after_ns=2 * NS_PER_S, late_ns=1_900 * NS_PER_MS)
    picture = story.look()
    assert picture.currency.behind
    assert story.rows()["SPY"]["reasons"][0] == "page_behind"
    assert "behind by" in make_head(story.state, picture, "run")["trouble"]


def test_a_node_that_is_killed_is_silent_and_its_past_stays(story: Story) -> None:
    story.live()
    for _ in range(4):
        story.tell(COUNTERS, after_ns=NS_PER_S)
        story.look()
    picture = story.look()
    assert "silent" in picture.ready.why
    spans = make_timeline(story.state.timeline)["tracks"][1]["spans"]
    assert [span["state"] for span in spans] == ["streaming", "silent"]
    story.tell(like(HEALTH, source="pricing-ffffff", state="connecting", since_ns=story.now_ns))
    spans = make_timeline(story.state.timeline)["tracks"][1]["spans"]
    assert [span["state"] for span in spans] == ["streaming", "silent", "connecting"]
    starts = [span["start"] for span in spans]
    assert starts == sorted(starts)


def test_clients_that_ask_where_no_node_is_heard_are_not_served(story: Story) -> None:
    story.tell(REQUESTED)
    assert story.look().ready.why == "1 clients ask for symbols, and no pricing node is heard"
    assert not story.look().ready.ready


def test_no_demand_needs_no_line(story: Story) -> None:
    story.tell(like(HEALTH, state="idle", cause="no_demand", desired=0, acknowledged=0, live=0))
    assert story.look().ready.ready


def test_an_idle_line_beside_demand_is_not_ready(story: Story) -> None:
    story.tell(like(HEALTH, state="standby", cause="other_node", node="second", source="pricing-bbbbbb"), HEALTH)
    assert story.look().ready.ready
    story.tell(like(HEALTH, state="suspect", cause="no_life"))
    assert not story.look().ready.ready


def test_decisions_keep_their_reasons_and_repeated_ones_are_one(story: Story) -> None:
    story.tell(*[like(DECISION, action="refuse", limit_price=None, reasons=("halted", "not_live"))] * 3)
    story.tell(like(DECISION, side="sell"))
    sell, refused = make_activity(story.state.activity)["decisions"]
    assert (refused["times"], refused["reasons"], refused["action"]) == (3, ["halted", "not_live"], "refuse")
    assert sell["times"] == 1


def test_losses_of_programs_are_named(story: Story) -> None:
    story.tell(like(COUNTERS, counters={"lost": 3, "send_dropped": 2, "quotes": 7, "conflated": 9}))
    (program,) = make_programs(story.state.view, story.look().shown)["programs"]
    assert program["losses"] == {"dropped": 2, "lost": 3}
    assert program["counters"] == {"lost": 3, "send_dropped": 2, "quotes": 7, "conflated": 9}


def test_history_has_the_seconds_that_were_watched_and_their_answers(story: Story) -> None:
    story.live()
    for _ in range(3):
        story.tell(HEALTH, after_ns=NS_PER_S)
        story.look()
    story.tell(like(HEALTH, state="backing_off", cause="reset"), after_ns=NS_PER_S)
    story.look()
    shown = make_symbol(story.state, story.state.explain("SPY", story.now_ns))
    answers = [answer for _, _, _, answer in shown["history"]]
    assert answers[-4:] == [1, 1, 1, 3]
    assert set(answers[:-5]) == {0}
    assert shown["why"]["answer"] == "no"
    prices, _ = make_sparks(story.state, ["SPY", "NONE"], story.now_ns)["lines"]["SPY"]
    assert prices[-1] == pytest.approx(687.26)


def test_text_from_the_bus_is_escaped_and_cut_wherever_it_is_shown(story: Story) -> None:
    markup = f"<img src=x onerror=alert(1)>{EVIL}"
    story.live()
    story.tell(
        like(HEALTH, detail=markup * 50, feed=markup, state=markup[:20], cause=markup[:20]),
        like(STATUS, cause=markup, symbol="EVIL", state=markup),
        like(COUNTERS, program=markup, counters={markup: 1}),
        like(DECISION, reasons=(markup * 20,) * 50, action=markup, decided_by="x", side=markup),
    )
    picture = story.look()
    composer = PageComposer("run")
    composer.take(picture)
    events, _ = composer.compose(story.state, PageVersions())
    told = [json.loads(line[6:]) for line in events.decode().split("\n") if line.startswith("data: ")]
    told.append(json.loads(encode_json_line(make_symbol(story.state, story.state.explain("EVIL", story.now_ns)))))
    texts = list(texts_of(told))
    assert [text for text in texts if "onerror" in text]
    assert not [text for text in texts if not text.isprintable()]
    assert max(map(len, texts)) <= 400
    assert len(events) < 100_000


def test_a_slow_page_gets_what_is_there_and_not_what_was(story: Story) -> None:
    story.live()
    composer = PageComposer("run")
    composer.take(story.look())
    events, had = composer.compose(story.state, PageVersions())
    assert b'"full":true' in events
    for step in range(20):
        story.tell(like(QUOTE, bid_price=600.0 + step), after_ns=300 * NS_PER_MS)
        composer.take(story.look())
    events, has = composer.compose(story.state, had)
    assert events.count(b'["SPY",') == 1
    assert b'["SPY",619.0,' in events
    composer.take(story.look())
    assert b"event: rows" not in composer.compose(story.state, has)[0]
