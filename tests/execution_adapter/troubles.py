"""The troubles that a life may have. Each ends with the command given once more, which must say the same."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.order import Answer, Report, Status
from quotebus.pricing.simulator.trading.order import BrokerOrder
from quotebus.pricing.simulator.trading.tickets import RestError
from tests.execution_adapter.desk import MIDNIGHT_NS, report_of
from tests.execution_adapter.lives import Killed, Life, Trouble, Worker

ZONES = ("UTC", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati")


def after(steps: int, act: Callable[[], None]) -> Callable[[], None]:
    """Do it once, after so many steps."""
    left = [steps]

    def each_step() -> None:
        left[0] -= 1
        if left[0] == 0:
            act()

    return each_step


def die() -> None:
    raise Killed


def calm(life: Life) -> None:
    life.finish()


def kill(life: Life, *, gap_s: int = 20, between: Callable[[], None] = lambda: None) -> None:
    """Killed up to four times, at any moment: while it writes, between journal and sending, at rest."""
    random = life.random
    for _ in range(random.randint(1, 4)):
        life.journal.kill_in = random.choice([0.0, 0.05])
        try:
            worker = life.start()
        except Killed:
            continue
        finally:
            life.journal.kill_in, kill_in = 0.0, life.journal.kill_in
        worker.dies = random.choice([0.0, 0.2])
        life.journal.kill_in = kill_in
        life.run(worker, each_step=after(random.randint(1, 80), die))
        life.journal.kill_in = 0.0
        if worker.status is not None:
            break
        life.desk.pass_time(random.randint(0, gap_s) * NS_PER_S)
        between()
    life.finish()


def killed(life: Life) -> None:
    kill(life)


def long_away(life: Life) -> None:
    """The restart comes a day later."""
    kill(life, gap_s=100_000)


def midnight(life: Life) -> None:
    """Killed before midnight UTC, started again after it, in another time zone."""
    life.desk.set_utc(MIDNIGHT_NS - 3 * NS_PER_S)
    former = os.environ.get("TZ")

    def travel() -> None:
        os.environ["TZ"] = life.random.choice(ZONES)
        time.tzset()

    try:
        kill(life, between=travel)
    finally:
        os.environ.pop("TZ", None)
        if former is not None:
            os.environ["TZ"] = former
        time.tzset()


def full_disk(life: Life) -> None:
    """The disk is full for one intent; once it is not any more the command is given again."""
    stem = life.random.choice(list(life.intents))

    def fill_up() -> None:
        life.journal.full = frozenset({stem})

    worker = life.start()
    life.run(worker, each_step=after(life.random.randint(1, 60), fill_up))
    life.journal.full = frozenset()
    life.finish()


def damaged(life: Life) -> None:
    """Killed, and one journal is no longer what was written."""
    life.run(life.start(), each_step=after(life.random.randint(1, 60), die))
    stem = life.random.choice(list(life.intents))
    for path in life.hosts[0].rglob(f"{stem}.jsonl"):
        damage(life, path)
    life.finish()


def damage(life: Life, path: Path) -> None:
    raw, random = bytearray(path.read_bytes()), life.random
    lines = bytes(raw).splitlines(keepends=True)
    what = random.choice(["garbage", "byte", "zeros", "cut", "older", "hole", "empty", "garbage inside"])
    life.events[f"journal: {what}"] += 1
    if what == "garbage":
        raw += b"garbage\n"
    elif what == "byte" and raw:
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
    elif what == "zeros" and raw:
        start = random.randrange(len(raw))
        raw[start:] = bytes(len(raw) - start)
    elif what == "cut":
        del raw[random.randint(0, len(raw)) :]
    elif what == "older":
        raw = bytearray(b"".join(lines[: random.randint(0, len(lines))]))
    elif what == "hole" and lines:
        del lines[random.randrange(len(lines))]
        raw = bytearray(b"".join(lines))
    elif what == "empty":
        raw.clear()
    elif what == "garbage inside":
        lines.insert(random.randint(0, len(lines)), b"\xff\xfe{]\n")
        raw = bytearray(b"".join(lines))
    path.write_bytes(raw)


def another_worker(life: Life) -> None:
    """The command is given while it is being worked."""
    first = life.start()
    life.run(first, each_step=after(life.random.randint(1, 30), lambda: life.run(life.start())))


def two_hosts(life: Life) -> None:
    """Two hosts with one account and the same command, each with its own journals; one of them may be killed."""
    life.hosts.append(life.folder / "host-b")
    first, second = life.start(0), life.start(1)
    life.run(first, second, each_step=after(life.random.randint(1, 200), die))
    for host in (0, 1):
        life.run(life.start(host))


def lost_journals(life: Life) -> None:
    """Killed, and the journals are gone."""
    kill(life, between=lambda: shutil.rmtree(life.hosts[0]))


def an_order(life: Life, *, is_open: bool) -> BrokerOrder | None:
    orders = [order for name in life.intents for order in life.desk.orders(name) if order.is_open == is_open]
    return life.random.choice(orders) if orders else None


def false_fill(life: Life) -> None:
    """The order stream claims fills that are none, of open orders and of ended ones."""

    def claim() -> None:
        order = an_order(life, is_open=life.random.random() < 0.7) if life.random.random() < 0.1 else None
        if order is not None:
            more = life.random.choice([order.ticket.qty or Decimal(0), order.filled_qty + 1, order.filled_qty + 50])
            life.desk.tell(report_of(order, life.random.choice(["filled", "partially_filled"]), more))
            life.events["false fill"] += 1

    life.run(life.start(), each_step=claim)


def false_cancel(life: Life) -> None:
    """The order stream claims that open orders are over."""

    def claim() -> None:
        order = an_order(life, is_open=True) if life.random.random() < 0.1 else None
        if order is not None:
            word = life.random.choice(["canceled", "expired", "rejected", "done_for_day", "calculated"])
            life.desk.tell(report_of(order, word, life.random.choice([None, Decimal(0), order.filled_qty])))
            life.events["false cancel"] += 1

    life.run(life.start(), each_step=claim)


def lagging(life: Life) -> None:
    """The broker's answers show fills later than its stream does, for some answers."""
    left = {"times": life.random.randint(1, 8)}

    def lie(answer: Answer) -> Answer:
        over = isinstance(answer, Report) and answer.status in (Status.CANCELED, Status.FILLED, Status.EXPIRED)
        if isinstance(answer, Report) and over and answer.filled and left["times"] > 0:
            left["times"] -= 1
            life.events["fills not shown"] += 1
            return replace(answer, status=Status.CANCELED, filled=Decimal(0))
        return answer

    life.desk.lying = lie
    life.run(life.start())
    life.desk.lying = lambda answer: answer


