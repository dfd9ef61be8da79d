"""Thirty days of halts, of nodes that restart, and of a forger, on a virtual clock: who believes what, for how long.

    python -m tests.pricing.hearsay_days [--days N] [--seed N]

The node's own rules (`pricing.halts`) and a reader's (`bus.halts`) run against a market of symbols that trade in
regular hours, some of them halted for minutes, some for days. Nodes restart every few hours, half of them without the
file of the one before; clients come and go one at a time. Every five seconds a forger claims a halt: in the past,
now, in the future, just within what a node may believe. The venue is asked about trades every minute, as for a client
that wants quotes alone. Exit status 1 when a false halt outlives its disproof by more than 90 s, or a true one is
lost by all: on its own day nobody says halted, or ever the node says that the symbol trades. From the next day on a
node that knows of it by hearsay alone says that it does not know.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import dataclass, field

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, HaltKind, HaltKnowledge
from quotebus.bus.halts import KnownHalts
from quotebus.pricing.halts import PRINT_AFTER_NS, Halts, find_day
from tests.support.samples import UTC_NS

STEP_NS = 5 * NS_PER_S
REST_NS = 60 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
REGULAR_NS = 390 * 60 * NS_PER_S
"""The samples' instant is 09:30 in New York."""
BOUND_NS = 90 * NS_PER_S
SYMBOLS = [f"S{number}" for number in range(12)]
CLIENTS = 3
_TRADES = (HaltKnowledge.TRADING, HaltKnowledge.PRESUMED)
KNOWN_WITHIN_NS = 60 * NS_PER_S


@dataclass
class Truth:
    """One symbol at the exchange. `halted_ns`: since when it is halted; None while it trades."""

    halted_ns: int | None = None
    until_ns: int = 0
    resumed_ns: int = 0
    traded_ns: int = 0
    told: bool = False
    """Whether anybody was told of the halt."""


@dataclass
class Found:
    """What came of it. Times in ns."""

    forged: int = 0
    believed: int = 0
    restarts: int = 0
    halts: int = 0
    longest_false_ns: int = 0
    lost: list[str] = field(default_factory=list)


