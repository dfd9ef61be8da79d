"""The real worker, killed with SIGKILL at random moments and started again, against the simulator's books.

    python -m tests.execution_adapter.kills --times 50

All rounds are in one world. A round is one command of three intents: killed up to four times, then given until it ends
by itself. The audit of the simulator is the judge: never two orders of one intent that can fill at a time, nothing
filled beyond the intent, nothing left open, exit 0 exactly when all is filled. In every other round the order stream is
lossy and answers are dropped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.execution_adapter.runs import OVER, Books, Run, books
from tests.support.programs import Program
from tests.support.world import World

SYMBOLS = ("SPY", "QQQ", "AAPL")
MOST_KILLS = 4
WINDOW_S = 6
UNKIND = {"rest_drop_reply": 4, "rest_cut_reply": 4, "fill_partial": True, "update_lost": 5, "order_cancel_ms": 200}


class Wrong(AssertionError):
    """What was not as it must be."""


class Rounds:
    """Rounds in one world; `events` counts what happened."""

    def __init__(self, run: Run, random: Random) -> None:
        self.run, self.random = run, random
        self.events: Counter[str] = Counter()
        self._seen: set[str] = set()

    def play(self, number: int) -> None:
        """One round. Raises Wrong, or AssertionError of the books."""
        run, wanted = self.run, {symbol: self.random.randint(1, 20) for symbol in SYMBOLS}
        side = self.random.choice(["buy", "sell"])
        texts = [f"{symbol} {side} {qty} in {WINDOW_S}s id=round-{number}" for symbol, qty in wanted.items()]
        if number % 2:
            run.world.control.faults(**UNKIND)
        command = {"EXECUTION_INTENTS": "; ".join(texts), "EXECUTION_HTTP_TIMEOUT_S": "0.5"}
        for _ in range(self.random.randint(0, MOST_KILLS)):
            worker = run.start(**command)
            if self._kill(worker):
                break
        run.world.control.lift_faults()
        worker = run.start(**command)
        status = worker.wait(120)
        worker.line("fallbacks or refusals")
        self.events[f"exit {status}"] += 1
        self._judge(status, {symbol: Decimal(qty) for symbol, qty in wanted.items()}, worker)

    def _kill(self, worker: Program) -> bool:
        """Kill it some time after its start; whether it had ended by itself."""
        after_s = self.random.uniform(0, 1.5) if self.random.random() < 0.7 else self.random.uniform(1.5, WINDOW_S)
        try:
            worker.wait(after_s)
        except subprocess.TimeoutExpired:
            worker.kill()
            self.events["killed"] += 1
            return False
        return True

    def _judge(self, status: int, wanted: dict[str, Decimal], worker: Program) -> None:
        found: Books = books(self.run.world.audit)  # raises when a second order could fill beside a first
        fresh = {name: orders for name, orders in found.orders.items() if name not in self._seen}
        self._seen |= fresh.keys()
        by_symbol = Counter(orders[0]["symbol"] for orders in fresh.values())
        if set(by_symbol.values()) - {1}:
            raise Wrong(f"one intent under two names: {by_symbol}")
        filled = dict.fromkeys(wanted, Decimal(0))
        filled |= {orders[0]["symbol"]: found.filled[name] for name, orders in fresh.items()}
        self.events["orders"] += sum(map(len, fresh.values()))
        if any(filled[symbol] > qty for symbol, qty in wanted.items()) or filled.keys() != wanted.keys():
            raise Wrong(f"filled {filled} of {wanted}")
        left = {name for name, state in found.statuses.items() if state not in OVER}
        unnamed = [name for name in left if not any(f"CHECK AT BROKER: order {name}" in line for line in worker.lines)]
        if left and (status != 4 or unnamed):
            raise Wrong(f"exit {status}, and {left} are open: {worker.lines}")
        if (status == 0) != (filled == wanted):
            raise Wrong(f"exit {status}, and filled {filled} of {wanted}: {worker.lines}")


def play(world: World, times: int, seed: int) -> Counter[str]:
    """So many rounds; what happened in them."""
    rounds = Rounds(Run(world, SYMBOLS, WINDOW_S, recorded=False), Random(seed))
    for number in range(times):
        rounds.play(number)
    return rounds.events


def main() -> int:
    parser = argparse.ArgumentParser(description="the real worker, killed at random moments")
    parser.add_argument("--times", type=int, default=3, help="how many rounds")
    parser.add_argument("--seed", type=int, default=1, help="of what is random")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            events = play(world, options.times, options.seed)
        finally:
            world.close()
    told = ", ".join(f"{count} {what}" for what, count in events.most_common())
    print(f"{options.times} rounds held in {time.monotonic() - began:.0f} s: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
