"""The reports of `format_rate` and `delay`, as lines of text and as plain values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from quotebus.bus.process.units import format_clock, format_duration, format_rate, format_size
from quotebus.bus.tap.delays import HopDelay
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.message_reader import ReceivedMessage
from quotebus.bus.tap.rates import Rates


@dataclass(frozen=True, slots=True)
class TopicRate:
    """One topic. `per_s` covers the last seconds, `mean_per_s` all of them; `missing` messages did not arrive here."""

    topic: str
    messages: int
    bytes: int
    per_s: float
    mean_per_s: float
    missing: int


class TopicRates:
    """How often each topic was received, and how many of its messages are missing."""

    def __init__(self) -> None:
        self.rates: Rates[str] = Rates()
        self._missing: dict[str, int] = {}

    def take(self, heard: ReceivedMessage) -> None:
        """One message."""
        self.rates.count(heard.topic, heard.octets, heard.received_ns)
        if heard.missing and heard.topic in self.rates.total:
            self._missing[heard.topic] = self._missing.get(heard.topic, 0) + heard.missing

    @property
    def missing(self) -> int:
        """Missing messages of all reported topics together."""
        return sum(self._missing.values())

    def find_busiest(self, count: int, now_ns: int) -> list[TopicRate]:
        """The topics with the most messages at `now_ns`."""
        self.rates.at(now_ns)
        totals = self.rates.total
        names = sorted(totals, key=lambda topic: (-totals[topic], topic))[:count]
        return [
            TopicRate(
                topic,
                totals[topic],
                self.rates.total_bytes[topic],
                self.rates.per_s(topic),
                self.rates.mean_per_s(topic, now_ns),
                self._missing.get(topic, 0),
            )
            for topic in names
        ]


def format_rates(rows: Sequence[TopicRate], rates: TopicRates, now_ns: int, lost: int, width: int) -> list[str]:
    """A heading, one line per topic, and the total; long topics are cut to fit `width` columns."""
    per_s, octets_per_s = rates.rates.all_per_s()
    room = max(32, min(width - 46, max((len(row.topic) for row in rows), default=0)))
    lines = [f"{'TOPIC':<{room}} {'MESSAGES':>9} {'RATE/s':>8} {'MEAN/s':>8} {'BYTES':>8} {'MISSING':>8}"]
    lines += [
        f"{clean(row.topic, room):<{room}} {row.messages:>9} {format_rate(row.per_s):>8} "
        f"{format_rate(row.mean_per_s):>8} {format_size(row.bytes):>8} {row.missing:>8}"
        for row in rows
    ]
    hidden = len(rates.rates.total) - len(rows)
    more = f", {hidden} more topics" if hidden > 0 else ""
    speed = f"now {format_rate(per_s)}/s, {format_size(octets_per_s)}/s"
    lines.append(f"{format_clock(now_ns)}Z  {rates.rates.messages} messages{more}, {speed}, missing {lost}")
    return lines


def make_rate_record(rows: Sequence[TopicRate], rates: TopicRates, now_ns: int, lost: int) -> dict[str, Any]:
    """One report as plain values."""
    per_s, octets_per_s = rates.rates.all_per_s()
    return {
        "now_ns": now_ns,
        "messages": rates.rates.messages,
        "per_s": per_s,
        "bytes_per_s": octets_per_s,
        "missing": lost,
        "topics": [asdict(row) for row in rows],
        "topics_in_all": len(rates.rates.total),
    }


def format_delays(hops: Sequence[HopDelay], now_ns: int, what: str) -> list[str]:
    """A heading and one line a hop."""
    lines = [f"{'KIND':<9} {'HOP':<21} {'COUNT':>8} {'MIN':>8} {'P50':>8} {'P99':>8} {'MAX':>8}"]
    lines += [
        f"{clean(hop.kind, 9):<9} {hop.hop:<21} {hop.count:>8} {format_duration(hop.min_ns):>8} "
        f"{format_duration(hop.p50_ns):>8} {format_duration(hop.p99_ns):>8} {format_duration(hop.max_ns):>8}"
        for hop in hops
    ]
    note = "; two clocks differ where a minimum is negative" if any(hop.min_ns < 0 for hop in hops) else ""
    lines.append(f"{format_clock(now_ns)}Z  {what}{note}")
    return lines


def make_delay_record(hops: Sequence[HopDelay], now_ns: int, what: str) -> dict[str, Any]:
    """One report as plain values."""
    return {"now_ns": now_ns, "of": what, "hops": [asdict(hop) for hop in hops]}


def describe_unreadable(unreadable: dict[str, int]) -> str:
    """`3 messages could not be read (malformed 2, version 1)`; empty when all could."""
    count = sum(unreadable.values())
    kinds = ", ".join(f"{clean(kind, 20)} {number}" for kind, number in sorted(unreadable.items()))
    return f"{count} message{'s' if count != 1 else ''} could not be read ({kinds})" if count else ""
