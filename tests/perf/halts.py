"""Every program killed, stopped, restarted and swapped in every state of a halt: what is decided meanwhile.

    python -m tests.perf.halts [--rounds N] [--seed N]

In each round a symbol is put into a state (trading, halted, paused, quoting only, just resumed) before, during or after
something happens to the node, the node in waiting, the broker, a client or a worker. Two workers decide twenty times a
second throughout. Each decision is held against the exchange's own account of its halts: in a symbol that is halted
nothing but refusals and passive limits may be decided. A halt that begins while nobody can hear of it counts 3.3 s
later: a health is believed for 3 s. Exit status 1 when one decision is wrong.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.events import ExecutionDecision
from tests.support.judge import Halts, check_halt, read_halts
from tests.support.programs import Program, eventually
from tests.support.world import World

SYMBOLS = ("SPY", "QQQ", "AAPL", "XLF")
PROMPT_NS, BLIND_NS = NS_PER_S, 33 * NS_PER_S // 10
SETTLE_NS = 4 * NS_PER_S
"""For so long after something happened a halt may have begun unheard."""
WORKER = {
    "EXECUTION_SYMBOLS": ",".join(SYMBOLS),
    "EXECUTION_INTERVAL_S": "0.05",
    "EXECUTION_PATIENCE_S": "0",
    "EXECUTION_FALLBACK": "refuse",
}


class Rounds:
    """All programs of one bus, and what is done to them."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, random.Random(seed)
        self.done: Counter[str] = Counter()
        self.disturbed: list[tuple[int, int]] = []
        self.programs: dict[str, Program] = {"broker": world.broker()}
        world.exchange("--rate", "400")
        self.log = world.log(b"decision.")
        self.programs["node"] = self._node("one")
        self.programs["standby"] = self._node("two")
        for name in ("worker", "other worker"):
            self.programs[name] = self._worker(name)
        self.client = world.client("keeper")
        self.client.request(SYMBOLS)

    def _node(self, name: str) -> Program:
        return self.world.start("pricing-node", PRICING_NODE=name)

    def _worker(self, name: str) -> Program:
        return self.world.worker(**WORKER, EXECUTION_CLIENT=name.replace(" ", "-"))

    def run(self, number: int) -> None:
        """One round."""
        rng, symbol = self.rng, self.rng.choice(SYMBOLS)
        state = rng.choice(("trading", "halt", "pause", "resume_quotes", "resume"))
        what = rng.choice((self._kill, self._freeze, self._stop, self._swap, self._client))
        when = rng.choice(("before", "during", "after"))
        began_ns = utc_ns()
        if when == "before":
            self._put(symbol, state)
            self._wait(rng.uniform(0.2, 1.2))
        what(lambda: self._put(symbol, state) if when == "during" else None)
        if when == "after":
            self._put(symbol, state)
        self._wait(rng.uniform(0.5, 2.5))
        self.disturbed.append((began_ns, utc_ns() + SETTLE_NS))
        self.done[f"{what.__name__.strip('_')} {state} {when}"] += 1

    # what is done

    def _put(self, symbol: str, state: str) -> None:
        control = self.world.control
        if state == "resume_quotes":
            control.halt(symbol)
            if symbol != "SPY":  # on its tape quotes and trades resume together
                control.resume_quotes(symbol)
        elif state != "trading":
            getattr(control, state)(symbol)

    def _kill(self, meanwhile: Callable[[], None]) -> None:
        name = self.rng.choice(tuple(self.programs))
        self.programs[name].kill()
        meanwhile()
        self._wait(self.rng.choice((0, 0.3, 1.5)))
        self._start_again(name)

    def _freeze(self, meanwhile: Callable[[], None]) -> None:
        program = self.programs[self.rng.choice(tuple(self.programs))]
        program.freeze()
        meanwhile()
        self._wait(self.rng.choice((0.2, 1.0, 4.0)))
        program.thaw()

    def _stop(self, meanwhile: Callable[[], None]) -> None:
        name = self.rng.choice(tuple(self.programs))
        self.programs[name].stop()
        meanwhile()
        self._start_again(name)

    def _swap(self, meanwhile: Callable[[], None]) -> None:
        """The active node goes and the one in waiting takes over; the former comes back as the one in waiting."""
        self.programs["node"].kill()
        meanwhile()
        self._wait(self.rng.choice((1.0, 2.0)))
        self.programs["node"], self.programs["standby"] = self.programs["standby"], self._node("one")

    def _client(self, meanwhile: Callable[[], None]) -> None:
        """The client that knows of the halts lets everything go, or asks for it anew."""
        self.client.request([])
        meanwhile()
        self._wait(0.2)
        self.client.request(SYMBOLS)

    def _start_again(self, name: str) -> None:
        if name == "broker":
            self.programs[name] = self.world.broker()
        elif name in ("node", "standby"):
            self.programs[name] = self._node("one" if name == "node" else "two")
        else:
            self.programs[name] = self._worker(name)

    def _wait(self, for_s: float) -> None:
        until_ns = now_ns() + int(for_s * NS_PER_S)
        eventually(lambda: now_ns() >= until_ns, for_s + 5)

    # what must hold

    def judge(self) -> tuple[Counter[str], list[str]]:
        """How many decisions of each kind, those in halted symbols apart, and what was wrong."""
        halts = read_halts(self.world.audit)
        counts: Counter[str] = Counter()
        wrong: list[str] = []
        for decision in self.log.all(ExecutionDecision):
            halted = _is_halted(decision, halts)
            passive = "passive " if "aggression=0" in decision.reasons else ""
            counts[f"{'in a halt: ' if halted else ''}{passive}{decision.action}"] += 1
            unheard = any(began_ns <= decision.now_ns <= ended_ns for began_ns, ended_ns in self.disturbed)
            try:
                check_halt(decision, halts, BLIND_NS if unheard else PROMPT_NS)
            except AssertionError as error:
                wrong.append(str(error)[:400])
        return counts, wrong


def _is_halted(decision: ExecutionDecision, halts: Halts) -> bool:
    return any(
        began_ns <= decision.now_ns and (ended_ns is None or decision.now_ns < ended_ns)
        for began_ns, ended_ns in halts.get(decision.symbol, ())
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        try:
            rounds = Rounds(world, options.seed)
            eventually(lambda: rounds.log.all(ExecutionDecision, lambda decision: decision.action == "limit"))
            for number in range(options.rounds):
                rounds.run(number)
            counts, wrong = rounds.judge()
        finally:
            world.close()
    print(f"{options.rounds} rounds, {len(rounds.done)} kinds: {dict(sorted(counts.items()))}; wrong: {len(wrong)}")
    for each in wrong[:5]:
        print(each)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
