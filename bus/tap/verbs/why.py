"""`quotebus tap why SYMBOL`: whether its price may be used, who asked for it, and what would change the answer."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, seconds
from quotebus.bus.errors import BadSymbol, ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.settings import die, load
from quotebus.bus.tap.escape import clean, encode_json_line
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.output import choose_width, print_lines
from quotebus.bus.tap.settings import NOT_USABLE, NOTHING_HEARD, WhySettings
from quotebus.bus.tap.source import open_source, print_remarks, read_batches
from quotebus.bus.tap.usability import ROTATION_NS, Usability
from quotebus.bus.tap.view import View
from quotebus.bus.tap.why.explain import explain, is_settled
from quotebus.bus.tap.why.text import render_explanation

PROGRAM = "quotebus tap why"
_AFTER_NS = 300 * NS_PER_MS
"""Wait this much longer once all is known: the next lease renewals show which clients ask."""
_NO_NODE_NS = 4 * NS_PER_S
"""A live node publishes its health every second."""


def run(argv: Sequence[str]) -> int:
    """Explain; 0: the price may be used, 1: it may not or the tap cannot tell, 124: nothing was received."""
    settings = load(WhySettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format)
    try:
        if not settings.symbol:
            raise ConfigError("no symbol given; for example: quotebus tap why SPY")
        symbol = topics.symbol(settings.symbol)
    except (BadSymbol, ConfigError) as error:
        die(PROGRAM, error)
    about = [topics.prefix(topic(symbol)) for topic in (topics.quote, topics.trade, topics.status)]
    source = open_source(settings, [*about, b"health.", b"symbols."])
    live = source.connected is not None
    intake, view = MessageReader(), View(max_age_ns=seconds(settings.max_age_s), focus=symbol)
    known_since_ns: int | None = None
    began_ns = source.now_ns
    try:
        for batch in read_batches(source, settings.for_s or (2 * ROTATION_NS / NS_PER_S if live else None), 0.1):
            for heard in intake.read(source.pace(batch)):
                view.take(heard)
            if not live or settings.for_s is not None:
                continue
            heard_ns = source.now_ns - (view.bus.began_ns or began_ns)
            if heard_ns >= (_NO_NODE_NS if view.book.health is None else ROTATION_NS):
                break
            if is_settled(view, symbol):
                known_since_ns = known_since_ns or source.now_ns
                if source.now_ns - known_since_ns >= _AFTER_NS:
                    break
        told = explain(view, symbol, source.now_ns)
        if settings.as_json:
            print(encode_json_line(told.to_dict()), flush=True)
        else:
            print_lines(render_explanation(told, choose_width(settings.width)))
    finally:
        print_remarks(PROGRAM, [clean(note, 500) for note in source.notes()])
        source.close()
    if not intake.heard:
        return NOTHING_HEARD
    return 0 if told.answer is Usability.YES else NOT_USABLE
