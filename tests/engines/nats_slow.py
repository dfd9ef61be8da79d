"""A frozen reader beside a fast one, with the bounds of the shipped configuration: `make engines ARGS=slow`.

20,000 messages a second of 900 bytes, 10 s a round; rounds alone and beside a frozen reader alternate. The frozen one
must cost neither the publisher nor the fast reader anything, and is cut by the server.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.perf.figures import progress
from tests.support.nats_server import TEXT, NatsServer

SECONDS, RATE, SIZE = 10, 20_000, 900
MOST_P99, MOST_SEND_MS = 1.2, 50.0


def start(does: str, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.engines.slow_side", does, str(port)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def round_of(server: NatsServer, *, beside: bool) -> dict[str, Any]:
    """What the publisher and the fast reader have seen."""
    fast = ready(start("read", server.port))
    frozen = ready(start("read", server.port)) if beside else None
    try:
        if frozen is not None:
            os.kill(frozen.pid, signal.SIGSTOP)
        sent, _ = start("publish", server.port).communicate(timeout=SECONDS * 6)
        heard, _ = fast.communicate("end\n", timeout=60)
    finally:
        if frozen is not None:
            frozen.kill()
            frozen.communicate()
    return {**json.loads(sent), **json.loads(heard)}


def run(folder: Path, rounds: int) -> bool:
    """Print the figures; whether they are within their bounds."""
    server = NatsServer(folder, text=TEXT)
    figures: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    try:
        for number in range(rounds):
            for beside in (False, True):
                progress(f"round {number + 1} of {rounds}")
                figures[beside].append(round_of(server, beside=beside))
        progress("")
        cut = any("Slow Consumer" in line for line in server.running.lines)
    finally:
        server.stop()
    for beside, each in figures.items():
        middle = {name: statistics.median(one[name] for one in each) for name in each[0]}
        print(
            f"{'beside a frozen one' if beside else 'alone':20} worst send {middle['worst_ms']:.0f} ms, fast reader "
            f"p50 {middle['p50_ms']:.2f} p99 {middle['p99_ms']:.1f} ms, "
            f"lost {middle['lost']:.0f} of {middle['sent']:,.0f}"
        )
    p99 = statistics.median(
        with_it["p99_ms"] / alone["p99_ms"] for alone, with_it in zip(*figures.values(), strict=True)
    )
    worst = statistics.median(
        with_it["worst_ms"] - alone["worst_ms"] for alone, with_it in zip(*figures.values(), strict=True)
    )
    print(f"p99 {p99:.2f} x alone (at most {MOST_P99}), worst send {worst:+.0f} ms (at most {MOST_SEND_MS:+.0f}), "
          f"the frozen one {'was cut' if cut else 'was NOT cut'}")  # fmt: skip
    return p99 <= MOST_P99 and worst <= MOST_SEND_MS and cut
