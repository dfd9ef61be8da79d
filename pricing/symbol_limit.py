"""Which symbols fit under the upstream's symbol limit, configured or learned, and which are tried beyond it. Pure.

The limit counts (symbol, channel) pairs of quotes and trades. After a refusal more is tried again after a release or a
minute: first one symbol, then two, four and so on, as long as the upstream accepts them. Each stays `evicted` until it
is accepted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.demand import SymbolDemand, admit, rank

PROBE_EVERY_NS = 10 * NS_PER_S
"""The shortest time between two tries."""
PATIENCE_NS = 60 * NS_PER_S
"""Without a release, more is tried after this time: the account's plan may have been upgraded."""


@dataclass(slots=True)
class Admitted:
    """Symbols to subscribe to, `tried` of them beyond the learned limit. `spare`: pairs left, None: no limit."""

    wanted: dict[str, SymbolDemand]
    tried: frozenset[str] = frozenset()
    spare: int | None = None


@dataclass(slots=True)
class SymbolLimit:
    """The limit in force. `configured` is None for no limit, `learned` is None until a refusal has shown one."""

    configured: int | None
    learned: int | None = None
    _trying: int = 0
    _probe_wanted: bool = False
    _next_probe_ns: int = 0
    _patience_ns: int = 0
    _crowded: bool = field(default=False)

    @property
    def limit(self) -> int | None:
        """The lower of configured and learned limit, in (symbol, channel) pairs; None for no limit."""
        limits = [limit for limit in (self.configured, self.learned) if limit is not None]
        return min(limits, default=None)

    def fits(self, pairs: int) -> bool:
        """Whether this many pairs are within the limit."""
        return self.limit is None or pairs <= self.limit

    def spare(self, pairs: int) -> int | None:
        """How many pairs are left beside these; None for no limit."""
        return None if self.limit is None else self.limit - pairs

    def forget(self) -> None:
        """Start over on a connection from idle: what the last one showed may have changed."""
        self.learned = None
        self._trying = 0
        self._probe_wanted = False

    def on_refusal(self, pairs: int, now_ns: int) -> None:
        """The upstream accepts no more than `pairs`.

        A refusal never raises the learned limit, and one without a try lowers it: otherwise the same set would be
        requested again and again.
        """
        if self.learned is not None:
            pairs = min(pairs, self.learned if self._trying else max(0, self.learned - 1))
        self.learned = pairs
        self._trying = 0
        self._patience_ns = now_ns + PATIENCE_NS

    def on_release(self) -> None:
        """A client released something: what was refused before may be accepted now."""
        self._probe_wanted = self.learned is not None

    @property
    def is_trying(self) -> bool:
        """Whether symbols beyond the learned limit are being tried."""
        return bool(self._trying) and self.learned is not None

    def on_acknowledged(self, pairs: int) -> bool:
        """`pairs` of what is wanted are acknowledged. True when that is more than the learned limit."""
        if not self._trying or self.learned is None or pairs <= self.learned:
            return False
        self.learned = pairs
        self._trying *= 2
        return True

    def probe(self, now_ns: int) -> bool:
        """Begin to try one more symbol if it is time. True when it is."""
        wanted = self._probe_wanted or (self.learned is not None and now_ns >= self._patience_ns)
        if not wanted or self._trying or not self._crowded or now_ns < self._next_probe_ns:
            return False
        self._probe_wanted = False
        self._next_probe_ns = now_ns + PROBE_EVERY_NS
        self._patience_ns = now_ns + PATIENCE_NS
        self._trying = 1
        return True

    def admit(self, wanted: dict[str, SymbolDemand], last: Collection[str] = ()) -> Admitted:
        """Choose by priority; on a tie, first come, first served. Those of `last` give way to all others."""
        limit = self.limit
        admitted = admit(wanted, limit, last)
        self._crowded = len(admitted) < len(wanted)
        if limit is None:
            return Admitted(admitted)
        spare = limit - sum(len(demand.channels) for demand in admitted.values())
        if not self._crowded:
            self._trying = 0
        if not self._trying:
            return Admitted(admitted, spare=spare)
        waiting = {symbol: demand for symbol, demand in wanted.items() if symbol not in admitted}
        ranked = rank(waiting, last)
        tried: dict[str, SymbolDemand] = {}
        room = None if self.configured is None else self.configured - (limit - spare)
        for symbol, demand in ranked[: self._trying]:
            if room is None or len(demand.channels) <= room:
                tried[symbol] = demand
                room = None if room is None else room - len(demand.channels)
        return Admitted({**admitted, **tried}, frozenset(tried), 0)
