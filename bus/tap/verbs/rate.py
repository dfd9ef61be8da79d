"""`quotebus tap rate`: messages per second by topic, and how many are missing."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.clock import seconds
from quotebus.bus.tap.escape import encode_json_line
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.output import RefreshedReport, choose_width
from quotebus.bus.tap.reports import TopicRates, describe_unreadable, format_rates, make_rate_record
from quotebus.bus.tap.selected import load_selection
from quotebus.bus.tap.settings import NOTHING_HEARD, RateSettings
from quotebus.bus.tap.source import close_source, open_source, read_batches

PROGRAM = "quotebus tap rate"


def run(argv: Sequence[str]) -> int:
    """A report every `--every` seconds; of a capture, one at its end. 124 when nothing was heard."""
    settings, selection = load_selection(RateSettings, argv, PROGRAM)
    source = open_source(settings, selection.prefixes())
    intake, rates = MessageReader(all_acknowledgements=not settings.topics), TopicRates()

    shown = RefreshedReport()

    def report() -> None:
        now_ns = source.now_ns
        rows, lost = rates.find_busiest(settings.rows, now_ns), rates.missing
        if settings.as_json:
            print(encode_json_line(make_rate_record(rows, rates, now_ns, lost)), flush=True)
        else:
            shown.show(format_rates(rows, rates, now_ns, lost, choose_width(None)))

    reports, live = 0, source.connected is not None
    next_ns = source.now_ns + seconds(settings.every_s)
    rates.rates.at(source.now_ns) if live else None
    try:
        for batch in read_batches(source, settings.for_s, min(0.25, settings.every_s)):
            for heard in intake.read(source.pace(batch)):
                if selection.topic(heard.topic) and selection.event(heard.event):
                    rates.take(heard)
            if live and source.now_ns >= next_ns:
                next_ns += seconds(settings.every_s)
                report()
                reports += 1
                if settings.count is not None and reports >= settings.count:
                    break
        if not live and rates.rates.messages:
            report()
    finally:
        close_source(PROGRAM, source, describe_unreadable(intake.unreadable))
    return 0 if rates.rates.messages else NOTHING_HEARD
