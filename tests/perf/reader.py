"""The consumer of a measurement, a process of its own for each contender: `python -m tests.perf.reader WHO …`.

It prints `ready`, `began` with its first quote, and at the end one line of JSON: quotes per second, how many were lost,
and of a latency run the milliseconds from each quote's sending to its being a typed quote here. Then it stays until
its stdin closes, so that the kernel still knows what it has used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator

import msgspec
import zmq

from quotebus import BusClient
from tests.perf.bare.quote import BareQuote
from tests.perf.source import SYMBOLS

PATIENCE_S = 20.0
"""After so long without a quote the rest is lost."""


class Account:
    """Takes times of quotes until all have come."""

    def __init__(self, quotes: int, *, timed: bool) -> None:
        self._quotes, self._timed = quotes, timed
        self._taken_ms: list[float] = []
        self._received, self._began, self._ended = 0, 0.0, 0.0

    def take(self, exchange_ns: int) -> bool:
        """One quote; True when it was the last."""
        if self._timed:
            self._taken_ms.append((time.time_ns() - exchange_ns) / 1e6)
        if not self._received:
            self._began = time.perf_counter()
            print("began", flush=True)
        self._received += 1
        self._ended = time.perf_counter()
        return self._received >= self._quotes

    def report(self) -> None:
        """Print the result, and wait until it has been read."""
        lasted_s = self._ended - self._began
        rate = self._received / lasted_s if lasted_s else 0.0
        result = {"rate": rate, "lost": self._quotes - self._received, "taken_ms": self._taken_ms}
        print(json.dumps(result), flush=True)
        sys.stdin.read()


def read_quotebus(account: Account, quotes: int) -> None:
    with BusClient(name="reader") as bus:
        feed = bus.quotes(conflate=False, bound=2 * quotes, timeout_s=PATIENCE_S)
        bus.request(SYMBOLS)
        print("ready", flush=True)
        for quote in feed:
            if account.take(quote.exchange_ns):
                break
        account.report()


def read_bare(account: Account, subscribe_url: str) -> None:
    decode = msgspec.msgpack.Decoder(BareQuote).decode
    for frame in _receive(subscribe_url):
        if account.take(decode(frame.partition(b"\0")[2]).exchange_ns):
            break
    account.report()


def _receive(url: str) -> Iterator[bytes]:
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1_000))
    for symbol in SYMBOLS:
        socket.subscribe(b"quote." + symbol.encode() + b"\0")
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(url)
    assert monitor.poll(20_000)
    print("ready", flush=True)
    try:
        while True:
            yield socket.recv()
    except zmq.Again:
        return


class Ticker(msgspec.Struct):
    """What cryptofeed's ZeroMQ backend sends, without what nobody reads here."""

    symbol: str
    bid: float
    ask: float
    timestamp: float


def read_cryptofeed(account: Account, bind_url: str) -> None:
    decode = msgspec.json.Decoder(Ticker).decode
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1_000))
    socket.subscribe(b"")
    socket.bind(bind_url)
    print("ready", flush=True)
    with contextlib.suppress(zmq.Again):
        while not account.take(int(decode(socket.recv().partition(b" ")[2]).timestamp * 1e9)):
            pass
    account.report()


def read_alpaca(account: Account, url: str) -> None:
    from alpaca.data.live.stock import StockDataStream

    async def on_quote(quote: object) -> None:
        stamp = quote.timestamp.timestamp()  # type: ignore[attr-defined]
        if account.take(int(stamp * 1e9)):
            account.report()
            sys.exit(0)

    stream = StockDataStream("key", "secret", url_override=url)
    stream.subscribe_quotes(on_quote, *SYMBOLS)
    print("ready", flush=True)
    stream.run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.perf.reader", description=__doc__)
    parser.add_argument("who", choices=("quotebus", "bare", "alpaca-py", "cryptofeed"))
    parser.add_argument("urls", nargs="*")
    parser.add_argument("--quotes", type=int, required=True)
    parser.add_argument("--timed", action="store_true")
    options = parser.parse_args()
    account = Account(options.quotes, timed=options.timed)
    if options.who == "quotebus":
        read_quotebus(account, options.quotes)
    elif options.who == "bare":
        read_bare(account, options.urls[0])
    elif options.who == "cryptofeed":
        read_cryptofeed(account, options.urls[0])
    else:
        read_alpaca(account, options.urls[0])


if __name__ == "__main__":
    main()
