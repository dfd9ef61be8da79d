"""`quotebus tap delay`: p50, p99 and maximum of each hop: exchange, node, bus, this tap."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.clock import seconds
from quotebus.bus.tap.delays import Delays
from quotebus.bus.tap.escape import encode_json_line
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.output import RefreshedReport
from quotebus.bus.tap.reports import describe_unreadable, format_delays, make_delay_record
from quotebus.bus.tap.selected import load_selection
from quotebus.bus.tap.settings import NOTHING_HEARD, DelaySettings
from quotebus.bus.tap.source import close_source, open_source, read_batches

PROGRAM = "quotebus tap delay"


def run(argv: Sequence[str]) -> int:
    """Report every `--every` seconds, and on everything at the end; 124 when nothing was received."""
    settings, selection = load_selection(DelaySettings, argv, PROGRAM)
    source = open_source(settings, selection.prefixes(), gather_ms=0)
    intake, in_all, lately = MessageReader(), Delays(), Delays()

    shown = RefreshedReport()

    def report(delays: Delays, what: str) -> None:
        hops = delays.list_hops()
        if settings.as_json:
            print(encode_json_line(make_delay_record(hops, source.now_ns, what)), flush=True)
        elif hops:
            shown.show(format_delays(hops, source.now_ns, what))

    reports, live = 0, source.connected is not None
    next_ns = source.now_ns + seconds(settings.every_s)
    try:
        for batch in read_batches(source, settings.for_s, min(0.25, settings.every_s)):
            for heard in intake.read(batch):
                if selection.topic(heard.topic) and selection.event(heard.event):
                    in_all.take(heard)
                    if live:
                        lately.take(heard)
            if live and source.now_ns >= next_ns:
                next_ns += seconds(settings.every_s)
                report(lately, f"last {settings.every_s:g} s")
                lately = Delays()
                reports += 1
                if settings.count is not None and reports >= settings.count:
                    break
        if in_all.list_hops() and reports != 1:
            report(in_all, "all")
    finally:
        close_source(PROGRAM, source, describe_unreadable(intake.unreadable))
    return 0 if in_all.list_hops() else NOTHING_HEARD
