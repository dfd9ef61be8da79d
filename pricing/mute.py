"""When silence on a connection that answers pings is suspicious: longer than the symbols' own past explains. Pure.

A suspicion proves nothing, since markets pause: `feed_watch.py` asks the venue before anything is done. It is meant to
be rare on a quiet day and to come soon where the silence is real: the bound is the longest of

- 5 s;
- 20.7 divided by the symbols' common rate: if ticks came independently, one gap in 10⁹ would be longer;
- 3 times the longest gap of the last hour, because real ticks come in bursts;
- 3 times the longest silence of the last twelve hours that was suspicious and that the venue confirmed, counted in
  ticks that were missed: there the first three were wrong;
- 3 times what the venue has confirmed of this very silence, at most an hour. It is asked at half of the others, so
  that a market that slows down or stops is not suspected while the venue has nothing newer either.

A session that is known to be closed has no suspicious silence, and each session learns for itself. Where sessions are
not known, the end of one looks like a feed that goes mute. All of it is read from what the slots hold already: the
control thread samples, the hot thread does nothing for it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import MarketSession
from quotebus.pricing.shared_state import Slot

FLOOR_NS = 5 * NS_PER_S
IMPROBABLE = 20.7
"""-ln(10⁻⁹)."""
GAP_FACTOR = 3
CONFIRMED_FACTOR = 3
HOUR_NS = 3_600 * NS_PER_S
CONFIRMED_HOURS = 12
EARLY = 50.0
"""Ticks missed after which a question to the venue is worth its request: in bursty markets the bound is far away."""
EARLY_SHARE = 0.5
"""And so is half of the bound, which is short where little is known yet."""
LEARNED_FACTOR = 2
"""What a suspicious silence was in the end counts as a gap of at most so many times its bound: a night is none."""
MINUTE_NS = 60 * NS_PER_S
LOOK_EVERY_NS = 100 * NS_PER_MS
FAST_S = 60.0
"""A rate must follow the market into its lunch lull."""
SLOW_S = 1_200.0
"""And must not be that of the last burst."""
MIN_AGE_NS = 10 * NS_PER_S
"""A symbol that has ticked for less is given the rate of one that made as few ticks in that time."""
ROUND_NS = 2 * NS_PER_S
COUNTED_PER_LOOK = 100
"""Symbols whose rates are brought up to date at one look, so that 10,000 of them cost no long stretch of the
interpreter."""


class _Rate:
    """One symbol: its count when it was last looked at, and two smoothed rates per second."""

    __slots__ = ("count", "fast", "since_ns", "slow", "updated_ns")

    def __init__(self, count: int, now_ns: int) -> None:
        self.count = count
        self.since_ns = self.updated_ns = now_ns
        self.fast = self.slow = 0.0

    def update(self, count: int, now_ns: int) -> None:
        elapsed_s = (now_ns - self.updated_ns) / NS_PER_S
        if elapsed_s <= 0:
            return
        rate = max(0, count - self.count) / elapsed_s
        self.fast += (rate - self.fast) * -math.expm1(-elapsed_s / FAST_S)
        self.slow += (rate - self.slow) * -math.expm1(-elapsed_s / SLOW_S)
        self.count, self.updated_ns = count, now_ns

    def corrected(self) -> tuple[float, float]:
        """Both rates, without the weight that smoothing gives to the time before the symbol was known."""
        age_s = max(self.updated_ns - self.since_ns, MIN_AGE_NS) / NS_PER_S
        return self.fast / -math.expm1(-age_s / FAST_S), self.slow / -math.expm1(-age_s / SLOW_S)


class TickRates:
    """How often each wanted symbol ticks; holds no more symbols than there are slots."""

    def __init__(self) -> None:
        self._rates: dict[str, _Rate] = {}
        self._round: list[str] = []
        self._round_ns = 0

    def update(self, slots: Mapping[str, Slot], now_ns: int) -> None:
        """Bring some symbols up to date, all of them in turn. Not called during a silence: rates are those before."""
        if not self._round:
            if now_ns - self._round_ns < ROUND_NS:
                return
            self._round_ns = now_ns
            self._round = list(slots)
            for gone in self._rates.keys() - slots.keys():
                del self._rates[gone]
        for _ in range(min(COUNTED_PER_LOOK, len(self._round))):
            symbol = self._round.pop()
            slot = slots.get(symbol)
            count = slot.quote_seq + slot.trade_seq if slot is not None else 0
            if not count:
                continue
            rate = self._rates.get(symbol)
            if rate is None:
                self._rates[symbol] = _Rate(count, now_ns)
            else:
                rate.update(count, now_ns)

    def skip(self, until_ns: int, for_ns: int | None = None) -> None:
        """Time that says nothing of the symbols: all since they were last counted, or so much of it."""
        for rate in self._rates.values():
            skipped_ns = until_ns - rate.updated_ns if for_ns is None else for_ns
            rate.since_ns += skipped_ns
            rate.updated_ns += skipped_ns

    def common(self, symbols: Iterable[str]) -> tuple[float, float]:
        """Ticks per second of these symbols together: over the last minute, and over the last 20."""
        known = [rate.corrected() for symbol in symbols if (rate := self._rates.get(symbol)) is not None]
        return sum(fast for fast, _ in known), sum(slow for _, slow in known)

    def busiest(self, symbols: Iterable[str], most: int) -> list[str]:
        """Of these symbols at most so many, those first that tick most."""
        ranked = [(rate.slow, symbol) for symbol in symbols if (rate := self._rates.get(symbol)) is not None]
        return [symbol for _, symbol in sorted(ranked, reverse=True)[:most]]


class Largest:
    """The largest value of the last hours, to the minute."""

    def __init__(self, hours: int) -> None:
        self._minutes = 60 * hours
        self._largest: deque[tuple[int, float]] = deque(maxlen=1 + self._minutes)

    def note(self, value: float, now_ns: int) -> None:
        """Only what is larger than all after it can ever be the largest again."""
        while self._largest and self._largest[-1][1] <= value:
            self._largest.pop()
        minute = now_ns // MINUTE_NS
        if not self._largest or self._largest[-1][0] != minute:
            self._largest.append((minute, value))

    def get(self, now_ns: int) -> float:
        oldest = now_ns // MINUTE_NS - self._minutes
        while self._largest and self._largest[0][0] < oldest:
            self._largest.popleft()
        return self._largest[0][1] if self._largest else 0.0


class Silence(StrEnum):
    """What a silence is: explained by the symbols' past, explained but long enough to ask, or not explained."""

    ORDINARY = "ordinary"
    LONG = "long"
    SUSPICIOUS = "suspicious"


