"""`quotebus tap echo`: print messages as they arrive, one per line."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.tap.escape import encode_json_line
from quotebus.bus.tap.event_lines import format_event, make_record
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.output import choose_width, wrap_line
from quotebus.bus.tap.reports import describe_unreadable
from quotebus.bus.tap.selected import load_selection
from quotebus.bus.tap.settings import NOTHING_HEARD, EchoSettings
from quotebus.bus.tap.source import close_source, open_source, read_batches

PROGRAM = "quotebus tap echo"
_WAIT_S = 0.25
_NEVER = 1_000_000


def run(argv: Sequence[str]) -> int:
    """Print until Ctrl-C, `--for`, `--count` or the end of the capture; 124 for fewer messages than requested."""
    settings, selection = load_selection(EchoSettings, argv, PROGRAM)
    source = open_source(settings, selection.prefixes())
    whole = not settings.topics or any(topic in ("symbols", "symbols.") for topic in settings.topics)
    intake = MessageReader(all_acknowledgements=whole)
    printed, width = 0, choose_width(settings.width, _NEVER)
    try:
        for batch in read_batches(source, settings.for_s, _WAIT_S):
            lines: list[str] = []
            for heard in intake.read(source.pace(batch)):
                if not selection.topic(heard.topic) or not selection.event(heard.event):
                    continue
                if settings.as_json:
                    lines.append(encode_json_line(make_record(heard)))
                else:
                    lines.append(wrap_line(format_event(heard), width))
                if settings.count is not None and printed + len(lines) >= settings.count:
                    break
            if lines:
                printed += len(lines)
                print("\n".join(lines), flush=True)
            if settings.count is not None and printed >= settings.count:
                return 0
    finally:
        close_source(PROGRAM, source, describe_unreadable(intake.unreadable))
    return NOTHING_HEARD if printed == 0 or settings.count is not None else 0
