"""Counters of the order streams. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quotebus.pricing.simulator.records import Update

STREAM_PREFIX = "stream_"


class Streams:
    """Counters of order streams, the same as those of market data."""

    def __init__(self) -> None:
        self.upgraded_total = 0
        self.authenticated_total = 0
        self.max_simultaneous = 0

    def add(self, open_now: int) -> int:
        """Count an upgrade, with so many open now. Returns its number."""
        self.upgraded_total += 1
        self.max_simultaneous = max(self.max_simultaneous, open_now)
        return self.upgraded_total

    def state(self, streams: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """The counters and the open streams for `/state`."""
        kept = ("number", "authenticated", "listening", "opened_ns", "sent_frames", "buffered_bytes", "frozen_by")
        return {
            "streams": [{name: stream[name] for name in kept} for stream in streams],
            "upgraded_total": self.upgraded_total,
            "authenticated_total": self.authenticated_total,
            "max_simultaneous": self.max_simultaneous,
        }


def describe(update: Mapping[str, Any]) -> Update:
    """An update as the audit file lists it."""
    data = update["data"]
    return Update(data["event"], data["order"]["id"]) if data else Update("null", "")