def busted(life: Life) -> None:
    """A fill is taken back, and the order stream says so."""

    worker = life.start()

    def bust() -> None:
        order = an_order(life, is_open=False) if life.random.random() < 0.05 else None
        if order is not None and order.executions and not worker.work.is_done:
            life.desk.broker.bust(order)
            life.events["bust"] += 1

    life.run(worker, each_step=bust)


def storm(life: Life) -> None:
    """Answers and requests are lost, cancels race fills, updates are lost, doubled and late; then it is calm again."""
    life.desk.loss = 0.1
    life.desk.faults.change(
        {"rest_drop_reply": 5, "fill_after_cancel": 3, "order_cancel_ms": 300, "cancel_reject": 2, "order_ack_ms": 200,
         "update_lost": 5, "update_duplicate": 5, "update_reorder": 5, "update_late_ms": 400}
    )  # fmt: skip

    def lull() -> None:
        life.desk.loss = 0.0
        life.desk.faults.lift_all()

    life.run(life.start(), each_step=after(life.random.randint(10, 60), lull))
    lull()


def rejected(life: Life) -> None:
    """The broker refuses orders, or takes them and rejects them."""
    life.desk.faults.change(
        {"order_reject": life.random.randint(1, 30), "order_refuse": [403, life.random.randint(1, 9)]}
    )
    life.run(life.start())
    life.desk.faults.lift_all()


def stopped(life: Life) -> None:
    """Ctrl-C, which gives it three seconds; the command is given again later."""
    worker = life.start()

    def stop() -> None:
        worker.work.stop(life.desk.now_ns)
        for _ in range(30):
            life.desk.step()
            worker.turn()
        worker.end()
        life.judge(worker)
        raise Killed

    life.desk.loss = life.random.choice([0.0, 0.2])
    life.run(worker, each_step=after(life.random.randint(1, 60), stop))
    life.desk.loss = 0.0
    life.finish()


def halted(life: Life) -> None:
    """One symbol does not trade: its intent ends unfilled, and is not begun again."""
    symbol = life.random.choice(list(life.desk.markets))
    life.desk.markets[symbol].halted = True
    life.desk.broker.halt(symbol, True)
    life.run(life.start())
    if len(life.intents) == 1 and life.statuses != [3]:
        raise AssertionError(f"exit {life.statuses} of an intent whose symbol is halted")


def given_again(life: Life) -> None:
    """The command is given again after its end, on later days and from another host."""
    life.finish()
    life.hosts.append(life.folder / "host-b")
    for _ in range(2):
        life.desk.pass_time(100_000 * NS_PER_S)
        life.run(life.start(life.random.choice([0, 1])))


def hidden(life: Life) -> None:
    """Answers to orders are lost, and look-ups do not find the orders for some seconds."""
    life.desk.faults.change({"rest_drop_reply": life.random.randint(1, 9), "order_hidden_ms": 3_000})
    life.finish()


