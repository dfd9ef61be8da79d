"""`quotebus tap info TOPIC`: who publishes a topic, how often, what its messages hold, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.tap.heard_topics import HeardTopics, format_info
from quotebus.bus.tap.settings import InfoSettings
from quotebus.bus.tap.verbs.listen import listen

PROGRAM = "quotebus tap info"


def run(argv: Sequence[str]) -> int:
    """Listen for `--for`, or through a capture, then say; 124 when nothing was heard of the topic."""
    return listen(InfoSettings, argv, PROGRAM, _format)


def _format(heard: HeardTopics, now_ns: int, _: int) -> list[str]:
    lines: list[str] = []
    for name in sorted(heard.topics):
        lines += [*([""] if lines else []), *format_info(heard.topics[name], heard.began_ns or now_ns, now_ns)]
    return lines
