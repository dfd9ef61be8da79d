"""What `list`, `info` and `bw` share: listen for a while, then print what was heard of each topic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from quotebus.bus.tap.escape import encode_json_line
from quotebus.bus.tap.heard_topics import HeardTopics
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.reports import describe_unreadable
from quotebus.bus.tap.selected import load_selection
from quotebus.bus.tap.settings import NOTHING_HEARD, ListSettings
from quotebus.bus.tap.source import close_source, open_source, read_batches

LISTEN_S = 3.0
"""On a live bus, unless `--for` says otherwise: what programs publish each second is heard by then."""
_WAIT_S = 0.25


def listen(
    kind: type[ListSettings],
    argv: Sequence[str],
    program: str,
    format_heard: Callable[[HeardTopics, int, int], list[str]],
) -> int:
    """`format_heard` makes lines of what was heard, the time, and how many rows are wanted."""
    settings, selection = load_selection(kind, argv, program)
    source = open_source(settings, selection.prefixes())
    intake, heard = MessageReader(all_acknowledgements=not settings.topics), HeardTopics()
    if source.connected is not None:
        heard.began_ns = source.now_ns
    try:
        for batch in read_batches(source, settings.for_s or LISTEN_S, _WAIT_S):
            for message in intake.read(source.pace(batch)):
                if selection.topic(message.topic) and selection.event(message.event):
                    heard.take(message)
        if settings.as_json:
            topics = [{**asdict(each), "kind": each.kind.__name__} for each in heard.topics.values()]
            print(encode_json_line({"now_ns": source.now_ns, "began_ns": heard.began_ns, "topics": topics}), flush=True)
        elif heard.topics:
            print("\n".join(format_heard(heard, source.now_ns, settings.rows)), flush=True)
    finally:
        close_source(program, source, describe_unreadable(intake.unreadable))
    return 0 if heard.topics else NOTHING_HEARD
