"""`quotebus tap list`: the topics that are published now, what their messages are, and from how many programs."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.tap.heard_topics import format_list
from quotebus.bus.tap.settings import ListSettings
from quotebus.bus.tap.verbs.listen import listen

PROGRAM = "quotebus tap list"


def run(argv: Sequence[str]) -> int:
    """Listen for `--for`, or through a capture, then list; 124 when nothing was heard."""
    return listen(ListSettings, argv, PROGRAM, lambda heard, now_ns, _: format_list(heard, now_ns))
