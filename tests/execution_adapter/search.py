"""A search for an order of events that makes a working order wrong.

    python -m tests.execution_adapter.search --seeds 5000

One seed is one life of an intent: a random sequence of price moves, halts, fills, lost, duplicated, late and
contradictory updates, requests that time out and arrive all the same, and restarts, between `ParentOrder` and a broker
of its own. After each step the broker's side is asked what could be filled at worst. Then the world calms down, and
everything must have come to an end that is what the broker's books say. The search must also catch each of
`mutants.MUTANTS`, and the lives of the whole worker (`lives`) each of `planted.PLANTED`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from quotebus.bus.book import HaltKnowledge, Standing, Unusable, Verdict
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import MarketSession, Quote
from quotebus.execution_adapter.decision.assessment import Assessment, Grade, Past
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.limit_price import find_sides
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import (
    Answer,
    CancelOrder,
    Command,
    NotFound,
    Order,
    PositionReport,
    QueryPosition,
    Refused,
    Report,
    Request,
    Status,
    SubmitOrder,
    Unknown,
)
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from tests.support.samples import HEALTH, like

ZERO = Decimal(0)
NOTHING_TOLD = PositionReport("", ZERO, ZERO)


class Wrong(AssertionError):
    """The rule that was broken, and how."""


_HEALTHS = {session: like(HEALTH, session=session) for session in MarketSession}


@dataclass
class Booked:
    """An order in the broker's books. `foreign` was put there by somebody else."""

    order: Order
    status: Status = Status.OPEN
    filled: Decimal = ZERO
    foreign: bool = False

    @property
    def at_worst(self) -> Decimal:
        return self.order.qty if self.status is Status.OPEN else self.filled

    def report(self, *, authoritative: bool) -> Report:
        return Report(
            self.order.client_order_id, self.status, self.filled, Decimal(10) if self.filled else None,
            f"b-{self.order.client_order_id}", self.order.limit_price, authoritative, self.status,
        )  # fmt: skip


