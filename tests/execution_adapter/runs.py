"""The worker with real orders, fourteen symbols from a cold start to the last order's end, under one trouble each.

    python -m tests.execution_adapter.runs            # all of them
    python -m tests.execution_adapter.runs halt cut   # some

Everything is a real program. Afterwards the simulator's own books and its record of what it sent are the judge: no
order id taken twice, never more than the intent's quantity filled, never two orders of an intent open at once, every
order decided on the bus, every limit on a price that was really sent and might be used. Each run is recorded,
and `execution-worker verify` must confirm every decision in the capture.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from quotebus.bus.events import ExecutionDecision, HaltKnowledge, Quote
from tests.support.eventlog import EventLog
from tests.support.judge import judge
from tests.support.named_runs import show_runs
from tests.support.programs import Program, eventually
from tests.support.programs import run as run_program
from tests.support.world import World

SYMBOLS = (
    "SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AMD", "IWM", "TLT", "GLD", "XLF",
)  # fmt: skip
OVER = ("filled", "canceled", "expired", "rejected", "replaced")


@dataclass
class Books:
    """What the simulator's audit says of orders: by intent (the client order id without its number)."""

    filled: dict[str, Decimal]
    orders: dict[str, list[dict[str, Any]]]
    statuses: dict[str, str]


def books(audit: Path) -> Books:
    """Read the audit; AssertionError for an id taken twice or two orders of one intent open at once."""
    filled: dict[str, Decimal] = defaultdict(Decimal)
    orders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    statuses: dict[str, str] = {}
    broker_ids: dict[str, str] = {}
    for line in audit.read_text().splitlines():
        record = json.loads(line)
        if "order" not in record:
            continue
        name = record["client_order_id"]
        intent = name.rpartition("-")[0]
        assert broker_ids.setdefault(name, record["order"]) == record["order"], f"taken twice: {name}"
        if name not in statuses:
            still_open = [other["client_order_id"] for other in orders[intent]
                          if statuses[other["client_order_id"]] not in OVER]  # fmt: skip
            assert not still_open, f"{name} while {still_open} could still fill"
            orders[intent].append(record)
        statuses[name] = record["status"]
        filled[intent] += Decimal(record.get("fill_qty", "0"))
    return Books(filled, orders, statuses)


