"""Values at the extremes of an event's field, whether they can be read or not."""

from __future__ import annotations

import os
from math import inf, nan
from typing import Any, get_args

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import Event

ALL = os.environ.get("QUOTEBUS_EXTREMES") == "all"
"""`make poison` tries every one; the test suite one of each kind."""
INTS = (0, -1, 1, 2**31, 2**60, 2**63 - 1, 2**64 - 1, -(2**63)) if ALL else (0, -1, 2**60, 2**64 - 1)
FLOATS = (0.0, -1.0, 1e-300, 1e308, inf, -inf, nan, None) if ALL else (0.0, 1e308, nan, None)
TEXTS = ("", "QQQ", "x" * 100_000)
WORDS = ("", "QQQ", "x" * 1_000, "streaming", "stopped", "bad_request", "client_conflict", "pricing.orders",
         "pricing-000000")  # fmt: skip
MORE_WORDS = ("x", "x" * 100_000, "halted", "stale", "refused", "released", "pending", "suspect", "standby", "too_many",
              "rate_limited")  # fmt: skip


def extremes(kind: Any, name: str, honest: Event) -> tuple[Any, ...]:
    """Values for a field of this type."""
    kinds = {kind, *get_args(kind)}
    if name.endswith("_ns"):
        seconds = (3, 600, 3600) if ALL else (3, 3600)
        return (*INTS, *(honest.published_ns + sign * each * NS_PER_S for sign in (1, -1) for each in seconds))
    if any(one is float or float in get_args(one) for one in kinds):
        return FLOATS
    if any(one is int or int in get_args(one) for one in kinds):
        return INTS
    if name == "symbols":
        return ((), ("QQQ",), ("",), ("SPY",) * 10_001, tuple(f"S{number}" for number in range(10_000 if ALL else 100)))
    if name == "channels":
        return ((), ("trades",), ("x",))
    if name == "halts":
        return ((), (("SPY", 2**62),) * 2)
    if kind is bool:
        return (True, False)
    words = (*WORDS, REPLAYED + honest.source, *(MORE_WORDS if ALL else ()))
    return words if name in ("state", "cause", "node", "source", "event", "client") else TEXTS
