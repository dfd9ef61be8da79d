"""Whose turn it is to ask the broker; and a hundred intents behind 200 requests a minute, on a virtual clock."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.process.order_budget import NUMBERS, OrderBudget, RequestClass
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.order import CancelOrder, Command, QueryOrder, SubmitOrder
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.request_pace import RequestPace
from quotebus.execution_adapter.orders.states import Outcome, State
from tests.execution_adapter.search import World

T0 = 1_000 * NS_PER_S


def test_turns_are_taken_in_the_order_of_asking() -> None:
    rooms = iter([0, 1, 1, 2])
    pace = RequestPace(lambda: next(rooms))
    said = []
    for turn in range(4):
        pace.begin_turn(turn, 0)
        said.append([name for name in "abc" if pace.may_place(name, turn)])
    assert said == [[], ["a"], ["b"], ["a", "c"]], "c kept its place, and b begins again behind them"
    assert pace.is_short


def test_who_no_longer_wants_to_place_holds_nobody_up() -> None:
    short = RequestPace(lambda: 0)
    assert not short.may_place("gone", 0)
    assert short.is_short
    short.begin_turn(2 * NS_PER_S, 0)
    assert not short.is_short


@pytest.mark.parametrize(
    ("resting", "proven", "most"),
    [(14, False, 100), (14, True, 20), (1, False, 60), (100, False, 100), (100, True, 20), (3, True, 18)],
)
def test_resting_orders_are_asked_about_within_a_minutes_budget(resting: int, proven: bool, most: int) -> None:
    pace = RequestPace()
    pace.begin_turn(0, resting)
    a_minute = resting * 60 * NS_PER_S / pace.ask_every_ns(stream_proven=proven)
    assert a_minute == pytest.approx(most)


class Floor:
    """Many intents, one budget, one broker, one clock; four turns a second. The stream tells nothing."""

    def __init__(self, count: int, window_s: int) -> None:
        self.worlds = [World(Random(number)) for number in range(count)]
        self.pace = RequestPace(self.room)
        self.budget, self.numbers = OrderBudget(), [0] * NUMBERS
        self.parents = [
            ParentOrder(Intent("SPY", "buy", Decimal(10), window_s * NS_PER_S), f"qb-{number}", T0, Tactics(),
                        Policies(Policy.MARKET)) for number in range(count)
        ]  # fmt: skip
        for parent in self.parents:
            parent.pace = self.pace
        self.waiting: list[tuple[int, Command]] = []
        self.asked: list[int] = []
        self.now_ns = T0

    def room(self) -> int:
        return max(0, self.budget.left(self.numbers, self.now_ns) - len(self.waiting))

    def send(self, index: int, commands: list[Command]) -> None:
        self.waiting += [(index, command) for command in commands if (index, command) not in self.waiting]

    def turn(self) -> None:
        self.now_ns += 250 * NS_PER_MS
        self.pace.begin_turn(self.now_ns, sum(parent.state is State.RESTING for parent in self.parents))
        for index, (parent, world) in enumerate(zip(self.parents, self.worlds, strict=True)):
            world.now_ns = self.now_ns
            self.send(index, parent.advance(world.assessment(), self.now_ns, stream_proven=False))
        self.waiting.sort(key=lambda each: not isinstance(each[1], CancelOrder))
        while self.waiting:
            index, command = self.waiting[0]
            wanted = RequestClass.CANCEL if isinstance(command, CancelOrder) else RequestClass.ORDER
            if self.budget.take(self.numbers, self.now_ns, wanted):
                break
            del self.waiting[0]
            self.asked.append(self.now_ns)
            answer = self.worlds[index].serve(command)
            assert answer is not None
            self.send(index, self.parents[index].on_answer(answer, self.now_ns))

    def most_in_a_minute(self) -> int:
        return max(sum(first <= at < first + 60 * NS_PER_S for at in self.asked) for first in self.asked[::10])


def test_a_hundred_intents_behind_the_limit_all_end_as_the_market_lets_them() -> None:
    floor = Floor(100, window_s=240)
    for _ in range(400 * 4):
        floor.turn()
        for world in floor.worlds:
            for booked in world.open():
                if world.random.random() < 0.006 or booked.order.limit_price is None:
                    world.fill(booked, booked.order.qty)
        if all(parent.outcome for parent in floor.parents):
            break
    assert {parent.outcome for parent in floor.parents} == {Outcome.FILLED}
    assert floor.most_in_a_minute() <= 190


def test_fourteen_that_rest_leave_room_without_the_order_stream() -> None:
    floor = Floor(14, window_s=600)
    for _ in range(180 * 4):
        floor.turn()
    assert all(parent.state is State.RESTING for parent in floor.parents)
    assert floor.most_in_a_minute() <= 150
    assert sum(isinstance(command, QueryOrder | SubmitOrder) for _, command in floor.waiting) == 0
