"""`bus-tap echo`: messages as they come, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.settings import die, load
from quotebus.bus.tap.escape import clean, json_line
from quotebus.bus.tap.event_lines import record, text_line
from quotebus.bus.tap.message_reader import Intake
from quotebus.bus.tap.reports import unreadable_note
from quotebus.bus.tap.selection import Selection
from quotebus.bus.tap.settings import NOTHING_HEARD, EchoSettings
from quotebus.bus.tap.source import batches, open_source, tell

PROGRAM = "bus-tap echo"
_WAIT_S = 0.25


def run(argv: Sequence[str]) -> int:
    """Print until told to stop, or `--for`, `--count` or the capture ends it. 124 when too little was heard."""
    settings = load(EchoSettings, argv, PROGRAM)
    try:
        selection = Selection(settings.topics, settings.symbol)
    except ValueError as error:
        die(PROGRAM, error)
    source = open_source(settings, selection.prefixes())
    whole = not settings.topics or any(topic in ("symbols", "symbols.") for topic in settings.topics)
    intake = Intake(all_acknowledgements=whole)
    printed = 0
    try:
        for batch in batches(source, settings.for_s, _WAIT_S):
            lines: list[str] = []
            for heard in intake.read(source.pace(batch)):
                if not selection.topic(heard.topic) or not selection.event(heard.event):
                    continue
                lines.append(json_line(record(heard)) if settings.as_json else text_line(heard))
                if settings.count is not None and printed + len(lines) >= settings.count:
                    break
            if lines:
                printed += len(lines)
                print("\n".join(lines), flush=True)
            if settings.count is not None and printed >= settings.count:
                return 0
    finally:
        notes = [clean(note, 500) for note in source.notes()]
        tell(PROGRAM, [*filter(None, [unreadable_note(intake.unreadable)]), *notes])
        source.close()
    return NOTHING_HEARD if printed == 0 or settings.count is not None else 0