@dataclass
class World:
    """The market, the broker's books and what is under way between the two sides."""

    random: Random
    start_ns: int = 1_000 * NS_PER_S
    now_ns: int = 1_000 * NS_PER_S
    bid: Decimal = Decimal("10.00")
    ask: Decimal = Decimal("10.04")
    usable: bool = True
    halted: bool = False
    session: MarketSession = MarketSession.REGULAR
    one_sided: bool = False
    rejects: bool = False
    books: dict[str, Booked] = field(default_factory=dict)
    requests: list[Command] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    updates: list[Report] = field(default_factory=list)
    journal: list[tuple[Order, dict[str, ChildOrder]]] = field(default_factory=list)
    refused: int = 0
    position: Decimal | None = None
    """What the account holds; None where nobody counts."""
    lags: bool = False
    """Whether the broker shows a position from before our last fill, `unseen`."""
    unseen: Decimal = ZERO
    held_back: Decimal = ZERO
    told: PositionReport = NOTHING_TOLD

    @property
    def available(self) -> Decimal:
        """What of the position no open order holds back."""
        ours = sum((booked.order.qty - booked.filled for booked in self.open()), ZERO)
        return (self.position or ZERO) - self.held_back - ours

    def assessment(self) -> Assessment:
        reasons: tuple[Unusable, ...] = ()
        if self.halted:
            reasons = (Unusable.NOT_LIVE, Unusable.HALTED)
        elif not self.usable:
            reasons = (Unusable.HEALTH_SILENT,)
        elif self.one_sided:
            reasons = (Unusable.ONE_SIDED,)
        bid = None if self.one_sided else float(self.bid)
        quote = Quote(
            source="p", seq=1, published_ns=self.now_ns, symbol="SPY", bid_price=bid, bid_size=5.0,
            ask_price=float(self.ask), ask_size=5.0, bid_exchange="V", ask_exchange="V", conditions=(), tape="B",
            exchange_ns=0, received_ns=0, conflated=0, flags=0, connection=1,
        )  # fmt: skip
        state = "halted" if self.halted else "live"
        halt = HaltKnowledge.HALTED if self.halted else HaltKnowledge.TRADING
        health = _HEALTHS[self.session]
        verdict = Verdict("SPY", reasons, quote, health, Standing(state, "", "p", ("p", 1)), halt, 0, 0)
        grade = Grade.REFUSE if reasons or self.session != MarketSession.REGULAR else Grade.OK
        return Assessment(grade, reasons, verdict, find_sides(quote), Past())

    # the broker

    def serve(self, request: Command) -> Answer | None:
        """The broker takes a request; what it answers."""
        if isinstance(request, QueryPosition):
            return PositionReport(
                request.request_id, (self.position or ZERO) + self.unseen, self.available + self.unseen
            )
        if isinstance(request, SubmitOrder):
            order = request.order
            if order.client_order_id in self.books:
                return Unknown(order.client_order_id, "client_order_id must be unique")
            if self.position is not None and order.qty > self.position:
                raise Wrong(f"sells short, {self.position} are held: {order}")
            if self.rejects or (self.position is not None and order.qty > self.available):
                self.refused += 1
                return Refused(order.client_order_id, Request.PLACE, "insufficient buying power")
            self.books[order.client_order_id] = booked = Booked(order)
            self.updates.append(booked.report(authoritative=False))
            return booked.report(authoritative=True)
        name = request.client_order_id
        found = self.books.get(name)
        if found is None:
            return NotFound(name)
        if isinstance(request, CancelOrder):
            if found.status is not Status.OPEN:
                return Refused(name, Request.CANCEL, "order is not cancelable")
            if self.random.random() < 0.7:
                self.end(found, Status.CANCELED)
            return found.report(authoritative=True)
        return found.report(authoritative=True)

    def end(self, booked: Booked, status: Status) -> None:
        booked.status = status
        self.updates.append(booked.report(authoritative=False))

    def fill(self, booked: Booked, qty: Decimal) -> None:
        got = min(qty, booked.order.qty - booked.filled)
        booked.filled += got
        if self.position is not None and not booked.foreign:
            self.position -= got
            self.unseen = got if self.lags else ZERO
        if booked.filled == booked.order.qty:
            booked.status = Status.FILLED
        self.updates.append(booked.report(authoritative=False))

    def open(self) -> list[Booked]:
        return [booked for booked in self.books.values() if booked.status is Status.OPEN]

    def at_worst(self) -> Decimal:
        """What would be filled in all if everything open, and everything under way, were filled."""
        total = sum((booked.at_worst for booked in self.books.values()), ZERO)
        coming = {r.order.client_order_id: r.order.qty for r in self.requests if isinstance(r, SubmitOrder)}
        return total + sum((qty for name, qty in coming.items() if name not in self.books), ZERO)


