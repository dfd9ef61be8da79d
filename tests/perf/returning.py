"""One client program that `tests.perf.returns` watches: when each of its symbols is usable again.

    python -m tests.perf.returning NAME FIRST COUNT BUS_URLS

It asks for the symbols and prints `ready` when all are usable. On a line `node` or `broker` it answers `watching`, and
with one line of JSON once every symbol is usable again: by `assess`, with a quote of another node than before, or
after the broker was away.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque

from quotebus import BusClient, BusSettings, Quote
from quotebus.bus.clock import now_ns, seconds, sleep_s
from tests.perf.figures import cpu_s

LOOK_S = 0.01
DEADLINE_S = 60


class Returning:
    """A client and the symbols it asks for."""

    def __init__(self, client: BusClient, symbols: list[str]) -> None:
        self._client = client
        self._symbols = symbols

    def await_all(self, former: str = "", reconnects: int = -1) -> dict[str, int]:
        """Wait until every symbol is usable, with a quote of another source than `former`.

        Returns when the first and the last of them were, and the latest instants at which the node had read and
        published a symbol's first quote.
        """
        client, deadline_ns = self._client, now_ns() + seconds(DEADLINE_S)
        first_ns = last_ns = read_ns = published_ns = 0
        while client.counters["reconnects"] <= reconnects and now_ns() < deadline_ns:
            sleep_s(LOOK_S)
        left = deque(self._symbols)
        while left and now_ns() < deadline_ns:
            for quote in self._take_usable(left, former):
                first_ns, last_ns = first_ns or now_ns(), now_ns()
                read_ns, published_ns = max(read_ns, quote.received_ns), max(published_ns, quote.published_ns)
            if left:
                sleep_s(LOOK_S)
        for symbol in self._symbols:
            while not (verdict := client.assess(symbol)).usable:
                if now_ns() > deadline_ns:
                    raise SystemExit(f"{symbol} is not usable within {DEADLINE_S} s: {verdict.reasons}")
                sleep_s(LOOK_S)
                last_ns = now_ns()
        return {"first_ns": first_ns, "last_ns": last_ns, "read_utc_ns": read_ns, "published_utc_ns": published_ns}

    def _take_usable(self, left: deque[str], former: str) -> list[Quote]:
        """Take the symbols at the beginning that are usable; their quotes.

        It judges as `assess` does, but without the hand-over to the client's thread, which for ten thousand symbols
        takes as long as what is measured.
        """
        taken: list[Quote] = []
        with self._client._sockets.lock:
            consumer = self._client._consumer
            while left and consumer.confirmed:
                verdict = consumer.book.assess(left[0], now_ns())
                if not verdict.usable or verdict.quote is None or verdict.quote.source == former:
                    break
                taken.append(verdict.quote)
                left.popleft()
        return taken

    def serve(self) -> None:
        """Obey the lines on stdin."""
        for line in sys.stdin:
            counters, health = self._client.counters, self._client.health()
            cpu = cpu_s(os.getpid())
            print("watching", flush=True)
            if line.strip() == "broker":
                answer: dict[str, float] = {**self.await_all(reconnects=counters["reconnects"])}
            else:
                answer = {**self.await_all(former="" if health is None else health.source)}
            after = self._client.counters
            answer |= {"cpu_s": cpu_s(os.getpid()) - cpu}
            answer |= {name: after[name] - counters[name] for name in ("received", "requests_sent", "lost", "doubts")}
            print(json.dumps(answer), flush=True)


def main() -> int:
    name, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    settings = BusSettings(**json.loads(sys.argv[4]))
    symbols = [f"S{number}" for number in range(first, first + count)]
    with BusClient(settings, name=name, max_age_s=3600) as client:  # quiet symbols age, which is not measured
        returning = Returning(client, symbols)
        client.request(symbols)
        returning.await_all()
        print("ready", flush=True)
        returning.serve()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
