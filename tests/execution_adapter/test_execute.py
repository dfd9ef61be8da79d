"""`execute` of both clients against real workers: to its end, through kills and restarts, never twice, honest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal

import pytest

from quotebus import AsyncBusClient, BusClient, Counters, ExecutionOutcome, ExecutionResult
from tests.execution_adapter.runs import Run, books
from tests.support.aio import run
from tests.support.bus import running_broker
from tests.support.programs import Program, eventually
from tests.support.world import World

FROM_BUS = {"EXECUTION_INTENTS": "", "EXECUTION_INTENTS_FROM": "strategy"}


def start(world: World, *symbols: str) -> tuple[Run, Program]:
    rig = Run(world, symbols or ("SPY",), window_s=3, recorded=False)
    worker = rig.start(**FROM_BUS)
    worker.line("working 0 intents")
    return rig, worker


class Call:
    """An `execute` in a thread of its own."""

    def __init__(self, call: Callable[[], ExecutionResult]) -> None:
        self._result: list[ExecutionResult] = []
        self._thread = threading.Thread(target=lambda: self._result.append(call()), daemon=True)
        self._thread.start()

    def end(self, within_s: float = 60) -> ExecutionResult:
        self._thread.join(within_s)
        assert self._result, "it has not returned"
        return self._result[0]


def test_an_intent_is_executed_once_and_the_result_says_how(world: World) -> None:
    rig, worker = start(world)
    bus, log = world.client("strategy"), world.log(b"counters.")
    done = bus.execute("spy", "buy", 7, within_s=30, intent_id="a")
    assert (done.outcome, done.filled, done.remaining, done.exit_status) == (ExecutionOutcome.FILLED, 7, 0, 0), done
    assert done.is_over
    assert (done.symbol, done.side, done.account, done.cause) == ("SPY", "buy", "simulator/", "all filled")
    assert done.average_price is not None
    assert done.arrival_price is not None
    again = bus.execute("SPY", "buy", 7, within_s=30, intent_id="a")
    assert (again.outcome, again.filled, again.average_price) == (done.outcome, done.filled, done.average_price)
    found = books(world.audit)
    assert list(found.filled.values()) == [7], "the second call is the same intent"
    [orders] = found.orders.values()
    assert [order["client_order_id"] for order in orders] == [order.client_order_id for order in done.orders]
    assert all(order.order_id for order in done.orders)
    counted, _ = log.wait(Counters, lambda event: event.counters.get("broker_requests", 0) >= 2)
    assert counted.program == "execution"
    assert counted.counters["broker_requests_unshared"] == counted.counters["broker_requests_refused"] == 0
    worker.kill()
    rig.start(**FROM_BUS)
    later = bus.execute("SPY", "buy", Decimal(7), within_s=30, intent_id="a")
    assert (later.outcome, later.filled, later.average_price) == (done.outcome, done.filled, done.average_price)
    other = bus.execute("SPY", "sell", 3, within_s=30, intent_id="a")
    assert (other.outcome, other.exit_status) == (ExecutionOutcome.DECLINED, 3)
    assert "stands for SPY buy 7" in other.cause
    everything = bus.execute("SPY", "sell", "all", within_s=30)
    assert (everything.outcome, everything.qty, everything.filled) == (ExecutionOutcome.FILLED, 7, 7), everything
    assert sorted(books(world.audit).filled.values()) == [7, 7]


def test_it_goes_on_through_a_worker_and_a_broker_that_are_killed(world: World) -> None:
    rig, worker = start(world)
    bus = world.client("strategy")
    world.control.faults(order_ack_ms=60_000)
    call = Call(lambda: bus.execute("SPY", "buy", 7, within_s=60, intent_id="a"))
    worker.line("resting")
    worker.kill()
    world.control.lift_faults()
    eventually(lambda: set(books(world.audit).statuses.values()), why="its order is there")
    world.programs[0].kill()
    world.broker()
    rig.start(**FROM_BUS).line("resumed after 1 orders")
    done = call.end()
    assert (done.outcome, done.filled) == (ExecutionOutcome.FILLED, 7), done
    assert list(books(world.audit).filled.values()) == [7]


def test_many_at_once_on_an_event_loop(world: World) -> None:
    start(world, "SPY", "QQQ", "AAPL")

    async def work() -> list[ExecutionResult]:
        async with AsyncBusClient(world.settings(), name="strategy") as bus:
            calls = [bus.execute(symbol, "buy", 5, within_s=30) for symbol in ("SPY", "QQQ", "AAPL", "SPY")]
            return await asyncio.gather(*calls)

    results = run(work(), within_s=60)
    assert [(each.symbol, each.outcome, each.filled) for each in results] == [
        (symbol, ExecutionOutcome.FILLED, 5) for symbol in ("SPY", "QQQ", "AAPL", "SPY")
    ]
    assert sorted(books(world.audit).filled.values()) == [5] * 4, "two without an id are two"


def test_what_is_not_worked_is_told(world: World) -> None:
    _, worker = start(world)
    bus = world.client("strategy")
    assert bus.request("SPY", wait_s=30)["SPY"].usable
    world.control.halt("SPY")
    eventually(lambda: bus.assess("SPY").halt == "halted")
    halted = bus.execute("SPY", "buy", 7, within_s=2)
    assert (halted.outcome, halted.filled, halted.remaining) == (ExecutionOutcome.UNFILLED, 0, 7), halted
    assert halted.exit_status == 3
    assert halted.reasons[0] == "refuse"
    assert "halted" in halted.reasons
    early = bus.execute("SPY", "buy", 7, within_s=60, wait_s=1)
    assert (early.outcome, early.exit_status, early.is_over) == (ExecutionOutcome.WORKING, 4, False)
    assert early.reasons[0] == "still_working"
    declined = bus.execute("SPY", "buy", 1e10, within_s=30)
    assert declined.outcome == ExecutionOutcome.DECLINED
    assert "quantity" in declined.cause
    worker.stop()
    call = bus.execute("SPY", "buy", 7, within_s=60, answer_s=0.5)
    assert call.outcome == ExecutionOutcome.UNANSWERED


def test_nobody_answers_and_nobody_is_there() -> None:
    with running_broker() as settings, BusClient(settings, name="strategy") as bus:
        alone = bus.execute("SPY", "buy", 1, answer_s=3)
        assert (alone.outcome, alone.reasons, alone.exit_status) == ("unanswered", ("nobody_answered",), 4)
        assert "ask again" in alone.meaning
    with BusClient(settings, name="strategy") as bus:
        nowhere = bus.execute("SPY", "buy", 1, answer_s=0.3)
        assert nowhere.reasons == ("no_broker", "nobody_answered")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("SPY", "hold", 1), "side must be buy or sell"),
        (("SPY", "buy", 0), "above 0"),
        (("SPY", "buy", float("nan")), "above 0"),
        (("SPY", "buy", "all"), "needs side sell"),
        (("SPY", "buy", "ten"), "not a number"),
        (("SPY", "buy", Decimal("1.00000000000000000001")), "too many digits"),
        (("spy spy", "buy", 1), "not a symbol"),
    ],
)
def test_what_cannot_be_an_intent_is_refused_before_anything_is_sent(
    arguments: tuple[str, str, float | str | Decimal], says: str
) -> None:
    with BusClient(name="strategy") as bus:
        with pytest.raises(ValueError, match=says):
            bus.execute(*arguments)
        with pytest.raises(ValueError, match="within_s"):
            bus.execute("SPY", "buy", 1, within_s=float("inf"))
        with pytest.raises(ValueError, match="intent_id"):
            bus.execute("SPY", "buy", 1, intent_id="x" * 129)
        with pytest.raises(ValueError, match="urgency"):
            bus.execute("SPY", "buy", 1, urgency="soon")


def test_a_client_that_is_closed_meanwhile_says_so() -> None:
    with running_broker() as settings:
        bus = BusClient(settings, name="strategy")
        failed: list[BaseException] = []

        def execute() -> None:
            try:
                bus.execute("SPY", "buy", 1, answer_s=30)
            except RuntimeError as error:
                failed.append(error)

        thread = threading.Thread(target=execute, daemon=True)
        thread.start()
        bus.close()
        thread.join(10)
        assert [type(error).__name__ for error in failed] == ["ClientClosed"]
