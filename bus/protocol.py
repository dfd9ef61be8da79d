"""Numbers and names that both sides of the bus must agree on; `EVENTS.md` says what they are for. Pure."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Cause

HEALTH_EVERY_NS = NS_PER_S
"""A node publishes its health this often, and at every change."""

HEALTH_SILENCE_NS = 3 * NS_PER_S
"""A node whose newest health is older than this is silent: nothing of it may be trusted."""

OWN_HEALTH_SILENCE_NS = 2_500 * NS_PER_MS
"""A node that has not heard its own health for this long cannot hear its clients either. Less than their three seconds,
so that it stops its lease clock before any of them takes it for silent."""

GRACE_NS = 250 * NS_PER_MS
"""How long a message may wait for a subscription that covers it; then it is sent anyway."""

MAX_CLAIMS = 1_000
"""Halts in one request; more are ignored."""
MAX_SYMBOLS = 10_000
"""What one request may hold."""

MAX_NODE_SYMBOLS = 10_000
"""What all clients of a node may hold together: 1,200 statuses a second repeat them all within 10 s."""

MAX_STATUSES_PER_S = 1_200
"""How many symbol statuses a node repeats; those that report a change come besides."""

CHANNELS = ("quotes", "trades")
"""What a request may ask for; trading statuses of its symbols always come along."""

REFUSAL_COUNTERS: dict[str, str] = {
    cause: f"requests_{cause}"
    for cause in (Cause.BAD_REQUEST, Cause.TOO_MANY, Cause.CLIENT_CONFLICT, Cause.RATE_LIMITED)
}
"""The cause of an answer that refuses a whole request, and the counter it belongs to."""

UNDECODABLE_COUNTERS = ("undecodable", "undecodable_topic", "undecodable_malformed", "unknown_version")
"""What `count_undecodable` counts with."""


def count_undecodable(counters: dict[str, int], error: UndecodableMessage) -> bool:
    """Count a message dropped unread; True for the first of another wire version, which deserves a log line."""
    counters["undecodable"] += 1
    if error.kind != "version":
        counters[f"undecodable_{error.kind}"] += 1
        return False
    counters["unknown_version"] += 1
    return counters["unknown_version"] == 1
