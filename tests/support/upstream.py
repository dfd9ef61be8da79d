"""A model of the upstream's subscription rules, in memory, for simulations on a virtual clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from quotebus.bus.events import Cause
from quotebus.pricing.messages import Subscription
from quotebus.pricing.subscription_set import LULDS, SIDE_CHANNELS, STATUSES, Entry

QT = ("quotes", "trades")


@dataclass
class Upstream:
    """Alpaca's rules: a set, the entire set in each answer, a limit over quotes and trades, and bad moods."""

    rng: random.Random = field(default_factory=random.Random)
    limit: int | None = None
    poisoned: frozenset[str] = frozenset()
    no_statuses: bool = False
    no_trades: bool = False
    no_lulds: bool = False
    moody: float = 0.0
    entries: set[Entry] = field(default_factory=set)

    def ask(self, message: dict) -> Cause | Subscription:  # type: ignore[type-arg]
        named = {(channel, x) for channel, symbols in message.items() if channel != "action" for x in symbols}
        if any(symbol in self.poisoned for _, symbol in named):
            return Cause.BAD_SYMBOL
        if self.no_statuses and any(channel == STATUSES for channel, _ in named):
            return Cause.NOT_ENTITLED
        if self.no_lulds and any(channel == LULDS for channel, _ in named):
            return Cause.BAD_SYMBOL  # an unknown channel
        if self.no_trades and any(channel == "trades" for channel, _ in named):
            return Cause.NOT_ENTITLED
        if message["action"] == "unsubscribe":
            self.entries -= named
        else:
            grown = self.entries | {entry for entry in sorted(named) if self.rng.random() >= self.moody}
            if self.limit is not None and sum(channel not in SIDE_CHANNELS for channel, _ in grown) > self.limit:
                return Cause.SYMBOL_LIMIT
            self.entries = grown
        if self.rng.random() < self.moody:
            self.entries.add((self.rng.choice(QT), f"EXTRA{self.rng.randrange(3)}"))
        return self.answer()

    def answer(self) -> Subscription:
        def of(channel: str) -> tuple[str, ...]:
            return tuple(sorted(symbol for kind, symbol in self.entries if kind == channel))

        return Subscription(trades=of("trades"), quotes=of("quotes"), statuses=of(STATUSES), lulds=of(LULDS))