def refused_for_now(life: Life) -> None:
    """The broker takes no order for some seconds, and then it does."""
    how: list[dict[str, object]] = [
        {"rest_limit": 1}, {"rest_status": [429, 999]}, {"order_refuse": [429, 999], "rest_retry_after_s": 2},
    ]  # fmt: skip
    life.desk.faults.change(life.random.choice(how))

    def let_in() -> None:
        life.desk.faults.lift_all()

    life.run(life.start(), each_step=after(life.random.randint(20, 50), let_in))


def server_errors(life: Life) -> None:
    """Orders are taken, and the answers are server errors; others meet a proxy's errors on their way."""
    life.desk.faults.change({"rest_late_status": [503, life.random.randint(1, 9)]})
    life.finish()


def lost_late(life: Life) -> None:
    """Requests arrive some seconds after their deadline, also those of the last second."""
    life.desk.loss, life.desk.late_ms = 0.3, (4_000, 9_000)
    life.run(life.start())
    life.desk.loss = 0.0


def resting(life: Life) -> None:
    """Orders rest for a minute, and there is no order stream: they are asked about, within the budget."""
    life.desk.faults.change({"order_ack_ms": 600_000, "update_lost": True})
    life.desk.still = True
    worker = life.start()
    asked = life.desk.api.requests

    def count() -> None:
        if (sent := life.desk.api.requests - asked) > 150:
            raise AssertionError(f"{sent} requests in a minute")
        raise Killed

    life.run(worker, each_step=after(600, count))
    life.desk.faults.lift_all()
    life.desk.still = False
    life.finish()


def replaced(life: Life) -> None:
    """Somebody replaces open orders by hand."""
    left = [life.random.randint(1, 3)]

    def replace_one() -> None:
        order = an_order(life, is_open=True) if life.random.random() < 0.1 and left[0] else None
        if order is None or order.ticket.limit_price is None or order.cancel_wanted:
            return
        price = order.ticket.limit_price + Decimal("0.01") * life.random.choice([-3, -1, 1, 3])
        try:
            life.desk.broker.replace(order.order_id, {"limit_price": str(price)})
        except RestError:
            return
        left[0] -= 1
        life.events["replaced by hand"] += 1

    life.run(life.start(), each_step=replace_one)


def unopenable(life: Life) -> None:
    """One journal cannot be opened."""
    stem = life.random.choice(list(life.intents))
    if len(life.intents) > 1:
        life.hosts[0].mkdir(parents=True)
        (life.hosts[0] / f"{stem}.jsonl").mkdir()
    life.run(life.start())
    if len(life.intents) > 1 and life.statuses != [3]:
        raise AssertionError(f"exit {life.statuses}: one journal cannot be opened, the broker has none of its orders")


def away(life: Life) -> None:
    """There is no broker, from the first moment to the last: nothing was sent, so nothing can be open."""
    life.desk.away = True
    life.run(life.start())
    if life.statuses != [3] or any("CHECK AT BROKER" in line for line in life.last_lines):
        raise AssertionError(f"exit {life.statuses}, and nothing was ever sent: {life.last_lines}")
    life.desk.away = False


def away_later(life: Life) -> None:
    """It is gone in the middle, and stays away until the end."""

    def leave() -> None:
        life.desk.away = True

    life.run(life.start(), each_step=after(life.random.randint(1, 60), leave))
    life.desk.away = False


def others_of(life: Life) -> list[Worker]:
    return [worker for worker in life.workers if worker.status is None]


TROUBLES: tuple[Trouble, ...] = (
    Trouble("calm", calm, must_fill=True, window_s=(20,)),
    Trouble("killed", killed),
    Trouble("long_away", long_away),
    Trouble("midnight", midnight),
    Trouble("full_disk", full_disk),
    Trouble("damaged", damaged, open_end=True, damages=True),
    Trouble("another_worker", another_worker, open_end=True, still_there=others_of),
    Trouble("two_hosts", two_hosts, exits=False, still_there=others_of),
    Trouble("lost_journals", lost_journals),
    Trouble("false_fill", false_fill),
    Trouble("false_cancel", false_cancel),
    Trouble("lagging", lagging, open_end=True),
    Trouble("busted", busted),
    Trouble("storm", storm, open_end=True),
    Trouble("rejected", rejected),
    Trouble("stopped", stopped, open_end=True),
    Trouble("halted", halted),
    Trouble("given_again", given_again, exits=False),
    Trouble("lost_and_hidden", hidden, must_fill=True, window_s=(40,)),
    Trouble("refused_for_now", refused_for_now, must_fill=True, window_s=(40,)),
    Trouble("server_errors", server_errors, must_fill=True, window_s=(40,)),
    Trouble("lost_late", lost_late, open_end=True, window_s=(2,)),
    Trouble("resting", resting, blind=True, exits=False, window_s=(120,)),
    Trouble("replaced", replaced),
    Trouble("away", away),
    Trouble("away_later", away_later, open_end=True),
    Trouble("unopenable", unopenable, exits=False, damages=True),
)
