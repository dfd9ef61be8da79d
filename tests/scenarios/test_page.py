"""`quotebus serve` in a real browser, by what is on the screen, while real programs move, stop and die."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from quotebus.bus import codec
from quotebus.bus.capture.report.collect import Collector
from quotebus.bus.capture.report.page import render_page
from quotebus.bus.capture.report.scale import Columns
from quotebus.bus.process.units import format_clock
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.browser import MISSING, Browser
from tests.support.market import day
from tests.support.samples import DECISION, HEALTH, STATUS, like
from tests.support.tap import EVIL
from tests.support.world import ENGINE, World

pytestmark = [pytest.mark.skipif(bool(MISSING), reason=MISSING), pytest.mark.zeromq]
SYMBOLS = ["SPY", "QQQ", "AAPL"]
_BACKGROUND = "getComputedStyle(document.documentElement).backgroundColor"


class Screen:
    """A world whose page is open in a browser."""

    def __init__(self, folder: Path, engine: str = ENGINE) -> None:
        self.world = World(folder, engine=engine)
        self.carrier = self.world.broker()
        self.world.exchange("--rate", "60")
        self.node = self.world.node()
        self.client = self.world.client("desk")
        self.client.request(SYMBOLS)
        self.served = self.world.start("quotebus", "serve", "--port", "0")
        self.url = self.served.line("quotebus serve: http://").split()[2].rstrip(",")
        self.browser = Browser(folder / "browser")
        self.browser.open(self.url)

    def close(self) -> None:
        self.browser.close()
        self.world.close()

    def cell(self, symbol: str, column: str) -> str:
        return self.browser.text(f'tr[data-symbol="{symbol}"] .c-{column}')

    def all_usable(self) -> None:
        self.browser.wait(f"document.querySelectorAll('tr.yes').length === {len(SYMBOLS)}", "every price is usable")

    def none_usable(self, why: str) -> None:
        """No row is shown as usable, and the first one says why."""
        self.browser.wait(
            "document.querySelectorAll('tr.yes').length === 0 && document.querySelectorAll('tr.no').length > 0"
            f" && document.querySelector('tr.no .c-usable').innerText.includes('{why}')",
            why,
        )


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    screen = Screen(tmp_path_factory.mktemp("page"))
    try:
        yield screen
    finally:
        screen.close()


@pytest.fixture(autouse=True)
def _as_it_was(screen: Screen) -> Iterator[None]:
    if not str(screen.browser.run("location.href")).startswith(screen.url):
        screen.browser.open(screen.url)
    screen.all_usable()
    yield
    assert screen.browser.complaints == []


def test_quotes_move_and_the_page_says_that_prices_come(screen: Screen) -> None:
    before = screen.browser.text("tbody")
    screen.browser.wait(f"document.querySelector('tbody').innerText !== {before!r}", "prices move")
    assert screen.browser.text("#verdict") == "streaming"
    assert re.fullmatch(r"\d+\.\d\d", screen.cell("SPY", "bid"))
    assert screen.cell("SPY", "state") == "live"
    assert screen.browser.run("document.title").startswith("3/3")
    screen.browser.wait("document.querySelector('.spark path') !== null", "small price lines are drawn")


def test_a_halted_symbol_says_so_and_why_on_a_key(screen: Screen) -> None:
    screen.world.control.halt("QQQ")
    screen.browser.wait("document.querySelector('tr[data-symbol=QQQ] .c-state').innerText === 'halted'")
    assert screen.cell("QQQ", "usable") == "not live"
    for key in ("/", "Q", "Q"):
        screen.browser.press(key)
    screen.browser.wait("document.querySelectorAll('tbody tr').length === 1", "the filter keeps one row")
    screen.browser.press("Enter")
    for key in ("j", "Enter"):
        screen.browser.press(key)
    screen.browser.wait("document.querySelector('#detail-reasons').innerText.includes('a halt is known')")
    assert screen.browser.text("#detail-answer") == "may not be used"
    assert "desk" in screen.browser.text("#detail-facts")
    screen.browser.wait("document.querySelector('#chart canvas') !== null", "the chart is drawn")
    screen.world.control.resume("QQQ")
    screen.browser.press("Escape")
    screen.browser.press("Escape")
    assert screen.browser.text("#detail") == ""


def test_a_cut_line_is_red_and_stands_in_the_timeline_with_its_cause(screen: Screen) -> None:
    screen.world.control.faults(refuse=True, cut=True)
    screen.none_usable("not streaming")
    screen.browser.wait("document.querySelector('#verdict').innerText === 'not ready'")
    screen.browser.wait("document.querySelector('.line .pill').className.includes('bad')")
    assert screen.cell("SPY", "state") == "live?"
    screen.browser.wait("document.querySelector('#changes').innerText.includes('connect refused')")
    assert screen.browser.run("document.querySelectorAll('.track-bar .span.bad').length") >= 1
    screen.world.control.lift_faults()
    screen.all_usable()


def test_a_killed_node_is_silent_and_the_next_one_is_taken_up(screen: Screen) -> None:
    screen.node.kill()
    screen.none_usable("health silent")
    screen.browser.wait("document.querySelector('#verdict-why').innerText.includes('silent')")
    assert [screen.cell(symbol, "state") for symbol in SYMBOLS] == ["live?"] * 3
    screen.node = screen.world.node()
    screen.all_usable()
    assert "silent" not in screen.browser.text("#verdict-why")


def test_a_bus_that_is_gone_leaves_nothing_that_looks_live(screen: Screen) -> None:
    broker = next(program for program in screen.world.programs if program.name == "quotebus")
    broker.kill()
    screen.none_usable("not heard")
    assert "ot connected to the bus" in screen.browser.text("#trouble")
    assert screen.browser.text("#verdict") == "not known"
    assert screen.cell("SPY", "state") == "live?"
    screen.browser.wait("document.querySelector('.totals dd').innerText === '–'", "no number that may be old")
    before = dict(screen.world.urls)
    screen.world.broker()
    assert screen.world.urls == before
    screen.all_usable()


def test_a_server_that_restarts_is_taken_up_and_its_absence_is_told(screen: Screen) -> None:
    port = screen.url.rstrip("/").rpartition(":")[2]
    screen.served.kill()
    screen.none_usable("not heard")
    assert "No word from quotebus serve" in screen.browser.text("#trouble")
    screen.browser.complaints.clear()  # the browser's own lines about the refused connections
    screen.served = screen.world.start("quotebus", "serve", "--port", port)
    screen.all_usable()
    screen.browser.complaints.clear()


def test_text_of_a_stranger_stays_text(screen: Screen) -> None:
    markup = f"<img src=x onerror=document.title=1><b>{EVIL}"
    events = (
        like(HEALTH, node="stranger", source="stranger-000001", detail=markup, feed=markup, state="<b>bold", desired=0),
        like(STATUS, symbol="EVIL", source="stranger-000001", cause=markup, state="<i>odd"),
    )
    with zmq.Context() as context, make(context, Role.PUBLISH) as socket:
        socket.connect(screen.world.urls["publish"])
        assert socket.poll(10_000)  # somebody subscribes
        for event in events:
            socket.send(codec.encode(event))
    screen.browser.wait("document.querySelector('#lines').innerText.includes('<b>bold')")
    assert screen.browser.run("document.querySelectorAll('main b img, main img').length") == 0
    assert "onerror" in screen.browser.text("#lines")
    assert "\u202e" not in screen.browser.text("#lines")
    screen.browser.wait("document.title !== '1'")


def test_a_phone_has_no_sideways_scroll_and_light_is_light(screen: Screen) -> None:
    screen.browser.resize(390, 844)
    screen.browser.wait("document.documentElement.scrollWidth <= 390", "nothing sticks out")
    screen.browser.wait(
        "getComputedStyle(document.querySelector('tr[data-symbol=SPY]')).display === 'grid'", "rows are cards"
    )
    before = screen.browser.run(_BACKGROUND)
    screen.browser.press("t")
    screen.browser.wait(f"getComputedStyle(document.documentElement).backgroundColor !== '{before}'")
    colours = [re.findall(r"\d+", before), re.findall(r"\d+", screen.browser.run(_BACKGROUND))]
    dark, light = sorted(sum(map(int, colour[:3])) for colour in colours)
    assert dark < 3 * 60, "near black"
    assert light > 3 * 200, "near white"
    assert screen.browser.run("document.documentElement.scrollWidth") <= 390
    screen.browser.resize(1400, 900)


def test_a_report_of_a_capture_jumps_zooms_and_tells_time(screen: Screen, tmp_path: Path) -> None:
    market = day()
    market.say(like(DECISION, symbol="SPY", reasons=("place",)), "worker-1")
    entries = market.entries
    data = Collector(Columns(entries[0].received_ns, entries[-1].received_ns, 1_100)).run(entries)
    (tmp_path / "report.html").write_text(render_page(data, "day", []))
    browser = screen.browser
    browser.open(f"file://{tmp_path}/report.html")
    browser.wait("document.querySelector('#tools:not([hidden])') !== null", "the script runs under its own policy")
    halted = next(span for span in data.symbols["SPY"].unusable if span.what == "halted")
    shaded = "document.querySelector('#p-SPY rect.halted').getBoundingClientRect()"
    crossed = "document.querySelector('#p-SPY .cross').getBoundingClientRect()"
    browser.run("document.querySelector('li.e-halt a').click()")
    assert browser.run(f"Math.abs({shaded}.left - {crossed}.left) < 2"), "the line stands where the halt begins"
    assert browser.text("#readout").startswith(format_clock(halted.begin_ns))
    browser.press("+")
    assert browser.text("#window")
    length = browser.run(f"{shaded}.width")
    browser.press("0")
    assert browser.run(f"{shaded}.width") < length, "it was zoomed"
    assert browser.text("#window") == ""
    browser.resize(390, 844)
    browser.wait("document.documentElement.scrollWidth <= 390", "a phone moves pictures, not the page")
