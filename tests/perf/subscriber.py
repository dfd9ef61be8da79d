"""A subscriber of the overload measurement: takes every quote and accounts for each by its numbers.

Run as a program: `python -m tests.perf.subscriber SUBSCRIBE_URL SECONDS_A_QUOTE`. It prints `ready` when connected.
From a line `go` on stdin it records latencies, until `stop`; `drain` ends its slowness; a line `report` makes it read
until nothing has come for half a second and print one JSON line. Per symbol: first and last number, how many were
received, how many are missing between them, conflated; and the latency of each quote from the exchange's time to its
being typed here.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

import zmq

from quotebus.bus import codec
from quotebus.bus.events import Quote
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.perf.figures import quantile


def main() -> None:
    url, pause_s = sys.argv[1], float(sys.argv[2])
    socket = make(zmq.Context(), Role.SUBSCRIBE)
    socket.subscribe(b"quote.")
    if pause_s:
        # Its own queue is small, so that the broker's is what fills, and so small that libzmq never stops reading for
        # the length of a heartbeat: after that it may abort the process (zeromq/libzmq#3937).
        socket.setsockopt(zmq.RCVHWM, 200)
        socket.setsockopt(zmq.RCVBUF, 64 * 1024)
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(url)
    assert monitor.poll(20_000)
    socket.disable_monitor()
    monitor.close(linger=0)
    print("ready", flush=True)
    poller = zmq.Poller()
    poller.register(socket, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    received: dict[str, int] = {}
    gaps: dict[str, int] = {}
    latencies_ms: list[float] = []
    recording = False
    while True:
        ready = dict(poller.poll(500))
        if sys.stdin.fileno() in ready:
            orders = os.read(sys.stdin.fileno(), 4096).decode().split()  # a buffered line would not wake the poller
            if "report" in orders or not orders:
                break
            recording = orders[-1] == "go"
            pause_s = 0.0 if "drain" in orders else pause_s
        if socket in ready:
            _take(socket, pause_s, first, last, received, gaps, latencies_ms if recording else None)
    while socket.poll(500):
        _take(socket, 0.0, first, last, received, gaps, None)
    answer = {
        "first": first,
        "last": last,
        "received": received,
        "gaps": gaps,
        "p50_ms": quantile(latencies_ms, 0.5),
        "p99_ms": quantile(latencies_ms, 0.99),
        "timed": len(latencies_ms),
    }
    print(json.dumps(answer), flush=True)
    select.select([sys.stdin], [], [])


def _take(
    socket: zmq.Socket[bytes],
    pause_s: float,
    first: dict[str, int],
    last: dict[str, int],
    received: dict[str, int],
    gaps: dict[str, int],
    latencies_ms: list[float] | None,
) -> None:
    """Read what is there, at most a batch; a slow subscriber pauses after each."""
    for _ in range(256):
        try:
            frame = socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            return
        quote: Quote = codec.decode_quote(frame[frame.find(b"\0") + 1 :])
        if latencies_ms is not None:
            latencies_ms.append((time.time_ns() - quote.exchange_ns) / 1e6)
        symbol, seq = quote.symbol, quote.seq
        first.setdefault(symbol, seq)
        gaps[symbol] = gaps.get(symbol, 0) + seq - last.get(symbol, seq - 1) - 1
        last[symbol] = seq
        received[symbol] = received.get(symbol, 0) + 1
        if pause_s:
            time.sleep(pause_s)


if __name__ == "__main__":
    main()
