"""Troubles that the broker itself makes, as a real one does. See `lives`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from quotebus.pricing.simulator.trading.account import Position
from quotebus.pricing.simulator.trading.order import BrokerOrder
from quotebus.pricing.simulator.trading.tickets import RestError
from tests.execution_adapter.lives import Life, Trouble
from tests.execution_adapter.troubles import after, an_order, die


def calm_later(life: Life, least: int = 10, most: int = 60) -> Callable[[], None]:
    """Lift everything after a while."""
    return after(life.random.randint(least, most), life.desk.faults.lift_all)


def hidden(life: Life) -> None:
    """Answers are lost, and look-ups do not find what was accepted for seconds, also when it is filled."""
    life.desk.faults.change(
        {"order_hidden_ms": [500, 5_000], "rest_drop_reply": 6, "rest_late_status": [504, 3], "rest_html": 3}
    )
    life.run(life.start())
    life.desk.faults.lift_all()


def hidden_and_killed(life: Life) -> None:
    """The same, and the worker is killed in it."""
    life.desk.faults.change({"order_hidden_ms": [500, 5_000], "rest_cut_reply": 6, "duplicate_status": 409})
    life.run(life.start(), each_step=after(life.random.randint(1, 60), die))
    life.finish()
    life.desk.faults.lift_all()


def too_many(life: Life) -> None:
    """More requests than the broker allows, for a while; its answers come with headers, or without, or as a page."""
    life.desk.faults.change({"rest_limit": 1 + life.random.randint(0, 5), "rest_html": life.random.randint(1, 9)})
    if life.random.random() < 0.5:
        life.desk.faults.change({"rest_retry_after_s": 2})
    life.run(life.start(), each_step=calm_later(life, 10, 40))
    life.desk.faults.lift_all()


def by_hand(life: Life) -> None:
    """A person replaces orders: another price, or more or less of it, once and again."""
    random = life.random

    def replace() -> None:
        order = an_order(life, is_open=True) if random.random() < 0.1 else None
        successors = [o for o in life.desk.broker.orders.list_open() if o.replaces] if random.random() < 0.05 else []
        for old in filter(None, (order, *successors)):
            put_in_place(life, old)

    life.run(life.start(), each_step=replace)


def put_in_place(life: Life, old: BrokerOrder) -> None:
    price, qty = old.ticket.limit_price, old.ticket.qty
    if price is None or qty is None:
        return
    less = max(old.filled_qty, qty - life.random.choice([0, 0, 1, 3]))
    try:
        life.desk.broker.replace(
            old.order_id, {"limit_price": f"{price + Decimal('0.01'):f}", "qty": f"{max(less, Decimal('0.5')):f}"}
        )
        life.events["replaced by hand"] += 1
    except RestError:
        life.events["not replaced"] += 1


def washed(life: Life) -> None:
    """An order of another program on the account is on the other side for a while: the broker refuses ours."""
    broker, placed = life.desk.broker, []
    for intent in life.intents.values():
        side, price = ("sell", "9.00") if intent.side == "buy" else ("buy", "11.00")
        life.desk.faults.change({"order_ack_ms": 600_000, "wash_allowed": True})
        try:
            body = {"symbol": intent.symbol, "side": side, "type": "limit", "time_in_force": "day", "qty": "1",
                    "limit_price": price, "client_order_id": f"other-{len(placed)}"}  # fmt: skip
            placed.append(str(broker.place(body)["id"]))
        except RestError:
            life.events["no order of another"] += 1
    life.desk.faults.lift_all()

    def leave() -> None:
        for order_id in placed:
            if broker.orders.find(order_id).is_open:
                broker.cancel(order_id)

    life.others = {f"other-{number}" for number in range(len(placed))}
    life.run(life.start(), each_step=after(life.random.randint(5, 40), leave))
    leave()
    life.desk.pass_time(1_000_000_000)


def held_back(life: Life) -> None:
    """Shares are held back by orders that are not shown, for a while, and positions show fills late."""
    symbols = list(life.desk.markets)
    life.desk.faults.change({"qty_held": dict.fromkeys(symbols, 5.0), "position_late_ms": [0, 2_000]})
    life.run(life.start(), each_step=calm_later(life))
    life.desk.faults.lift_all()


def short_of_power(life: Life) -> None:
    """The account can pay for all only when what it sells is sold, and open orders hold back what there is."""
    account, intents = life.desk.broker.account, life.intents.values()
    costs = [intent.qty * 10 for intent in intents if intent.side == "buy"]
    brought = sum((intent.qty * 10 for intent in intents if intent.side == "sell"), Decimal(0))
    account.cash = max(Decimal("1.2") * max(costs, default=0), Decimal("1.15") * sum(costs) - Decimal("0.9") * brought)
    for intent in intents:
        if intent.side == "sell":
            for positions in (account.positions, account.shown):
                positions[intent.symbol] = position = Position()
                position.qty, position.entry_price = intent.qty, Decimal(10)
    life.run(life.start())


def odd_words(life: Life) -> None:
    """Statuses that are rare, or that nobody knows; then the orders go on."""
    random = life.random

    def disturb() -> None:
        if random.random() < 0.05:
            word = random.choice(["pending_lunch", "pending_review", "held", "accepted_for_bidding", None])
            life.desk.faults.change({"order_status_word": word})
        order = an_order(life, is_open=True) if random.random() < 0.1 else None
        if order is not None:
            event = random.choice(["suspended", "held", "pending_review", "done_for_day", "stopped", "new", "expired"])
            try:
                life.desk.broker.force_event(order, event, "")
                life.events[event] += 1
            except ValueError:
                life.events["not now"] += 1

    life.run(life.start(), each_step=disturb)
    life.desk.faults.lift_all()


def corrected(life: Life) -> None:
    """An execution is corrected to fewer shares while its order is open."""

    def correct() -> None:
        order = an_order(life, is_open=True) if life.random.random() < 0.2 else None
        if order is not None and order.executions and order.executions[-1].qty > 1:
            last = order.executions[-1]
            life.desk.broker.correct(order, last.qty - 1, last.price)
            life.events["corrected"] += 1

    life.run(life.start(), each_step=correct)


UNKIND: tuple[Trouble, ...] = (
    Trouble("hidden", hidden, open_end=True),
    Trouble("hidden_and_killed", hidden_and_killed, open_end=True),
    Trouble("too_many", too_many, open_end=True),
    Trouble("by_hand", by_hand, open_end=True, lies=True, exits=False),
    Trouble("washed", washed, exits=False),
    Trouble("held_back", held_back),
    Trouble("short_of_power", short_of_power, exits=False, must_fill=True, window_s=(60,)),
    Trouble("odd_words", odd_words, open_end=True),
    Trouble("corrected", corrected, open_end=True, lies=True),
)