class Days:
    """`run` lets the days pass."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_ns = UTC_NS
        self.truth = {symbol: Truth(traded_ns=UTC_NS) for symbol in SYMBOLS}
        self.found = Found()
        self.clients = [KnownHalts() for _ in range(CLIENTS)]
        self._false_since: dict[tuple[object, str], int] = {}
        self._node_number = 0
        self._up_ns = UTC_NS
        self._begin_node([])

    def run(self, days: float) -> Found:
        end_ns = self.now_ns + int(days * DAY_NS)
        while self.now_ns < end_ns:
            self.now_ns += STEP_NS
            self._trade()
            if self.rng.random() < STEP_NS / (4 * 3_600 * NS_PER_S):
                self._restart()
            if self.rng.random() < STEP_NS / (8 * 3_600 * NS_PER_S):
                self.clients[self.rng.randrange(CLIENTS)] = KnownHalts()
            if self.now_ns >= self._up_ns:
                self._serve()
            self._judge()
        return self.found

    # the exchange

    @property
    def open(self) -> bool:
        day, of_day_ns = divmod(self.now_ns - UTC_NS, DAY_NS)
        return of_day_ns < REGULAR_NS and day % 7 < 5

    def _trade(self) -> None:
        for symbol, truth in self.truth.items():
            if truth.halted_ns is not None and self.now_ns >= truth.until_ns:
                truth.halted_ns, truth.resumed_ns = None, self.now_ns
                if self.now_ns >= self._up_ns:
                    self.node.on_resume(symbol, self.now_ns)
            elif truth.halted_ns is None and self.open and self.rng.random() < STEP_NS / (20 * 3_600 * NS_PER_S):
                lasts_s = self.rng.choice([300, 300, 1_800, 7_200, 3 * 86_400])
                truth.halted_ns, truth.until_ns, truth.told = self.now_ns, self.now_ns + lasts_s * NS_PER_S, False
                self.found.halts += 1
                if self.now_ns >= self._up_ns:
                    self.node.on_halt(symbol, self.now_ns, Cause.HALT)
                    truth.told = True
            if truth.halted_ns is None and self.open:
                truth.traded_ns = self.now_ns - self.rng.randrange(NS_PER_S)

    # the node

    def _begin_node(self, kept: list[object]) -> None:
        self._node_number += 1
        self.source = f"pricing-{self._node_number:06x}"
        self.node = Halts()
        self.node.restore(kept)  # type: ignore[arg-type]
        self._covered = False
        self._asked_ns = 0

    def _restart(self) -> None:
        self.found.restarts += 1
        kept: list[object] = [*self.node.list_known()] if self.rng.random() < 0.5 else []
        self._begin_node(kept)
        self._up_ns = self.now_ns + self.rng.choice([0, 1, 10]) * STEP_NS

    def _serve(self) -> None:
        answers: list[tuple[KnownHalts, dict[str, int]]] = []
        for client in self.clients:
            claims = client.choose_claims()
            answers.append((client, claims))
            for symbol, exchange_ns in claims.items():
                self.node.on_hearsay(symbol, exchange_ns, self.now_ns)
        self._forge()
        if not self._covered:
            self._covered = True
            self.node.cover_all(self.now_ns if self.rng.random() < 0.5 else None)
        elif self.node.awaits_time:
            self.node.cover_all(self.now_ns)
        self.node.forget_old_hearsay(self.now_ns)
        if self.now_ns - self._asked_ns >= REST_NS:
            self._asked_ns = self.now_ns
            for symbol, truth in self.truth.items():
                self.node.on_print(symbol, truth.traded_ns, HaltKind.REST, reopening=False)
        for client, claims in answers:
            for symbol in SYMBOLS:
                belief = self.node.belief(symbol)
                client.take(symbol, self.source, belief.halt, belief.kind, belief.exchange_ns)
                if symbol in claims and belief.halt in (HaltKnowledge.TRADING, HaltKnowledge.PRESUMED):
                    client.deny(symbol, claims[symbol])

    def _forge(self) -> None:
        rng, symbol = self.rng, self.rng.choice(SYMBOLS)
        truth, since_ns = self.truth[symbol], self.node.covered_since_ns(symbol) or self.now_ns
        exchange_ns = rng.choice(
            [
                self.now_ns,
                self.now_ns - rng.randrange(6 * 3_600) * NS_PER_S,
                self.now_ns - 3 * DAY_NS,
                self.now_ns + rng.choice([NS_PER_S, 3_600 * NS_PER_S, 300 * DAY_NS]),
                since_ns + rng.randrange(3 * NS_PER_S),
                truth.traded_ns + 1,
                2**63 - 1,
                -1,
            ]
        )
        self.found.forged += 1
        if truth.halted_ns is None:
            self.found.believed += self.node.on_hearsay(symbol, min(exchange_ns, 2**62), self.now_ns)

    # what must hold

    def _judge(self) -> None:
        observers: list[tuple[object, object]] = [("node", self.node), *enumerate(self.clients)]
        for symbol, truth in self.truth.items():
            halted = {
                name: watcher.is_halted(symbol, self.now_ns)
                if isinstance(watcher, KnownHalts)
                else self.node.belief(symbol).halt is HaltKnowledge.HALTED
                for name, watcher in observers
            }
            for name, says_so in halted.items():
                key = (name, symbol)
                provable = truth.halted_ns is None and self.open and self.now_ns >= self._up_ns
                if says_so and provable:
                    # It is disproved by the first trade that is 15 s newer than halt and claim.
                    since_ns = self._false_since.setdefault(key, self.now_ns + PRINT_AFTER_NS)
                    self.found.longest_false_ns = max(self.found.longest_false_ns, self.now_ns - since_ns)
                else:
                    self._false_since.pop(key, None)
            began_ns = truth.halted_ns
            known_for_long = began_ns is not None and truth.told and self.now_ns - began_ns > KNOWN_WITHIN_NS
            if not known_for_long or began_ns is None:
                continue
            trades = self.now_ns >= self._up_ns and self.node.belief(symbol).halt in _TRADES
            of_today = find_day(began_ns) == find_day(self.now_ns)
            if trades or (of_today and not any(halted.values())):
                self.found.lost.append(f"{symbol} at {self.now_ns}")
                truth.told = False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = Days(options.seed).run(options.days)
    print(
        f"{options.days:g} days: {found.halts} halts, {found.restarts} restarts of the node, {found.forged} claims "
        f"forged, {found.believed} believed; a false halt outlived its disproof by at most "
        f"{found.longest_false_ns / 1e9:.0f} s (bound {BOUND_NS // NS_PER_S} s); "
        f"true halts lost by all: {len(found.lost)}"
    )
    return int(found.longest_false_ns > BOUND_NS or bool(found.lost))


if __name__ == "__main__":
    sys.exit(main())
