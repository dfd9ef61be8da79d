"""`quotebus tap bw`: bytes per second by topic, the largest first."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.tap.heard_topics import format_bandwidth
from quotebus.bus.tap.settings import BandwidthSettings
from quotebus.bus.tap.verbs.listen import listen

PROGRAM = "quotebus tap bw"


def run(argv: Sequence[str]) -> int:
    """Listen for `--for`, or through a capture, then show; 124 when nothing was heard."""
    return listen(BandwidthSettings, argv, PROGRAM, format_bandwidth)