class Run:
    """One worker on fourteen intents in a world of its own."""

    def __init__(
        self, world: World, symbols: tuple[str, ...] = SYMBOLS, window_s: int = 8, *, recorded: bool = True
    ) -> None:
        self.world = world
        self.intents = {
            symbol: ("buy" if number % 2 == 0 else "sell", 10 + number) for number, symbol in enumerate(symbols)
        }
        self.window_s = window_s
        world.broker()
        exchange = world.exchange("--rate", "300", "--rest-port", "0")
        words = exchange.line("exchange-simulator: orders http").split()
        self.orders_url = words[words.index("orders") + 1]
        self.node = world.node(PRICING_ORDER_STREAM="true", PRICING_ORDER_REST_URL=self.orders_url)
        self.log: EventLog = world.log()
        self.capture = world.folder / "run.mcap"
        if recorded:
            self.recorder = world.start("quotebus", "record", "-o", str(self.capture))
            self.recorder.line("recording")

    def start(self, **settings: str) -> Program:
        """Start the worker; the same command each time."""
        texts = [f"{symbol} {side} {qty} in {self.window_s}s" for symbol, (side, qty) in self.intents.items()]
        return self.world.worker(
            **{
                "EXECUTION_INTENTS": "; ".join(texts),
                "EXECUTION_GATEWAY": "simulator",
                "EXECUTION_ORDERS_URL": self.orders_url,
                "EXECUTION_JOURNAL_DIR": str(self.world.folder / "journal"),
                "EXECUTION_REPEG_EVERY_S": "1",
                "EXECUTION_PATIENCE_S": "2",
                **settings,
            }
        )

    def end(self, worker: Program, within_s: float = 60) -> int:
        status = worker.wait(within_s)
        worker.line("fallbacks or refusals")
        return status

    def check(self, *, killed: bool = False) -> Books:
        """What must hold in every run; the books. `killed`: a worker was, and may have taken its last words with it."""
        found = books(self.world.audit)
        wanted = {symbol: Decimal(qty) for symbol, (_, qty) in self.intents.items()}
        for intent, orders in found.orders.items():
            symbol = orders[0]["symbol"]
            assert found.filled[intent] <= wanted[symbol], f"over-filled: {intent} {found.filled[intent]}"
        by_symbol = Counter(orders[0]["symbol"] for orders in found.orders.values())
        assert set(by_symbol.values()) <= {1}, f"one intent under two names: {by_symbol}"
        left = {name: status for name, status in found.statuses.items() if status not in OVER}
        assert not left, f"left open: {left}"
        judge(self.log, self.world.audit)
        self.verify()
        decided = Counter(
            (d.symbol, d.side, Decimal(repr(d.qty)).normalize(), d.limit_price)
            for d in self.log.all(ExecutionDecision, lambda d: d.action != "refuse")
        )
        for orders in found.orders.values():
            for order in orders:
                price = None if order["limit_price"] is None else float(order["limit_price"])
                key = (order["symbol"], order["side"], Decimal(order["qty"]).normalize(), price)
                first = order is orders[0]
                assert decided[key] > 0 or (killed and first), f"ordered without a decision: {order}"
                decided[key] -= 1
        return found

    def verify(self) -> None:
        """End the capture, and make every decision in it once more: all must agree."""
        assert self.recorder.stop() == 0, self.recorder.lines
        status, printed = run_program("execution-worker", "verify", str(self.capture))
        counts = dict(line.split(maxsplit=1) for line in printed.splitlines()[:5])
        decided = len(self.log.all(ExecutionDecision))
        assert status == 0, printed
        assert counts["agree"] == counts["decisions"] == str(decided), f"{decided} heard, {printed}"
        self.verified = f"{decided} decisions made once more from a capture, all agree"

    def filled(self, found: Books) -> dict[str, Decimal]:
        return {orders[0]["symbol"]: found.filled[intent] for intent, orders in found.orders.items()}

    def all_filled(self, found: Books) -> None:
        got = self.filled(found)
        assert got == {symbol: Decimal(qty) for symbol, (_, qty) in self.intents.items()}, got


def healthy(run: Run) -> Program:
    """Nothing goes wrong: everything is filled, without a single fallback before the window's end."""
    worker = run.start()
    assert run.end(worker) == 0, worker.lines
    run.all_filled(run.check())
    return worker


def cut(run: Run) -> Program:
    """The upstream is cut in the middle and comes back: nothing is decided on the lost line."""
    worker = run.start()
    run.log.wait(ExecutionDecision)
    run.world.control.faults(cut="rst")
    assert run.end(worker) == 0, worker.lines
    run.all_filled(run.check())
    return worker


