"""Alpaca's own trading client and order stream, unchanged, against the simulator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Open = Callable[..., Any]
DEADLINE_S = 8


class Account:
    """One simulator with a mute market that says what it is told, a client and a list of what the stream said."""

    def __init__(self, program: Any) -> None:
        from alpaca.trading.client import TradingClient
        from alpaca.trading.stream import TradingStream

        self.program = program
        self.control = program.control
        self.client = TradingClient("key", "secret", url_override=program.rest)
        self.stream = TradingStream("key", "secret", url_override=program.stream)
        self.updates: list[Any] = []
        self._changed = threading.Condition()
        self.control.faults(mute=True)
        self.quote(100.0, 100.02)

        async def keep(update: Any) -> None:
            with self._changed:
                self.updates.append(update)
                self._changed.notify_all()

        self.stream.subscribe_trade_updates(keep)
        self.thread = threading.Thread(target=self.stream.run, daemon=True)
        self.thread.start()

    def quote(self, bid: float, ask: float, **sizes: float) -> None:
        self.control.quote("SPY", bid, ask, **sizes)

    def limit(self, side: str, qty: float, price: float, **more: Any) -> Any:
        from alpaca.trading.requests import LimitOrderRequest

        given = {"time_in_force": "day", **more}
        return self.client.submit_order(LimitOrderRequest(symbol="SPY", side=side, qty=qty, limit_price=price, **given))

    def market(self, side: str, **more: Any) -> Any:
        from alpaca.trading.requests import MarketOrderRequest

        return self.client.submit_order(MarketOrderRequest(symbol="SPY", side=side, time_in_force="day", **more))

    def wait(self, order: Any, event: str) -> Any:
        """The first update of this order with this event."""

        def found() -> Any:
            return next((u for u in self.updates if u.order.id == order.id and _name(u.event) == event), None)

        with self._changed:
            update = self._changed.wait_for(found, DEADLINE_S)
        assert update is not None, (event, [(u.event, u.order.id) for u in self.updates])
        return update

    def events(self, order: Any) -> list[str]:
        return [_name(u.event) for u in self.updates if u.order.id == order.id]


def _name(event: Any) -> str:
    return str(getattr(event, "value", event))


@pytest.fixture
def account(start: Open, eventually: Open) -> Iterator[Account]:
    program = start("--rate", "50")
    own = Account(program)
    # Authenticated is not enough: a fill before `listen` would go unheard.
    eventually(lambda: any(stream["listening"] for stream in program.control.state()["orders"]["streams"]))
    yield own
    own.stream.stop()
    own.client._session.close()
    program.stop()
    own.thread.join(DEADLINE_S)
    assert not own.thread.is_alive()


def test_orders_fill_rest_are_replaced_and_canceled(account: Account) -> None:
    from alpaca.common.exceptions import APIError
    from alpaca.trading.requests import GetOrdersRequest, ReplaceOrderRequest

    taken = account.limit("buy", 150, 100.05, client_order_id="first")
    assert taken.status == "pending_new"
    assert taken.client_order_id == "first"
    partial = account.wait(taken, "partial_fill")
    assert (partial.qty, partial.price, partial.position_qty) == (100, 100.02, 100)
    account.quote(100.01, 100.03)
    filled = account.wait(taken, "fill")
    assert (filled.qty, filled.price, filled.position_qty) == (50, 100.03, 150)
    assert filled.order.status == "filled"
    assert account.events(taken) == ["pending_new", "new", "partial_fill", "fill"]

    resting = account.limit("sell", 50, 101.0)
    account.wait(resting, "new")
    replaced = account.client.replace_order_by_id(resting.id, ReplaceOrderRequest(qty=60, limit_price=100.5))
    account.wait(resting, "replaced")
    account.wait(replaced, "new")
    assert account.client.get_order_by_id(resting.id).replaced_by == replaced.id
    account.quote(100.6, 100.7)
    assert account.wait(replaced, "fill").price == 100.5, "a resting order is filled at its limit"

    last = account.limit("buy", 1, 90, client_order_id="last")
    account.wait(last, "new")
    since = datetime.now(UTC) - timedelta(minutes=1)
    assert [o.id for o in account.client.get_orders()] == [last.id]
    everything = account.client.get_orders(
        GetOrdersRequest(status="all", direction="asc", symbols=["SPY"], after=since, limit=3, nested=True)
    )
    assert [o.id for o in everything] == [taken.id, resting.id, replaced.id]
    assert account.client.get_orders(GetOrdersRequest(status="all", until=since)) == []
    account.client.cancel_order_by_id(last.id)
    account.wait(last, "canceled")
    assert account.client.get_order_by_client_id("last").status == "canceled"
    with pytest.raises(APIError) as refused:
        account.client.cancel_order_by_id(last.id)
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)

    open_now = [account.limit("buy", 1, 90), account.limit("buy", 2, 91)]
    assert {(str(a.id), a.status) for a in account.client.cancel_orders()} == {(str(o.id), 200) for o in open_now}

    position = account.client.get_open_position("SPY")
    assert position.qty == "90"
    assert [p.symbol for p in account.client.get_all_positions()] == ["SPY"]
    assert float(account.client.get_account().cash) == pytest.approx(1e6 - 100 * 100.02 - 50 * 100.03 + 60 * 100.5)
    assert account.client.get_clock().is_open
    assert account.client.get_asset("SPY").fractionable


def test_sessions_are_kept_and_told(account: Account) -> None:
    from alpaca.trading.requests import GetCalendarRequest

    account.quote(100.0, 100.02)
    account.control.session("post")
    clock = account.client.get_clock()
    assert not clock.is_open
    assert clock.timestamp < clock.next_open
    assert clock.timestamp < clock.next_close
    waiting = account.market("buy", qty=10)
    account.wait(waiting, "accepted")
    extended = account.limit("buy", 5, 101.0, extended_hours=True)
    assert account.wait(extended, "fill").qty == 5
    account.control.session("closed")
    late = account.limit("buy", 5, 101.0, extended_hours=True)
    account.wait(late, "accepted")
    account.quote(100.0, 100.02)
    account.control.session("regular")
    assert account.wait(waiting, "fill").qty == 10
    assert account.wait(late, "fill").qty == 5
    assert account.client.get_clock().is_open
    days = account.client.get_calendar(GetCalendarRequest(start=date(2026, 11, 27), end=date(2026, 12, 1)))
    assert [day.date for day in days] == [date(2026, 11, 27), date(2026, 11, 30), date(2026, 12, 1)]
    assert (days[0].open.hour, days[0].open.minute, days[0].close.hour) == (9, 30, 16)
    assert len(account.client.get_calendar()) > 15_000


def test_refusals_are_worded_as_alpacas(account: Account) -> None:
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient

    account.limit("buy", 1, 90, client_order_id="same")
    account.market("buy", notional=1000)
    for act, status, code, words in (
        (lambda: account.limit("buy", 1, 90, client_order_id="same"), 422, 40010001, "client_order_id must be unique"),
        (lambda: account.limit("buy", 1, 90.001), 422, 42210000, "sub-penny increment"),
        (lambda: account.limit("buy", 1.5, 90, time_in_force="gtc"), 422, 42210000, "fractional orders must be DAY"),
        (lambda: account.limit("buy", 1e6, 90), 403, 40310000, "insufficient buying power"),
        (lambda: account.limit("sell", 20, 110), 403, 40310000, "insufficient qty available"),
        (lambda: account.market("buy", notional=0.5), 403, 40310000, "minimal amount of order 1"),
        (lambda: account.limit("buy", 1, 90, extended_hours=True, time_in_force="ioc"), 422, 42210000, "extended"),
        (lambda: account.client.get_order_by_client_id("none"), 404, 40410000, "order not found"),
        (lambda: account.client.get_open_position("AAPL"), 404, 40410000, "position does not exist"),
    ):
        with pytest.raises(APIError) as refused:
            act()
        assert (refused.value.status_code, refused.value.code) == (status, code), words
        assert words in refused.value.message
    account.control.faults(rest_auth_fail=1)
    with pytest.raises(APIError) as refused:
        account.client.get_account()
    assert refused.value.status_code == 401
    other = TradingClient("", "", oauth_token="none", url_override=account.program.rest)
    with pytest.raises(APIError) as refused:
        other.get_account()
    assert refused.value.status_code == 401
    other._session.close()


def test_halts_times_in_force_and_fractions(account: Account) -> None:
    bought = account.market("buy", notional=1000)
    assert account.wait(bought, "fill").position_qty == pytest.approx(1000 / 100.02)
    account.quote(100.0, 100.02)
    immediate = account.limit("buy", 150, 100.02, time_in_force="ioc")
    assert account.wait(immediate, "canceled").order.filled_qty == "100"
    whole = account.limit("buy", 150, 100.02, time_in_force="fok")
    assert account.wait(whole, "canceled").order.filled_qty == "0"
    account.quote(100.0, 100.02)
    account.control.halt("SPY")
    waiting = account.market("buy", qty=1)
    account.wait(waiting, "accepted")
    account.control.resume("SPY")
    account.wait(waiting, "fill")
    assert account.events(waiting) == ["pending_new", "accepted", "new", "fill"]
    resting = account.limit("buy", 100, 99.0)
    account.wait(resting, "new")
    account.control.order_event(str(resting.id), "done_for_day")
    account.wait(resting, "done_for_day")
