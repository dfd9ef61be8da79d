"""The broker: orders in, events out, fills against the exchange's own quotes and trades. Pure.

Set the time with `at`, report what has happened, then call `turn`. A request is answered before its events come: the
next `turn` makes them. Everything random is drawn from the seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_UP, Decimal
from itertools import count

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.records import Quote
from quotebus.pricing.simulator.trading.account import Account
from quotebus.pricing.simulator.trading.market_hours import MarketHours
from quotebus.pricing.simulator.trading.matching import (
    Fill,
    TopOfBook,
    is_filled,
    is_passive,
    match_quote,
    match_trade,
    read_top,
)
from quotebus.pricing.simulator.trading.order import OPEN, BrokerOrder, Ticket
from quotebus.pricing.simulator.trading.order_store import OrderEvent, OrderStore
from quotebus.pricing.simulator.trading.refusals import check_asset, check_wash_trade, refuse_used_id
from quotebus.pricing.simulator.trading.tickets import (
    UNPROCESSABLE,
    RestError,
    order_not_found,
    read_replacement,
    read_ticket,
)

MOST_ORDERS = 200_000


class Broker:
    """Orders and the account. Call `on_quote` and `on_trade` for the symbols with open orders, `orders.symbols`."""

    def __init__(
        self,
        seed: int,
        cash: Decimal,
        faults: Faults,
        top: Callable[[str], Quote],
        report: Callable[[OrderEvent], None],
    ) -> None:
        self._report = report
        self.orders = OrderStore(seed, self._tell)
        self.halted: set[str] = set()
        self.hours = MarketHours()
        self.fills = 0
        self.account = Account(self.orders.new_id(), cash, faults)
        self._faults = faults
        self._top = top
        self._tops: dict[str, tuple[Quote, TopOfBook]] = {}
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()
        self._now_ns = self._utc_ns = 0

    # Time.

    def at(self, now_ns: int, utc_ns: int) -> None:
        """Set the time for the calls that follow."""
        self._now_ns, self._utc_ns = now_ns, utc_ns

    def next_ns(self) -> int | None:
        """When `turn` has something to do."""
        return self._due[0][0] if self._due else None

    def turn(self) -> None:
        """Do what is due."""
        while self._due and self._due[0][0] <= self._now_ns:
            heapq.heappop(self._due)[2]()

    def _schedule(self, delay_ns: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self._now_ns + delay_ns, next(self._numbers), act))

    # Requests.

    def place(self, body: Mapping[str, object]) -> dict[str, object]:
        """Accept an order. Returns its entity as the answer shows it; RestError if it is refused."""
        ticket = read_ticket(body, self.orders.new_id())
        self._check_new(ticket, self.orders.list_open())
        order = self._add(ticket)
        self._apply(order, "pending_new")
        answer = self.show(order)
        self._schedule(self._faults.draw_ns("order_ack_ms"), lambda: self._acknowledge(order))
        return answer

    def cancel(self, order_id: str) -> None:
        """Request the cancellation of an order. RestError if it has ended or is being canceled."""
        order = self.find(order_id)
        if not order.is_open or order.cancel_wanted:
            raise RestError(422, UNPROCESSABLE, f'order is already in "{order.status}" state')
        if self._faults.take("cancel_reject"):
            self._schedule(0, lambda: self._apply(order, "order_cancel_rejected"))
            return
        order.cancel_wanted = True
        self._apply(order, "pending_cancel")
        if self._faults.take("fill_after_cancel"):
            self._schedule(0, lambda: self._fill_before_cancel(order))
        self._schedule(self._faults.draw_ns("order_cancel_ms"), lambda: self._cancel(order))

    def replace(self, order_id: str, body: Mapping[str, object]) -> dict[str, object]:
        """Request another order in place of this one. Returns its entity; its `qty` includes what was filled."""
        old = self.find(order_id)
        ticket = read_replacement(old, body, self.orders.new_id())
        self._check_new(ticket, [o for o in self.orders.list_open() if o is not old])
        new = self._add(ticket)
        new.replaces = old.order_id
        self._apply(new, "pending_new")
        self._apply(old, "pending_replace")
        answer = self.show(new)
        self._schedule(self._faults.draw_ns("order_ack_ms"), lambda: self._replace(old, new))
        return answer

    def force_event(self, order: BrokerOrder, event: str, reason: str) -> None:
        """Make an event happen to an order. ValueError if it may not come now."""
        self._apply(order, event, reason)
        if event == "new":
            self._work(order)

    def find(self, order_id: str) -> BrokerOrder:
        """An order by its id as requests find it. RestError (404) if there is none, or it is hidden still."""
        order = self.orders.find(order_id)
        if self.is_hidden(order):
            raise order_not_found(order_id)
        return order

    def is_hidden(self, order: BrokerOrder) -> bool:
        """Whether requests do not find it yet."""
        return self._now_ns < order.shown_from_ns and self._faults.on("order_hidden_ms")

    def show(self, order: BrokerOrder) -> dict[str, object]:
        """The order's entity as requests are told it."""
        return self._word(order.json())

    def bust(self, order: BrokerOrder) -> None:
        """Take back the order's last execution. ValueError if it has none."""
        if not order.executions:
            raise ValueError("the order has no execution")
        last = order.executions.pop()
        order.fill(-last.qty, last.price)
        position_qty = self._book(order, -last.qty, last.price)
        fill = Fill(last.qty, last.price)
        self._apply(order, "trade_bust", "", fill, position_qty, last.execution_id)

    def correct(self, order: BrokerOrder, qty: Decimal, price: Decimal) -> None:
        """Put another execution in place of the order's last one. ValueError if it has none, or cannot have that."""
        if not order.executions:
            raise ValueError("the order has no execution")
        last = order.executions[-1]
        if order.ticket.qty is not None and order.filled_qty - last.qty + qty > order.ticket.qty:
            raise ValueError("more than was ordered")
        order.executions.pop()
        order.fill(-last.qty, last.price)
        order.fill(qty, price)
        self._book(order, -last.qty, last.price)
        position_qty = self._book(order, qty, price)
        self._apply(order, "trade_correct", "", Fill(qty, price), position_qty, last.execution_id)

    def price(self, symbol: str) -> Decimal:
        """The value of a share now: the middle of the market, or its only side."""
        now = self._top_of_book(symbol)
        if now.bid is not None and now.ask is not None:
            return (now.bid + now.ask) / 2
        return now.bid or now.ask or Decimal(1)

    # The market.

    def on_quote(self, symbol: str) -> None:
        """Match a symbol's open orders against its new quote."""
        for order in self.orders.list_open_in(symbol):
            self._match(order)

    def on_trade(self, symbol: str, price: float, size: float) -> None:
        """Match a symbol's resting orders against a trade."""
        for order in self.orders.list_open_in(symbol):
            if order.is_working and self._trades(order) and self._now_ns >= order.fill_from_ns:
                fill = match_trade(order, price, size)
                if fill is not None:
                    size -= float(fill.qty)
                    self._execute(order, fill)

    def halt(self, symbol: str, halted: bool) -> None:
        """Halt trading in a symbol, or resume it."""
        if halted:
            self.halted.add(symbol)
            return
        self.halted.discard(symbol)
        self._resume(self.orders.list_open_in(symbol))

    def set_session(self, session: str) -> None:
        """Begin another session of the market: orders that are for it and have waited are worked."""
        self.hours.session = session
        self._resume(self.orders.list_open())

    def _resume(self, orders: Iterable[BrokerOrder]) -> None:
        for order in orders:
            if self._trades(order):
                if order.status == "accepted":
                    self._apply(order, "new")
                self._work(order)

    def _trades(self, order: BrokerOrder) -> bool:
        """Whether the order's symbol is not halted, and the session one that it is for."""
        return order.ticket.symbol not in self.halted and self.hours.may_fill(
            extended_hours=order.ticket.extended_hours
        )

    # The life of an order.

    def _check_new(self, ticket: Ticket, others: Iterable[BrokerOrder]) -> None:
        if ticket.client_order_id in self.orders.by_client_id:
            raise refuse_used_id(self._faults)
        check_asset(ticket, self._faults)
        others = list(others)
        if not self._faults.on("wash_allowed"):
            check_wash_trade(ticket, others)
        if len(self.orders.by_id) >= MOST_ORDERS:
            raise RestError(429, 42910000, "too many orders")
        now = self._top_of_book(ticket.symbol)
        price = ticket.limit_price or (now.ask if ticket.side == "buy" else now.bid) or self.price(ticket.symbol)
        self.account.check(ticket, price, others, self.price)

    def _add(self, ticket: Ticket) -> BrokerOrder:
        order = self.orders.add(ticket, self._utc_ns)
        order.shown_from_ns = self._now_ns + self._faults.draw_ns("order_hidden_ms")
        return order

    def _acknowledge(self, order: BrokerOrder) -> None:
        if order.status != "pending_new":
            return
        if self._faults.take("order_reject"):
            self._apply(order, "rejected", "rejected on purpose")
        elif not self._trades(order):
            self._apply(order, "accepted")
            self._end_at_once(order)
        else:
            self._apply(order, "new")
            self._work(order)

    def _work(self, order: BrokerOrder) -> None:
        if not order.is_working:
            return
        self._wait(order)
        if order.ticket.time_in_force == "fok":
            fill = match_quote(order, self._top_of_book(order.ticket.symbol))
            if fill is None or fill.qty < order.remaining(fill.price) or self._faults.on("fill_partial"):
                self._apply(order, "canceled")
                return
        self._match(order)
        if not order.fill_from_ns:
            self._end_at_once(order)

    def _end_at_once(self, order: BrokerOrder) -> None:
        if order.is_open and order.ticket.time_in_force in ("ioc", "fok"):
            self._apply(order, "canceled")

    def _wait(self, order: BrokerOrder) -> None:
        delay_ns = self._faults.draw_ns("fill_ms")
        order.fill_from_ns = self._now_ns + delay_ns if delay_ns else 0
        if delay_ns:
            self._schedule(delay_ns, lambda: self._match_late(order))

    def _match_late(self, order: BrokerOrder) -> None:
        self._match(order)
        self._end_at_once(order)

    def _top_of_book(self, symbol: str) -> TopOfBook:
        quote = self._top(symbol)
        held = self._tops.get(symbol)
        if held is None or held[0] is not quote:
            held = self._tops[symbol] = (quote, read_top(quote))
        return held[1]

    def _match(self, order: BrokerOrder) -> None:
        if not order.is_working or not self._trades(order) or self._now_ns < order.fill_from_ns:
            return
        now = self._top_of_book(order.ticket.symbol)
        fill = match_quote(order, now)
        if fill is not None:
            now.take(order.is_buy, self._execute(order, fill))
        elif is_passive(order, now):
            order.resting = True

    def _execute(self, order: BrokerOrder, fill: Fill) -> Decimal:
        if self._faults.on("fill_partial"):
            left = order.remaining(fill.price)
            qty = min(fill.qty, (left / 2).quantize(Decimal(1), ROUND_UP))
            if qty >= left:
                return Decimal(0)
            fill = Fill(qty, fill.price)
        order.fill(fill.qty, fill.price)
        self.fills += 1
        position_qty = self._book(order, fill.qty, fill.price)
        self._apply(order, "fill" if is_filled(order) else "partial_fill", "", fill, position_qty)
        if order.is_open:
            self._wait(order)
        return fill.qty

    def _book(self, order: BrokerOrder, qty: Decimal, price: Decimal) -> Decimal:
        """Book an execution, now or later in the positions that are shown. Returns the position after it."""
        delay_ns = self._faults.draw_ns("position_late_ms")
        if delay_ns:
            self._schedule(delay_ns, lambda: self.account.show(order, qty, price))
        else:
            self.account.show(order, qty, price)
        return self.account.trade(order, qty, price)

    def _fill_before_cancel(self, order: BrokerOrder) -> None:
        now = self._top_of_book(order.ticket.symbol)
        price = order.ticket.limit_price or (now.ask if order.is_buy else now.bid)
        if order.is_working and price is not None:
            self._execute(order, Fill(order.remaining(price), price))

    def _cancel(self, order: BrokerOrder) -> None:
        order.cancel_wanted = False
        if order.is_open:
            self._apply(order, "canceled")
        elif order.status == "filled":
            self._apply(order, "order_cancel_rejected")

    def _replace(self, old: BrokerOrder, new: BrokerOrder) -> None:
        if not new.is_open:
            return
        rejected = self._faults.take("replace_reject")
        if rejected or old.status != "pending_replace" or (new.ticket.qty or 0) <= old.filled_qty:
            self._apply(old, "order_replace_rejected")
            self._apply(new, "rejected", "the order to replace is not replaced")
            self._match(old)
            return
        new.filled_qty, new.filled_value = old.filled_qty, old.filled_value
        new.executions = list(old.executions)
        old.replaced_by = new.order_id
        self._apply(old, "replaced")
        self._acknowledge(new)

    def _apply(
        self,
        order: BrokerOrder,
        event: str,
        reason: str = "",
        fill: Fill | None = None,
        position_qty: Decimal | None = None,
        previous: str = "",
    ) -> None:
        self.orders.apply(order, event, self._utc_ns, reason, fill, position_qty, previous)

    def _tell(self, happened: OrderEvent) -> None:
        self._report(happened._replace(order=self._word(happened.order)))

    def _word(self, entity: dict[str, object]) -> dict[str, object]:
        """The entity with the status that a fault gives to open orders."""
        word = self._faults.value("order_status_word")
        return entity if word is None or entity["status"] not in OPEN else {**entity, "status": str(word)}

    def state(self) -> dict[str, object]:
        """Counters for display."""
        return {**self.orders.state(), "fills": self.fills, "session": self.hours.session}
