"""`list`, `info`, `bw` and `pub`; lines that fit; a tap that was starved says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Counters, TradeIntent
from quotebus.bus.tap import source
from quotebus.bus.tap.freshness import Currency
from quotebus.bus.tap.heard_topics import MAX_SOURCES, HeardTopics, format_info, format_list
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.output import RefreshedReport, wrap_line
from quotebus.bus.tap.price_history import PriceHistory
from quotebus.bus.tap.program import main
from quotebus.bus.tap.settings import DelaySettings, EchoSettings, PubSettings
from quotebus.bus.tap.snapshot import take_snapshot
from quotebus.bus.tap.top.controls import Controls
from quotebus.bus.tap.top.table import render_snapshot
from quotebus.bus.tap.verbs.pub import make_event
from tests.support.bus import NOBODY, running_broker, set_environment
from tests.support.eventlog import EventLog
from tests.support.programs import eventually
from tests.support.samples import HEALTH, QUOTE, STATUS, like
from tests.support.tap import STORY, capture, messages, told


def test_topics_publishers_and_sizes_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(capture(tmp_path, *STORY))
    assert main(["list", "--file", file]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in listed)
    assert [line.split()[:2] for line in listed if line.startswith("quote.")] == [["quote.SPY", "Quote"]]
    assert main(["info", "quote.SPY", "--file", file]) == 0
    said = capsys.readouterr().out
    assert "pricing-3f9c2a: 2 messages, #10" in said
    assert "missing    1, late or repeated 0" in said
    assert "bid_price" in said
    assert main(["bw", "--file", file, "--rows", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["info", "trade.NONE", "--file", file]) == 124


def test_made_up_publishers_are_counted_together() -> None:
    heard = HeardTopics()
    for message in MessageReader().read(messages(*(like(QUOTE, source=f"made-up-{n}") for n in range(50)))):
        heard.take(message)
    assert len(heard.topics["quote.SPY"].sources) == MAX_SOURCES
    assert "and 34 messages of more" in "\n".join(format_info(heard.topics["quote.SPY"], 0, NS_PER_S))
    assert " 16+" in format_list(heard, NS_PER_S)[1]


@pytest.mark.parametrize("words", ["intent SPY buy 10", "intent SPY sell all", "counters orders=3 errors=0"])
def test_what_may_be_published(words: str) -> None:
    event = make_event(PubSettings(tap_what=words.split()))
    assert isinstance(event, TradeIntent | Counters)


@pytest.mark.parametrize(
    "words",
    ["", "quote SPY 1 2", "health up", "intent SPY", "intent SPY hold 1", "intent SPY buy -1", "intent SPY buy all",
     "intent sp*y buy 1", "counters", "counters x", "counters x=-1", "counters X=1", "counters x=9999999999999999999"],
)  # fmt: skip
def test_what_may_not_is_one_line_and_78(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pub", *words.split()])
    assert (ended.value.code, capsys.readouterr().err.count("\n")) == (78, 1)


def test_an_intent_arrives(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with running_broker() as settings:
        log = EventLog(settings.bus_subscribe_url, b"intent.", b"counters.")
        set_environment(monkeypatch, settings)
        assert main(["pub", "intent", "spy", "buy", "10", "--within-s", "5"]) == 0
        assert main(["pub", "counters", "orders=3", "--program", "script"]) == 0
        eventually(lambda: log.all(TradeIntent) and log.all(Counters, lambda each: each.program == "script"))
        (intent,), (counters,) = log.all(TradeIntent), log.all(Counters, lambda each: each.program == "script")
        log.close()
    assert (intent.symbol, intent.side, intent.qty) == ("SPY", "buy", 10.0)
    assert (counters.program, counters.counters) == ("script", {"orders": 3})
    assert "published an intent: symbol SPY" in capsys.readouterr().out


def test_nobody_to_publish_to_is_124(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, NOBODY)
    monkeypatch.setattr("quotebus.bus.tap.verbs.pub.WAIT_S", 0.3)
    assert main(["pub", "counters", "a=1"]) == 124
    assert "no broker took it" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 80, 100])
def test_a_long_line_is_wrapped_and_nothing_of_it_is_lost(width: int) -> None:
    line = "14:30:00.123 " + " ".join(f"word{number}" * (number % 5 + 1) for number in range(40)) + " " + "x" * 150
    wrapped = wrap_line(line, width)
    assert max(map(len, wrapped.splitlines())) <= width
    assert wrapped.replace("\n", "").replace(" ", "") == line.replace(" ", "")


def test_reports_in_a_pipe_follow_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    shown = RefreshedReport()
    shown.show(["one", "two"])
    shown.show(["three"])
    assert capsys.readouterr().out == "one\ntwo\n\nthree\n\n"


def test_delay_is_not_given_less_cpu_than_what_it_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered: list[int] = []
    monkeypatch.setattr(source, "lower_priority", lowered.append)
    for settings, gather_ms in ((DelaySettings(), 0), (EchoSettings(), 50), (DelaySettings(nice=5), 0)):
        source.open_source(settings, [b"x."], gather_ms).close()
    assert lowered == [20, 5]


@pytest.mark.parametrize(
    ("currency", "state", "says"),
    [
        (Currency(True, 0, 0, 0, 0), "live", ""),
        (Currency(False, 0, 0, 0, 0), "live?", "not connected to the bus"),
        (Currency(True, 0, 2 * NS_PER_S, 0, 0), "live?", "behind by 2.0 s"),
        (Currency(True, 0, 0, 2 * NS_PER_S, 13), "live", "starved: this program had no CPU for 2.0 s"),
    ],
)
@pytest.mark.parametrize("width", [80, 100, 130, 160])
def test_top_says_how_far_it_can_be_believed(currency: Currency, state: str, says: str, width: int) -> None:
    view, intake, now_ns = told(HEALTH, STATUS, QUOTE)
    history = PriceHistory()
    for second in range(60, -1, -1):
        sampled = take_snapshot(view, intake, now_ns, "x", True).rows
        history.sample(sampled, now_ns - second * NS_PER_S)
    shown = take_snapshot(view, intake, now_ns, "x", currency.connected, currency=currency)
    lines = [line.plain for line in render_snapshot(shown, Controls(), width, history=history)]
    assert max(map(len, lines)) <= width
    assert any(line.startswith(says) for line in lines) if says else True
    row = next(line for line in lines if line.startswith("SPY"))
    assert state in row.split()
    assert ("▄" in row) == (width in (100, 160))


def test_top_says_since_when_a_price_may_not_be_used() -> None:
    view, intake, now_ns = told(HEALTH, STATUS, QUOTE, like(STATUS, state="halted", cause="halt", halt="halted"))
    history = PriceHistory()
    history.sample(take_snapshot(view, intake, now_ns, "x", True).rows, now_ns - 42 * NS_PER_S)
    shown = take_snapshot(view, intake, now_ns, "x", True)
    row = next(
        line.plain for line in render_snapshot(shown, Controls(), 80, history=history)[1:] if "SPY" in line.plain
    )
    assert "not_live 42.0s" in row
