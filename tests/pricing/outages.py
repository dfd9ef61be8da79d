"""How long a node is blind after an outage, many of them, on a virtual clock: `make outages ARGS="--times 10000"`.

The session, its backoff and its budget are the real ones; sockets are not. An upstream that is away refuses, resets or
closes after the handshake at once; a black hole swallows the attempt for the 2 s that TCP has. Blind time is counted
from the end of the outage to `streaming`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Cause, ConnectionState
from quotebus.pricing.backoff import Backoff
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.session import Session

OUTAGES_S = (0.1, 0.7, 2.0, 3.0, 5.0, 9.0, 21.0, 60.0)
HANDSHAKE_NS = 60 * NS_PER_MS
"""From dial to `streaming` with an upstream that answers: TCP, TLS, HTTP, two messages."""
BLACK_HOLE_NS = 2 * NS_PER_S
SILENT_BOUND_S = 7.5
"""For outages in which an attempt fails only by its deadline."""
FIVE_CUTS = ((0.0, 0.7, 3.0), (0.0, 3.0, 3.0), (0.7, 1.0, 5.5), (3.0, 1.0, 5.5))
"""Outage, streaming between two cuts, bound; seconds."""
AT_ONCE = {
    "refused": (Cause.CONNECT_REFUSED, 2 * NS_PER_MS),
    "reset": (Cause.RESET, 20 * NS_PER_MS),
    "closed after the handshake": (Cause.CLOSED, 40 * NS_PER_MS),
}


class Node:
    """A session that is wanted all the time, and an upstream that is away when it is told to be."""

    def __init__(self, seed: int, cause: Cause, fails_after_ns: int) -> None:
        self.now_ns = NS_PER_S
        self.dials = 0
        self._cause, self._fails_after_ns = cause, fails_after_ns
        self._away_until_ns = 0
        self._dialled_ns: int | None = None
        self._closing = False
        self.session = Session(Backoff(random.Random(seed).random), lambda _: None, self._obey, linger_ns=30 * NS_PER_S)
        self.session.on_demand(self.now_ns)
        self.run_until(lambda: self.streams)

    @property
    def streams(self) -> bool:
        return self.session.state is ConnectionState.STREAMING

    def cut(self, outage_s: float) -> float:
        """The connection falls, the upstream is away for so long; the seconds it is blind beyond that."""
        assert self.streams
        self._away_until_ns = self.now_ns + int(outage_s * NS_PER_S)
        self.session.on_failure(Cause.RESET, self.now_ns, last_byte_ns=self.now_ns)
        self._close()
        self.run_until(lambda: self.streams)
        return (self.now_ns - self._away_until_ns) / NS_PER_S

    def stream_for(self, duration_s: float) -> None:
        end_ns = self.now_ns + int(duration_s * NS_PER_S)
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + NS_PER_S // 4)
            self.session.on_time(self.now_ns, self.now_ns)

    def run_until(self, done: Callable[[], bool]) -> None:
        while not done():
            self._close()
            if self._dialled_ns is not None:
                self._finish_dial()
                continue
            at_ns = self.session.next_ns(self.now_ns)
            assert at_ns is not None
            self.now_ns = max(self.now_ns + 1, at_ns)
            self.session.on_time(self.now_ns, self.now_ns)

    def _obey(self, command: SocketCommand) -> None:
        if command is SocketCommand.DIAL:
            self.dials += 1
            self._dialled_ns = self.now_ns
        elif command is SocketCommand.HANG_UP:
            self._closing = True

    def _close(self) -> None:
        if self._closing:
            self._closing = False
            self.session.on_socket_closed(self.now_ns)

    def _finish_dial(self) -> None:
        assert self._dialled_ns is not None
        dialled_ns, self._dialled_ns = self._dialled_ns, None
        if dialled_ns < self._away_until_ns:
            self.now_ns = dialled_ns + self._fails_after_ns
            self.session.on_failure(self._cause, self.now_ns)
            self.session.on_dial_ended(self.now_ns)
            return
        self.now_ns = dialled_ns + HANDSHAKE_NS
        assert self.session.on_dialled(self.now_ns)
        self.session.on_authenticated(self.now_ns)
        self.session.on_subscribed(self.now_ns, detail="")


def blind_s(cause: Cause, fails_after_ns: int, outage_s: float, times: int) -> list[float]:
    """Sorted: how long each of so many nodes was blind after one outage."""
    found = []
    for seed in range(times):
        node = Node(seed, cause, fails_after_ns)
        node.stream_for(10)
        found.append(node.cut(outage_s))
    return sorted(found)


def worst_of_five_cuts(outage_s: float, apart_s: float, times: int) -> list[float]:
    """Sorted: the longest blind spell of five cuts in a row, with so much streaming between them."""
    found = []
    for seed in range(times):
        node = Node(seed, *AT_ONCE["refused"])
        node.stream_for(10)
        spells = []
        for _ in range(5):
            spells.append(node.cut(outage_s))
            node.stream_for(apart_s)
        found.append(max(spells))
    return sorted(found)


def bound_s(outage_s: float) -> float:
    """What holds in 999 of 1,000 outages of a kind that fails at once."""
    return min(2 * outage_s + 1, 5.5)


def quantile(found: list[float], share: float) -> float:
    return found[min(len(found) - 1, int(len(found) * share))]


def show(name: str, outage_s: float, found: list[float], worst: float, bound: float) -> bool:
    """One row; whether the bound was missed."""
    missed = worst > bound
    row = f"{name:<36}{outage_s:>8g}{quantile(found, 0.5):>8.2f}{worst:>8.2f}{bound:>8.2f}"
    print(row + ("  NO" if missed else ""), flush=True)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000)
    times = parser.parse_args().times
    wrong = 0
    print(f"{'seconds blind after an outage':<36}{'outage':>8}{'p50':>8}{'p99.9':>8}{'bound':>8}")
    for name, (cause, after_ns) in AT_ONCE.items():
        for outage_s in OUTAGES_S:
            found = blind_s(cause, after_ns, outage_s, times)
            worst, bound = quantile(found, 0.999), bound_s(outage_s)
            wrong += show(name, outage_s, found, worst, bound)
    for name, cause in (("black hole, p95", Cause.CONNECT_TIMEOUT), ("DNS, p95", Cause.DNS)):
        for outage_s in OUTAGES_S:
            found = blind_s(cause, BLACK_HOLE_NS, outage_s, times)
            worst = quantile(found, 0.95)
            wrong += show(name, outage_s, found, worst, SILENT_BOUND_S)
    for outage_s, apart_s, bound in FIVE_CUTS:
        found = worst_of_five_cuts(outage_s, apart_s, times)
        worst = quantile(found, 0.999)
        wrong += show(f"five cuts {apart_s:g} s apart, longest", outage_s, found, worst, bound)
    print("yes" if not wrong else f"NO: {wrong} beyond their bounds")
    return min(1, wrong)


if __name__ == "__main__":
    raise SystemExit(main())
