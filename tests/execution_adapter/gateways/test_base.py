"""What a broker's answers mean, and both gateways against the simulated broker: orders, refusals, lost answers."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from decimal import Decimal

import pytest

from quotebus.execution_adapter.gateways.alpaca import AlpacaGateway
from quotebus.execution_adapter.gateways.base import (
    Gateway,
    NullGateway,
    read_clock,
    read_error,
    read_order,
    read_position,
)
from quotebus.execution_adapter.gateways.simulator import SimulatorGateway
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    ClockReport,
    NotFound,
    Order,
    PositionReport,
    Refused,
    Report,
    Request,
    Status,
    Unknown,
    Until,
)
from tests.support.programs import eventually
from tests.support.world import World

pytestmark = pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
FAR = Order("qb-test-1", "SPY", "buy", Decimal(10), Decimal("100.00"))


@pytest.mark.parametrize(
    ("status", "kind", "final"),
    [(401, Refused, True), (403, Refused, False), (422, Refused, True), (429, Refused, False),
     (408, Unknown, None), (500, Unknown, None), (504, Unknown, None), (302, Unknown, None), (100, Unknown, None)],
)  # fmt: skip
def test_error_is_a_refusal_only_where_nothing_was_done(status: int, kind: type, final: bool | None) -> None:
    answer = read_error("a", Request.PLACE, status, {"message": "why\x1b[0m"})
    assert isinstance(answer, kind)
    assert getattr(answer, "final", None) is final
    assert "\x1b" not in getattr(answer, "reason", "")


@pytest.mark.parametrize(
    "body", [None, [], {}, {"client_order_id": "other", "status": "new"}, {"client_order_id": "a"}, "x"]
)
def test_answer_that_is_not_this_order_says_nothing(body: object) -> None:
    assert isinstance(read_order("a", body), Unknown)


@pytest.mark.parametrize(
    ("body", "held"),
    [
        ({"qty": "10.25", "qty_available": "4", "side": "long"}, ("10.25", "4")),
        ({"qty": "10", "qty_available": "11", "side": "long"}, ("10", "10")),
        ({"qty": "-5", "qty_available": "-5", "side": "short"}, ("0", "0")),
        ({"qty": "10", "side": "long"}, None),
        ({"qty": "-5", "qty_available": "1"}, None),
        (["10"], None),
    ],
)
def test_position_is_what_may_be_sold_of_it(body: object, held: tuple[str, str] | None) -> None:
    answer = read_position("r", body)
    if held is None:
        assert isinstance(answer, Unknown)
    else:
        assert answer == PositionReport("r", Decimal(held[0]), Decimal(held[1]))


def test_nowhere_orders_nothing() -> None:
    answer = NullGateway().submit_order(FAR)
    assert isinstance(answer, Refused)
    assert answer.final


Make = Callable[[str, float], Gateway]


@pytest.fixture(params=["rest", "alpaca"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "rest":
        return lambda url, timeout_s: SimulatorGateway(url, "key", "secret", timeout_s)
    return lambda url, timeout_s: AlpacaGateway("key", "secret", paper=True, timeout_s=timeout_s, url=url)


@pytest.fixture
def broker(world: World) -> tuple[World, str]:
    words = world.exchange("--rate", "200", "--rest-port", "0").line("exchange-simulator: orders http").split()
    return world, words[words.index("orders") + 1]


@pytest.mark.parametrize("kind", ["rest", "alpaca"])
@pytest.mark.parametrize("extended", [True, False])
def test_only_limits_are_for_extended_hours_and_only_by_setting(
    broker: tuple[World, str], kind: str, extended: bool
) -> None:
    _, url = broker
    gateway: Gateway
    if kind == "rest":
        gateway = SimulatorGateway(url, "key", "secret", 3, extended_hours=extended)
    else:
        url_override = url.removesuffix("/v2")
        gateway = AlpacaGateway("key", "secret", paper=True, timeout_s=3, url=url_override, extended_hours=extended)
    for order in (FAR, Order("qb-test-market", "SPY", "buy", Decimal(1), None)):
        placed = gateway.submit_order(order)
        assert isinstance(placed, Report)
        asked = urllib.request.Request(
            f"{url}/orders/{placed.order_id}", headers={"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
        )
        with urllib.request.urlopen(asked, timeout=5) as answer:
            told = json.load(answer)["extended_hours"]
        assert told is (extended and order is FAR)


def test_the_brokers_clock(broker: tuple[World, str], make: Make) -> None:
    world, url = broker
    gateway = make(url, 3)
    assert gateway.query_clock() == ClockReport(True)
    world.control.session("pre")
    assert gateway.query_clock() == ClockReport(False)
    world.control.faults(rest_status=500)
    assert isinstance(gateway.query_clock(), Unknown)
    assert isinstance(make("http://127.0.0.1:1/v2", 0.2).query_clock(), Unknown)
    assert isinstance(NullGateway().query_clock(), Unknown)


@pytest.mark.parametrize("body", [None, {}, {"is_open": "yes"}, {"is_open": None}, [True]])
def test_a_clock_that_does_not_say_it_is_unknown(body: object) -> None:
    assert read_clock(body) == Unknown(CLOCK, "unreadable clock")


def test_life_of_an_order(broker: tuple[World, str], make: Make) -> None:
    world, url = broker
    gateway = make(url, 3)
    placed = gateway.submit_order(FAR)
    assert isinstance(placed, Report)
    assert (placed.status, placed.filled, placed.limit_price, placed.authoritative) == (
        Status.OPEN, Decimal(0), FAR.limit_price, True,
    )  # fmt: skip
    again = gateway.submit_order(FAR)
    assert isinstance(again, Report), "an id that was used is the order that it was used for"
    assert again.order_id == placed.order_id
    assert gateway.query_order("qb-unheard-of") == NotFound("qb-unheard-of")
    gateway.cancel_order("qb-test-1", "")

    def canceled() -> bool:
        found = gateway.query_order("qb-test-1")
        return isinstance(found, Report) and found.status is Status.CANCELED

    eventually(canceled)
    refused = gateway.cancel_order("qb-test-1", placed.order_id)
    assert isinstance(refused, Refused)
    bad = gateway.submit_order(Order("qb-test-2", "SPY", "buy", Decimal(1), Decimal("100.001")))
    assert isinstance(bad, Refused)
    assert bad.final
    market = gateway.submit_order(Order("qb-test-3", "SPY", "buy", Decimal(1), None))
    assert isinstance(market, Report)

    def filled() -> bool:
        found = gateway.query_order("qb-test-3")
        return isinstance(found, Report) and found.status is Status.FILLED and found.average_price is not None

    eventually(filled)
    assert gateway.query_position("r", "SPY") == PositionReport("r", Decimal(1), Decimal(1))
    resting = gateway.submit_order(Order("qb-test-sell", "SPY", "sell", Decimal("0.5"), Decimal("9000.00")))
    assert isinstance(resting, Report)
    assert gateway.query_position("r", "SPY") == PositionReport("r", Decimal(1), Decimal("0.5"))
    assert gateway.query_position("r", "QQQ") == PositionReport("r", Decimal(0), Decimal(0))
    # What was done and not answered is unknown, and found by its id.
    for number, fault in enumerate(({"rest_drop_reply": 1}, {"rest_cut_reply": 1}), start=4):
        world.control.faults(**fault)
        hasty = make(url, 0.3)
        assert isinstance(
            hasty.submit_order(Order(f"qb-test-{number}", "SPY", "buy", Decimal(1), Decimal("100"))), Unknown
        )
        assert isinstance(gateway.query_order(f"qb-test-{number}"), Report)
    world.control.faults(rest_status=503)
    assert isinstance(gateway.submit_order(Order("qb-test-9", "SPY", "buy", Decimal(1), None)), Unknown)
    assert isinstance(gateway.query_order("qb-test-1"), Unknown)


def test_nobody_there_is_unknown_and_an_order_that_was_not_sent_is_known_to_be_nowhere(make: Make) -> None:
    gateway = make("http://127.0.0.1:9/v2", 0.5)
    answer = gateway.submit_order(FAR)
    assert isinstance(answer, Refused)
    assert (answer.final, answer.until, answer.reason[:15]) == (False, Until.TIME, "no connection: ")
    assert isinstance(gateway.cancel_order("a", "b"), Unknown)
    assert isinstance(gateway.query_order("a"), Unknown)
    assert gateway.query_position("r", "SPY") == Unknown("r", getattr(gateway.query_position("r", "SPY"), "reason", ""))


@pytest.mark.parametrize("ending", ["", "/", "/v2", "/v2/"])
def test_an_address_is_taken_with_and_without_the_version(broker: tuple[World, str], make: Make, ending: str) -> None:
    _, url = broker
    assert make(url.removesuffix("/v2") + ending, 3).query_clock() == ClockReport(True)