def killed(run: Run) -> Program:
    """The node is killed and stays away: what rests is cancelled, the fallback says why."""
    eyes = run.world.client("eyes")
    eyes.request(list(run.intents), wait_s=10)
    eventually(lambda: all(result.halt is HaltKnowledge.PRESUMED for result in eyes.results().values()))
    run.world.control.faults(order_ack_ms=60_000)
    worker = run.start()
    eventually(lambda: len({d.symbol for d in run.log.all(ExecutionDecision)}) > len(run.intents) // 2)
    run.node.kill()
    run.world.control.lift_faults()
    assert run.end(worker) == 0, worker.lines
    run.all_filled(run.check())
    worker.line("health_silent")
    return worker


def halt(run: Run) -> Program:
    """Two symbols are halted: they get no order while they are, and the others go on."""
    halted = list(run.intents)[:2]
    eyes = run.world.client("eyes")
    eyes.request(list(run.intents), wait_s=10)
    for symbol in halted:
        run.world.control.status(symbol, "H", tape="C")
    eventually(lambda: all(getattr(eyes.status(symbol), "state", "") == "halted" for symbol in halted))
    worker = run.start(EXECUTION_GRACE_S="1")
    assert run.end(worker) == 3, worker.lines
    got = run.filled(run.check())
    assert not set(halted) & set(got), got
    assert len(got) == len(run.intents) - 2
    for symbol in halted:
        assert any(line.startswith(symbol) and "halted" in line and "not_tradable" in line for line in worker.lines)
    return worker


def one_sided(run: Run) -> Program:
    """Three symbols quote without a bid: no price is made of that, the fallback says why."""
    bad = list(run.intents)[:3]
    run.world.control.faults(zero_bid="+".join(bad))
    worker = run.start()
    assert run.end(worker) == 0, worker.lines
    run.all_filled(run.check())
    decisions = run.log.all(ExecutionDecision, lambda d: d.symbol in bad)
    assert decisions
    assert all(d.action != "limit" and "one_sided" in d.reasons for d in decisions), decisions
    assert run.log.all(Quote, lambda q: q.symbol in bad and q.bid_price is None)
    for symbol in bad:
        assert any(line.startswith(symbol) and "one_sided" in line for line in worker.lines)
    return worker


def rejecting(run: Run) -> Program:
    """The broker takes orders in and rejects them, or does not take them: the worker ends and says so."""
    run.world.control.faults(order_refuse=403)
    worker = run.start()
    assert run.end(worker) == 3, worker.lines
    found = run.check()
    assert not any(found.filled.values()), found.filled
    worker.line("(rejected 3 times: http 403")
    return worker


def restarted(run: Run) -> Program:
    """The worker is killed in the middle and started again: it carries on and orders nothing twice."""
    worker = run.start()
    run.log.wait(ExecutionDecision)
    eventually(lambda: run.world.audit.exists() and '"order"' in run.world.audit.read_text())
    worker.kill()
    worker = run.start()
    assert run.end(worker) == 0, worker.lines
    run.all_filled(run.check(killed=True))
    worker.line("resumed after")
    again = run.start()
    assert again.wait(60) == 0
    assert len([line for line in again.lines if "already done" in line]) == len(run.intents)
    return worker


def updates_lost(run: Run) -> Program:
    """Order updates are lost, doubled, late and out of order, and the order stream is cut: REST puts it right."""
    run.world.control.faults(update_lost=10, update_duplicate=10, update_reorder=10, update_late_ms=[0, 500])
    worker = run.start()
    run.log.wait(ExecutionDecision)
    run.world.control.faults(stream_cut="rst")
    assert run.end(worker) == 0, worker.lines
    run.all_filled(run.check())
    return worker


def storm(run: Run) -> Program:
    """Answers are lost after the deed is done, fills race cancels, fills come in parts."""
    run.world.control.faults(
        rest_drop_reply=6, rest_cut_reply=6, fill_after_cancel=3, fill_partial=True, order_cancel_ms=300
    )
    worker = run.start(EXECUTION_HTTP_TIMEOUT_S="0.5")
    assert run.end(worker) in (0, 3), worker.lines
    assert any(run.check().filled.values())
    return worker


RUNS: dict[str, Callable[[Run], Program]] = {
    "healthy": healthy,
    "cut": cut,
    "killed": killed,
    "halt": halt,
    "one_sided": one_sided,
    "rejecting": rejecting,
    "restarted": restarted,
    "updates_lost": updates_lost,
    "storm": storm,
}


def show(name: str, world: World) -> str:
    """One run, and what the worker's summary says."""
    run = Run(world)
    worker = RUNS[name](run)
    summary = worker.lines[next(number for number, line in enumerate(worker.lines) if "outcome" in line) :]
    return "\n".join((f"held; {run.verified}", *summary))


if __name__ == "__main__":
    sys.exit(show_runs({name: partial(show, name) for name in RUNS}, sys.argv[1:]))