class SilenceWatch:
    """One connection's silences. `last_tick_ns` is when data last came, or when the connection began to stream."""

    def __init__(self, slots: Mapping[str, Slot]) -> None:
        self.rates = TickRates()
        self.last_tick_ns: int | None = None
        self._slots = slots
        self._ticks = 0
        self._looked_ns = 0
        self._session = MarketSession.UNKNOWN
        self._confirmed = Largest(CONFIRMED_HOURS)
        self._gaps = Largest(1)
        self._suspicion: tuple[float, int] | None = None
        self._is_confirmed = False
        self._explained_ns = 0
        """The silence under way is the market's own for so long."""

    def begin(self, ticks: int, now_ns: int) -> None:
        """A connection streams. What came before it is remembered; the time without one is no gap."""
        self._ticks, self.last_tick_ns = ticks, now_ns
        self._suspicion, self._explained_ns = None, 0
        self.rates.skip(now_ns)

    def enter(self, session: MarketSession, now_ns: int) -> None:
        """The venue's day goes on with this session, in which symbols tick as they do in it."""
        if session is not self._session:
            self._session, self._suspicion, self._explained_ns = session, None, 0
            self.rates, self._gaps = TickRates(), Largest(1)
            if self.last_tick_ns is not None:
                self.last_tick_ns = now_ns

    def end(self) -> None:
        """The connection is over."""
        self.last_tick_ns = None

    def look(self, ticks: int, now_ns: int) -> bool:
        """Whether data has come since the last look; `ticks` is any count that grows with it."""
        if self.last_tick_ns is None or now_ns - self._looked_ns < LOOK_EVERY_NS:
            return False
        self._looked_ns = now_ns
        if ticks == self._ticks:
            return False
        gap_ns = now_ns - self.last_tick_ns
        if self._suspicion is not None:
            learned_ns = min(gap_ns, LEARNED_FACTOR * self._suspicion[1])
            self.rates.skip(now_ns, gap_ns - learned_ns)
            gap_ns, self._suspicion = learned_ns, None
        self._gaps.note(gap_ns, now_ns)
        self._explained_ns = 0
        self._ticks, self.last_tick_ns = ticks, now_ns
        self.rates.update(self._slots, now_ns)
        return True

    def silence_ns(self, now_ns: int) -> int:
        """How long nothing has come; 0 while the market is closed."""
        if self.last_tick_ns is None or self._session is MarketSession.CLOSED:
            return 0
        return now_ns - self.last_tick_ns

    def confirm(self, now_ns: int) -> None:
        """The venue has nothing newer either: the silence under way is the market's own."""
        self._explained_ns = min(CONFIRMED_FACTOR * self.silence_ns(now_ns), HOUR_NS)
        if self._suspicion is not None and not self._is_confirmed:
            self._is_confirmed = True
            rate, silent_ns = self._suspicion
            self._confirmed.note(rate * silent_ns / NS_PER_S, now_ns)

    def judge(self, countable: Collection[str], now_ns: int) -> Silence:
        """What the silence under way is. `countable`: the symbols that may tick now."""
        silent_ns = self.silence_ns(now_ns)
        if silent_ns <= FLOOR_NS:
            return Silence.ORDINARY
        fast, slow = self.rates.common(countable)
        rate = min(fast, slow)
        if rate <= 0:
            return Silence.ORDINARY
        # What was learned since of this very silence does not end the suspicion.
        bound_ns = self.bound_ns(rate, now_ns) if self._suspicion is None else int(IMPROBABLE / rate * NS_PER_S)
        if silent_ns > bound_ns and (self._suspicion is not None or silent_ns > self._explained_ns):
            if self._suspicion is None:
                self._suspicion, self._is_confirmed = (rate, silent_ns), False
            return Silence.SUSPICIOUS
        is_long = silent_ns * slow > EARLY * NS_PER_S or silent_ns > EARLY_SHARE * bound_ns
        return Silence.LONG if is_long else Silence.ORDINARY

    def bound_ns(self, rate: float, now_ns: int) -> int:
        """How long symbols that tick so often together may be silent."""
        missed = max(IMPROBABLE, CONFIRMED_FACTOR * self._confirmed.get(now_ns))
        return max(FLOOR_NS, int(missed / rate * NS_PER_S), int(GAP_FACTOR * self._gaps.get(now_ns)))
