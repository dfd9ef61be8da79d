"""`quotebus tap top`: the bus on one screen; without a terminal, snapshots as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from quotebus.bus.clock import NS_PER_MS, seconds
from quotebus.bus.events import ConnectionHealth, Counters
from quotebus.bus.process.log import setup
from quotebus.bus.settings import load
from quotebus.bus.tap.escape import clean, encode_json_line
from quotebus.bus.tap.freshness import Freshness
from quotebus.bus.tap.message_reader import MessageReader, ReceivedFrame
from quotebus.bus.tap.newest_quotes import NewestQuotes
from quotebus.bus.tap.output import choose_width, print_lines
from quotebus.bus.tap.price_history import PriceHistory
from quotebus.bus.tap.settings import NOTHING_HEARD, TopSettings
from quotebus.bus.tap.snapshot import Snapshot, take_snapshot
from quotebus.bus.tap.source import Source, open_source, print_remarks, read_batches
from quotebus.bus.tap.top.controls import Controls, select_rows
from quotebus.bus.tap.top.screen import Screen
from quotebus.bus.tap.top.table import count_page_rows, render_screen, render_snapshot
from quotebus.bus.tap.view import View
from quotebus.bus.tap.why.explain import explain
from quotebus.bus.tap.why.text import render_explanation
from quotebus.bus.topics import REPLAYED

PROGRAM = "quotebus tap top"
_SCREEN_EVERY_S = 0.5
_PIPE_EVERY_S = 1.0
_PIPE_COLUMNS = 160
_LOOK_EVERY_NS = 250 * NS_PER_MS
"""In the stream's time: rates cover whole seconds, so a quote must be counted in the second it arrived."""


_SOON_NS = 250 * NS_PER_MS
_EMPTY_NS = 1_000 * NS_PER_MS


class Top:
    """What has been received, and snapshots of it."""

    def __init__(self, settings: TopSettings, source: Source) -> None:
        self.source = source
        self.intake = MessageReader()
        self._newest = NewestQuotes()
        self._looked_ns = 0
        self.history = PriceHistory()
        self._freshness = Freshness(source.now_ns)
        self.view = View(max_age_ns=seconds(settings.max_age_s))
        self.controls = Controls(
            sort=settings.sort,
            descending=settings.sort in ("rate", "clients", "spread", "age"),
            filter=settings.filter,
        )

    def take(self, batch: list[ReceivedFrame]) -> None:
        now_ns = self.source.now_ns
        self._freshness.look(now_ns)
        if batch:
            self._freshness.hear(now_ns)
        for heard in self.intake.read(self.source.pace(batch), self._newest):
            self.view.take(heard)
            if isinstance(heard.event, ConnectionHealth | Counters) and not heard.event.source.startswith(REPLAYED):
                late_ns = self.view.book.age_ns(heard.event, heard.received_ns)
                self._freshness.time_message(heard.event.source, late_ns, heard.received_ns)
        if batch and (self._newest.full or abs(batch[-1].received_ns - self._looked_ns) >= _LOOK_EVERY_NS):
            self._looked_ns = batch[-1].received_ns
            self._look()

    def _look(self) -> None:
        for counted in self.source.pace(self._newest.take()):
            self.view.take_quotes(
                counted.quote, counted.received_ns, counted.messages, counted.octets, renumbered=counted.renumbered
            )

    def picture(self) -> Snapshot:
        self._look()
        source = self.source
        self._freshness.note_losses(self.intake.tracker.lost, source.now_ns)
        currency = self._freshness.judge(source.now_ns, source.connected)
        shown = take_snapshot(
            self.view,
            self.intake,
            source.now_ns,
            source.origin,
            source.connected,
            source.pace,
            source.not_subscribed,
            currency,
            source.forged,
        )
        self.history.sample(shown.rows if currency.current else (), shown.now_ns)
        return shown

    def lines(self, shown: Snapshot, width: int, height: int) -> list[Text]:
        """The screen; with the panel `why`, the explanation of the symbol under the cursor."""
        panel: list[Text] = []
        if self.controls.panel == "why":
            rows = select_rows(shown.rows, self.controls)
            if rows:
                symbol = rows[min(self.controls.at, len(rows) - 1)].symbol
                panel = render_explanation(explain(self.view, symbol, self.source.now_ns), width)
        return render_screen(shown, self.controls, width, height, panel, self.source.pace, self.history)


def run(argv: Sequence[str]) -> int:
    """Show until `q`, Ctrl-C, `--for` or `--count`; 124 when nothing was received."""
    settings = load(TopSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format)
    source = open_source(settings, [b""])
    top = Top(settings, source)
    try:
        if settings.as_json or not Screen.is_possible():
            _print(top, settings)
        else:
            with Screen() as drawn:
                _draw(top, drawn, settings)
    finally:
        print_remarks(PROGRAM, [clean(note, 500) for note in source.notes()])
        source.close()
    return 0 if top.intake.heard else NOTHING_HEARD


def _print(top: Top, settings: TopSettings) -> None:
    """Print one snapshot after another; of a capture a single one, at its end."""
    every_ns = seconds(settings.every_s or _PIPE_EVERY_S)
    live, printed, fresh = top.source.connected is not None, 0, False
    next_ns = top.source.now_ns + every_ns

    def one() -> None:
        shown = top.picture()
        if settings.as_json:
            print(encode_json_line(shown), flush=True)
        else:
            width = choose_width(settings.width, _PIPE_COLUMNS)
            lines = render_snapshot(shown, top.controls, width, top.source.pace, top.history)
            print_lines([*lines, Text("")])

    for batch in read_batches(top.source, settings.for_s, min(0.25, every_ns / 1e9)):
        top.take(batch)
        fresh = True
        if live and top.source.now_ns >= next_ns:
            next_ns += every_ns
            one()
            fresh = False
            printed += 1
            if settings.count is not None and printed >= settings.count:
                return
    if fresh and (not live or printed == 0):
        one()


def _draw(top: Top, drawn: Screen, settings: TopSettings) -> None:
    every_ns = seconds(settings.every_s or _SCREEN_EVERY_S)
    source, live = top.source, top.source.connected is not None
    descriptor = drawn.fileno()
    if descriptor is not None:
        source.also_wake_on(descriptor)
    end_ns = source.now_ns + seconds(settings.for_s) if live and settings.for_s is not None else None
    began_ns, shown, size, pictures = source.now_ns, top.picture(), drawn.size, 0
    next_ns, ended = 0, False
    while not (top.controls.ended or ended):
        until_ns = next_ns if end_ns is None else min(next_ns, end_ns)
        top.take(source.read(max(0.0, min(every_ns, until_ns - source.now_ns) / 1e9) if live else every_ns / 1e9))
        keys = drawn.read_keys()
        for key in keys:
            rows = len(select_rows(shown.rows, top.controls))
            top.controls = top.controls.press(key, rows, count_page_rows(shown, *drawn.size))
        now_ns = source.now_ns
        ended = end_ns is not None and now_ns >= end_ns
        due = ended or now_ns >= next_ns if live else source.ended or not next_ns
        if not due and not keys and drawn.size == size:
            continue
        if due and not (top.controls.held and pictures):
            shown = top.picture()
        size = drawn.size
        drawn.draw(top.lines(shown, *size), source.pace)
        if due:
            empty = live and not top.intake.heard and now_ns - began_ns < _EMPTY_NS
            next_ns = now_ns + (min(every_ns, _SOON_NS) if empty else every_ns)
            pictures += not empty  # before anything can have arrived, a snapshot does not count
        if pictures == settings.count:
            return
        if descriptor is None and source.ended:
            return
