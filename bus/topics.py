"""The only file that builds or reads a topic: `kind.rest`, printable ASCII, at most 128 bytes.

On the wire a topic ends with a zero byte, so that a subscription to `quote.AAP` + zero never matches `quote.AAPL`.
Pure.
"""

from __future__ import annotations

import re

from quotebus.bus.errors import BadSymbol

END = b"\0"
MAX_TOPIC_BYTES = 128
REQUESTED = "symbols.requested"
ACKNOWLEDGED = "symbols.acknowledged"
ADMITTED_REQUEST_KINDS = (REQUESTED, "intent.", "decision.", "report.", "counters.", "recorder.")
"""What the broker's request endpoint lets in: a client cannot forge a quote or a health there."""
RESERVED_KINDS = ("bar", "correction", "band")
"""Kinds that nothing publishes yet; no other use may be made of them."""
REPLAYED = "replay:"
"""How the source of every replayed message begins. Its topic stays as it was."""
ORDERS = ".orders"
"""How a node's name ends in the health of its order stream."""

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./_-]{0,31}\Z")
_TOPIC = re.compile(r"[\x21-\x7e]{1,128}\Z")


def is_symbol(text: str) -> bool:
    """Whether `text` may be requested: `[A-Z0-9][A-Z0-9./_-]{0,31}`."""
    return _SYMBOL.match(text) is not None


def is_topic(text: str) -> bool:
    """Whether `text` has the form of a topic, of whatever kind."""
    return _TOPIC.match(text) is not None


def symbol(text: str) -> str:
    """The symbol in its one spelling, upper case. Raises BadSymbol."""
    upper = text.strip().upper()
    if not text.isascii() or not is_symbol(upper):  # a long s would become an S
        raise BadSymbol(text)
    return upper


def quote(of: str) -> str:
    return f"quote.{of}"


def trade(of: str) -> str:
    return f"trade.{of}"


def status(of: str) -> str:
    return f"symbol.{of}"


def health(node: str) -> str:
    return f"health.{node}"


def acknowledged(client: str) -> str:
    return f"{ACKNOWLEDGED}.{client}"


def decision(client: str) -> str:
    return f"decision.{client}"


def intent(client: str) -> str:
    return f"intent.{client}"


def report(client: str) -> str:
    return f"report.{client}"


def order(alias: str) -> str:
    return f"order.{alias}"


def recorder(name: str) -> str:
    return f"recorder.{name}"


def counters(source: str) -> str:
    return f"counters.{source.removeprefix(REPLAYED)}"


def prefix(topic: str) -> bytes:
    """The bytes before the payload, which are also the subscription to exactly this topic. Raises ValueError."""
    if not _TOPIC.match(topic):
        raise ValueError(f"not a topic: {topic[:40]!r}")
    return topic.encode("ascii") + END


def kind(topic: str) -> str:
    """`quote`, `symbols.requested`, `symbols.acknowledged`, …: what decides the event's type."""
    first, _, rest = topic.partition(".")
    return f"symbols.{rest.partition('.')[0]}" if first == "symbols" else first


def rest(topic: str) -> str:
    """What follows the kind: the symbol, client, node or source."""
    return topic[len(kind(topic)) + 1 :]
