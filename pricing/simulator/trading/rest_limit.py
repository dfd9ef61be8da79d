"""How many requests each key may make in a minute, and the headers that say so. Pure.

A minute is one of the clock's, for every key. Source: the headers of Alpaca's market-data reference; users report
answers without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

MINUTE_NS = 60_000_000_000
MOST_KEYS = 10_000


class Counted(NamedTuple):
    """Whether a request is within the limit, and the headers of its answer."""

    is_allowed: bool
    headers: Mapping[str, str]


class RestLimit:
    """Requests of each key in this minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._used: dict[str, int] = {}

    def count(self, key: str, per_minute: int, utc_ns: int) -> Counted:
        """Count a request of this key. With a limit of 0 every one is allowed and there are no headers."""
        if not per_minute:
            return Counted(True, {})
        if self._minute != utc_ns // MINUTE_NS or len(self._used) > MOST_KEYS:
            self._minute, self._used = utc_ns // MINUTE_NS, {}
        used = self._used[key] = self._used.get(key, 0) + 1
        headers = {
            "X-RateLimit-Limit": str(per_minute),
            "X-RateLimit-Remaining": str(max(0, per_minute - used)),
            "X-RateLimit-Reset": str((self._minute + 1) * 60),
        }
        return Counted(used <= per_minute, headers)
