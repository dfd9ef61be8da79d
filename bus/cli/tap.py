"""`quotebus tap`: the bus tap, by its own package."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.tap.program import main


def run(argv: Sequence[str]) -> int:
    """Run a verb of the tap; its exit status."""
    return main(argv)