class Life:
    """One intent in one world."""

    def __init__(self, seed: int, parent: type[ParentOrder]) -> None:
        self.random = Random(seed)
        self.kind = parent
        self.world = World(self.random)
        self.intent = Intent("SPY", self.random.choice(["buy", "sell"]), Decimal(10), 30 * NS_PER_S)
        self.others = Random(seed)
        if issubclass(parent, SellAllOrder) or (parent is ParentOrder and self.others.random() < 0.3):
            self.kind = parent if issubclass(parent, SellAllOrder) else SellAllOrder
            self.intent = Intent("SPY", "sell", ZERO, 30 * NS_PER_S, exits=True)
            self.world.position = Decimal(self.others.choice(["0", "0.5", "10", "10.25"]))
            self.world.lags = self.others.random() < 0.5
        self.most = self.intent.qty if self.world.position is None else self.world.position
        self.size = self.intent.qty
        self.policy = self.random.choice(list(Policy))
        self.tactics = Tactics(
            repeg_every_ns=NS_PER_S,
            patience_ns=2 * NS_PER_S,
            min_notional=ZERO,
            lost_after=self.random.randint(1, 3),
        )
        self.parent = self.born()
        self.events: Counter[str] = Counter()

    def born(self) -> ParentOrder:
        return self.kind(
            replace(self.intent, qty=self.size), "qb-SPY", self.world.start_ns, self.tactics, Policies(self.policy)
        )

    def live(self) -> None:
        for _ in range(self.random.randint(20, 120)):
            self.step()
            self.check()
            if self.parent.state is State.DONE:
                break
        self.calm()

    # what may happen

    def step(self) -> None:
        roll, random, world = self.random.random(), self.random, self.world
        if world.position is not None and self.others.random() < 0.1:
            self.share()
        if roll < 0.30:
            world.now_ns += int(random.choice([1, 20, 300, 1500]) * NS_PER_MS * random.random())
            self.do(
                self.parent.advance(world.assessment(), world.now_ns, stream_proven=random.random() < 0.5), "advance"
            )
        elif roll < 0.50 and world.requests:
            self.deliver(random.randrange(len(world.requests)))
        elif roll < 0.66 and world.answers:
            self.answered(world.answers.pop(random.randrange(len(world.answers))))
        elif roll < 0.76 and world.updates:
            self.update()
        elif roll < 0.86 and world.open():
            booked = random.choice(world.open())
            world.fill(booked, Decimal(random.randint(1, 6)))
            self.events["fill"] += 1
        elif roll < 0.90:
            move = Decimal(random.randint(-3, 3)) / 100
            world.bid, world.ask = world.bid + move, world.ask + move
        elif roll < 0.94:
            self.weather()
        elif roll < 0.96:
            self.restart()
        elif roll < 0.98:
            self.do(self.parent.on_gap(world.now_ns), "gap")
        else:
            self.strike()

    def deliver(self, index: int) -> None:
        """A request reaches the broker, or its deadline passes first; then it may arrive all the same, or never."""
        request, roll = self.world.requests[index], self.random.random()
        if roll < 0.2:
            self.world.answers.append(Unknown(_name(request), "timed out"))
            self.events["timeout, still coming"] += 1
            return
        del self.world.requests[index]
        if roll < 0.3:
            self.world.answers.append(Unknown(_name(request), "timed out"))
            self.events["timeout, lost"] += 1
            return
        answer = self.world.serve(request)
        if roll < 0.45 or answer is None:
            self.world.answers.append(Unknown(_name(request), "timed out"))
            self.events["timeout, done"] += 1
        else:
            self.world.answers.append(answer)

    def answered(self, answer: Answer) -> None:
        if isinstance(answer, PositionReport) and self.parent.state is State.SIZING:
            self.world.told = answer
        self.do(self.parent.on_answer(answer, self.world.now_ns), "answer")

    def update(self) -> None:
        """An order update arrives: out of order, perhaps not for the last time, perhaps never, perhaps false."""
        updates, roll = self.world.updates, self.random.random()
        index = self.random.randrange(len(updates)) if roll < 0.5 else 0
        report = updates[index]
        if self.random.random() < 0.7:
            del updates[index]
        else:
            self.events["doubled"] += 1
        if self.random.random() < 0.15:
            self.events["lost"] += 1
            return
        if self.random.random() < 0.1:
            self.events["contradictory"] += 1
            report = replace(report, status=self.random.choice(list(Status)), filled=self.random.choice([None, ZERO]))
        self.do(self.parent.on_answer(report, self.world.now_ns), "update")

    def weather(self) -> None:
        what = self.random.choice(["usable", "halted", "one_sided", "rejects"])
        setattr(self.world, what, not getattr(self.world, what))
        self.events[what] += 1

    def strike(self) -> None:
        """The broker ends an order by itself, or somebody else replaces it."""
        if not self.world.open():
            return
        booked = self.random.choice(self.world.open())
        status = self.random.choice([Status.EXPIRED, Status.REJECTED, Status.CANCELED, Status.REPLACED])
        if status is Status.REJECTED and booked.filled:
            status = Status.CANCELED
        self.world.end(booked, status)
        self.events[status] += 1
        if status is Status.REPLACED:
            rest = replace(booked.order, client_order_id=f"foreign-{len(self.world.books)}",
                           qty=booked.order.qty - booked.filled)  # fmt: skip
            self.world.books[rest.client_order_id] = Booked(rest, foreign=True)

    def share(self) -> None:
        """Somebody else has orders in the same position, and they fill while ours are not just being sized."""
        world, ours = self.world, any(isinstance(request, SubmitOrder) for request in self.world.requests)
        if self.others.random() < 0.5:
            world.held_back = max(ZERO, self.others.choice([ZERO, world.available, world.available // 2]))
            self.events["held back"] += 1
        elif not world.lags and not ours and self.parent.state not in (State.WAITING, State.SIZING):
            sold = max(ZERO, world.available // 2)
            world.position = (world.position or ZERO) - sold
            self.events["sold by others"] += sold > 0

    def restart(self) -> None:
        """The worker dies and comes back with its journal; answers to the dead reach nobody."""
        self.events["restart"] += 1
        self.world.answers.clear()
        self.parent = self.born()
        children: dict[str, ChildOrder] = {}
        for order, finals in self.world.journal:
            resent = order.client_order_id in children
            for name, final in finals.items():
                children[name] = replace(final)
            children[order.client_order_id] = ChildOrder(order, resent=resent)
        self.do(self.parent.restore(list(children.values()), self.world.now_ns), "restart")

    def do(self, commands: list[Command], why: str) -> None:
        self.events[why] += 1
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.judge(command.order)
                self.size = self.parent.intent.qty
                self.world.journal.append((command.order, {c.order.client_order_id: replace(c) for c in
                                                           self.parent.children if c.proven}))  # fmt: skip
                if self.random.random() < 0.05:
                    self.events["died between journal and sending"] += 1
                    self.restart()
                    return
            self.world.requests.append(command)

    # what must hold

    def judge(self, order: Order) -> None:
        """Every order placed: nothing while halted, no price that was not there, none across the spread."""
        world = self.world
        if world.halted:
            raise Wrong(f"ordered while halted: {order}")
        if world.position is not None:
            again = any(order.client_order_id == former.client_order_id for former, _ in world.journal)
            if order.qty > (world.told.qty if again else world.told.available):
                raise Wrong(f"more than {world.told}: {order}")
        if order.limit_price is None:
            if self.policy not in (Policy.MARKET, Policy.TABLE):
                raise Wrong(f"market order against the policy: {order}")
            return
        if not world.usable or world.one_sided or world.now_ns >= self.parent.end_ns:
            if self.policy not in (Policy.COLLAR, Policy.TABLE):
                raise Wrong(f"limit on a price that may not be used: {order}")
            if not Decimal("5") < order.limit_price < Decimal("20"):
                raise Wrong(f"absurd price: {order}")
            return
        if not world.bid <= order.limit_price <= world.ask:
            raise Wrong(f"outside the spread {world.bid} {world.ask}: {order}")
        if order.limit_price == (world.ask if order.side == "buy" else world.bid):
            raise Wrong(f"crosses {world.bid} {world.ask}: {order}")

    def check(self) -> None:
        at_worst = self.world.at_worst()
        if at_worst > self.most:
            raise Wrong(f"{at_worst} could be filled of {self.most}: {self.world.books} {self.world.requests}")

    def calm(self) -> None:
        """No faults any more: it must end, and say what the books say."""
        world = self.world
        world.usable, world.halted, world.one_sided, world.rejects = True, False, False, False
        world.held_back, world.lags, world.unseen = ZERO, False, ZERO
        time_left = world.now_ns + 5 * NS_PER_S < self.parent.end_ns and self.parent.state is not State.DONE
        for _ in range(400):
            world.now_ns += 400 * NS_PER_MS
            while world.requests:
                answer = world.serve(world.requests.pop(0))
                if answer is not None:
                    self.answered(answer)
                self.check()
            for answer in [*world.answers, *world.updates]:
                self.answered(answer)
            world.answers.clear()
            world.updates.clear()
            for booked in world.open():
                if booked.order.limit_price is None:
                    world.fill(booked, booked.order.qty)
            self.do(self.parent.advance(world.assessment(), world.now_ns), "advance")
            self.check()
            ours_open = [booked for booked in world.open() if not booked.foreign]
            if self.parent.state is State.DONE and not ours_open and not world.requests and not world.updates:
                break
        self.closing(time_left)

    def closing(self, time_left: bool) -> None:
        world, parent = self.world, self.parent
        if parent.state is not State.DONE:
            raise Wrong(f"never ended: {parent.state} {parent.cause}")
        replaced = any(booked.status is Status.REPLACED for booked in world.books.values())
        ours = [booked for booked in world.books.values() if not booked.foreign]
        if [booked for booked in ours if booked.status is Status.OPEN]:
            raise Wrong(f"left an order open: {ours}")
        filled = sum((booked.filled for booked in ours), ZERO)
        if parent.filled != filled:
            raise Wrong(f"says {parent.filled} filled, the books say {filled}")
        wanted = parent.intent.qty
        unsized = wanted == 0 and parent.outcome is Outcome.UNFILLED
        if (parent.outcome is Outcome.FILLED) != (filled == wanted) and not replaced and not unsized:
            raise Wrong(f"says {parent.outcome}, and {filled} of {wanted} are filled")
        if parent.outcome is Outcome.UNRESOLVED and not replaced:
            raise Wrong(f"says unresolved, though the broker answers: {parent.cause}")
        ended_by_broker = replaced or world.refused or any(b.status is Status.REJECTED for b in ours)
        if world.position is not None and "too large now" in parent.cause:
            return  # others sold while an order was lost that may still arrive: nothing else may be sent
        if time_left and self.policy in (Policy.MARKET, Policy.TABLE) and not ended_by_broker and filled != wanted:
            raise Wrong(f"the rest was never sent: {filled} of {wanted} ({parent.cause})")
        if parent.outcome is Outcome.FILLED and world.position and not replaced:
            raise Wrong(f"says all was sold, and {world.position} are held")


def _name(request: Command) -> str:
    if isinstance(request, QueryPosition):
        return request.request_id
    return request.order.client_order_id if isinstance(request, SubmitOrder) else request.client_order_id


def advance_alone(parent: ParentOrder, world: World) -> list[Command]:
    """Advance in a world without other hosts: when the intent asks for its next order, the broker has none."""
    commands = parent.advance(world.assessment(), world.now_ns)
    if parent.state is State.LOOKING_UP and parent.children[-1].elsewhere and not parent.children[-1].seen:
        assert commands == [parent.children[-1].question]
        parent.on_answer(NotFound(parent.children[-1].order.client_order_id), world.now_ns)
        return parent.advance(world.assessment(), world.now_ns)
    return commands


def search(seeds: range, parent: type[ParentOrder] = ParentOrder) -> tuple[int, Counter[str]]:
    """Live through every seed: how many, and what happened in them. Raises Wrong with the first bad seed."""
    events: Counter[str] = Counter()
    for seed in seeds:
        life = Life(seed, parent)
        try:
            life.live()
        except (AssertionError, IllegalTransition) as error:
            raise Wrong(f"seed {seed}: {error}") from error
        events += life.events
        events[life.parent.outcome or ""] += 1
    return len(seeds), events


def caught(parent: type[ParentOrder], seeds: range) -> str | None:
    """How the search catches a defect put into the machine; None when it does not."""
    try:
        search(seeds, parent)
    except Wrong as error:
        return str(error)
    return None


def main() -> int:
    from tests.execution_adapter.mutants import MUTANTS
    from tests.execution_adapter.planted import PLANTED, caught_in_a_life

    parser = argparse.ArgumentParser(description="search for an order of events that makes a working order wrong")
    parser.add_argument("--seeds", type=int, default=5000)
    parser.add_argument("--lives", type=int, default=150, help="lives of the worker for each defect around its orders")
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    lives, events = search(seeds)
    print(f"{lives} lives, nothing wrong; in them: {', '.join(f'{n} {what}' for what, n in events.most_common())}")
    missed = 0
    for mutant in MUTANTS:
        how = caught(mutant, seeds)
        missed += how is None
        print(f"{mutant.__name__:<24}     {(how or 'NOT CAUGHT')[:140]}", flush=True)
    for planted in PLANTED:
        how = caught_in_a_life(planted, options.lives)
        missed += how is None
        print(f"{planted.name:<24} {planted.row:<3} {(how or 'NOT CAUGHT')[:140]}", flush=True)
    print(f"{len(MUTANTS) + len(PLANTED) - missed} of {len(MUTANTS) + len(PLANTED)} defects found")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
