"""The client as a program sees it, against a real broker and a node that does as it is told."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus import BusClient, BusSettings, Unusable, bus
from quotebus.bus import client_warnings
from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import AckRow, OrderUpdate
from quotebus.bus.protocol import MAX_SYMBOLS
from tests.support.bus import FREE, NOBODY, answered, ask, fake_node, running_broker
from tests.support.counters import documented
from tests.support.programs import eventually
from tests.support.samples import HEALTH, INTENT, ORDER, QUOTE, STATUS, TRADE, like


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    with running_broker() as settings:
        yield settings


def test_a_request_waits_until_the_price_may_be_used(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="waits") as client:
        client.request(["SPY", "QQQ"])
        eventually(lambda: node.requests)
        ticking = threading.Timer(0.4, lambda: (node.tick("QQQ"), node.tick("SPY")))
        ticking.start()
        results = client.request(["SPY", "QQQ"], wait_s=30)
        assert {symbol: (result.usable, result.reasons) for symbol, result in results.items()} == {
            "SPY": (True, ()),
            "QQQ": (True, ()),
        }
        assert client.usable("SPY")
        assert client.add("QQQ", wait_s=30)["SPY"].usable
        assert client.add("QQQ")["SPY"].reasons is None, "not judged where nobody waits"
        ticking.join()


def test_a_wait_that_is_over_says_what_is_missing(settings: BusSettings) -> None:
    with fake_node(settings), BusClient(settings, name="waits") as client:
        result = client.request(["SPY"], wait_s=1)["SPY"]
        assert (result.acknowledged, result.usable, result.reasons) == (True, False, (Unusable.NO_QUOTE,))
        status = client.status("SPY")
        assert status is not None
        assert status.reasons == (Unusable.NO_QUOTE,)
        assert client.results()["SPY"].reasons is None, "not judged"


@pytest.mark.parametrize("state", ["halted", "refused", "evicted"])
def test_nobody_waits_for_a_price_that_waiting_does_not_bring(settings: BusSettings, state: str) -> None:
    with fake_node(settings) as node, BusClient(settings, name="waits") as client:
        node.answers = lambda request: {
            "results": tuple(AckRow(symbol, state, "demand", None, 0) for symbol in request.symbols)
        }
        began_ns = now_ns()
        result = client.request(["SPY"], wait_s=40)["SPY"]
        assert now_ns() - began_ns < 30 * NS_PER_S
        assert (result.state, result.usable) == (state, False)


def test_a_price_that_may_be_used(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="reader") as client:
        results = ask(client, "spy")
        assert (results["SPY"].state, results["SPY"].acknowledged) == ("live", True)
        node.tick("SPY")
        eventually(lambda: client.usable("spy"), why=str(client.assess("SPY").reasons))
        assert client.is_connected
        assert client.last_quote("SPY") is not None
        assert client.health() is not None
        assert client.assess("QQQ").reasons[0] is Unusable.NOT_REQUESTED


def test_requests_repeat_until_acknowledged(settings: BusSettings) -> None:
    with fake_node(settings, deaf=2) as node, BusClient(settings, name="patient") as client:
        results = ask(client, ["SPY"])
        assert results["SPY"].acknowledged
        assert [request.seq for request in node.requests] == [1, 2, 3]
        assert len({request.request_id for request in node.requests}) == 1


def test_bad_symbols_are_refused_by_name_and_the_others_go_on(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="careless") as client:
        results = ask(client, ["spy", "*", "BRK.B"])
        assert {name: result.cause for name, result in results.items() if result.state == "refused"} == {
            "*": "bad_symbol"
        }
        assert set(results) == {"SPY", "*", "BRK.B"}
        assert node.requests[-1].symbols == ("SPY", "BRK.B")


def test_add_and_discard_change_the_complete_wish(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="changing") as client:
        ask(client, ["SPY"], channels=("quotes", "trades"), priority=5)
        answered(client, client.add(["QQQ", "spy"]))
        answered(client, client.add("IWM"))
        assert client.symbols == ("SPY", "QQQ", "IWM")
        client.discard("qqq")
        eventually(lambda: node.requests[-1].symbols == ("SPY", "IWM"))
        assert (node.requests[-1].channels, node.requests[-1].priority) == (("quotes", "trades"), 5)
        assert client.status("QQQ") is None
        assert set(client.results()) == {"SPY", "IWM"}


@pytest.mark.parametrize(
    "arguments", [{"channels": ()}, {"channels": ("bars",)}, {"priority": 128}, {"priority": -129}]
)
def test_bad_arguments_raise(arguments: dict[str, object]) -> None:
    with BusClient(NOBODY, name="wrong") as client, pytest.raises(ValueError):
        client.request(["SPY"], **arguments)  # type: ignore[arg-type]


def test_more_symbols_than_a_request_holds_are_refused_before_anything_changes() -> None:
    with BusClient(NOBODY, name="greedy") as client:
        client.request(["SPY"])
        with pytest.raises(ValueError, match="at most"):
            client.request([f"S{number}" for number in range(MAX_SYMBOLS + 1)])
        with pytest.raises(ValueError, match="at most"):
            client.add([f"S{number}" for number in range(MAX_SYMBOLS)])
        assert client.symbols == ("SPY",)


@pytest.mark.parametrize("name", ["two words", "x" * 65, "ünïcode"])
def test_bad_names_raise(name: str) -> None:
    with pytest.raises(ValueError, match="not a client name"):
        BusClient(NOBODY, name=name)


def test_only_a_clients_kinds_may_be_published() -> None:
    with BusClient(NOBODY, name="forger") as client:
        for event in (QUOTE, STATUS):
            with pytest.raises(ValueError, match=f"clients may not publish {type(event).__name__}"):
                client.publish(event)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not a topic"):
            client.publish(like(INTENT, client="two words"))


def test_conflated_and_bounded_feeds(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="slow") as client:
        ask(client, ["SPY", "QQQ"])
        latest, every = client.quotes(timeout_s=0.5), client.quotes(conflate=False, bound=3, timeout_s=0.5)
        node.tick("SPY", 10)
        node.tick("QQQ", 10)
        eventually(lambda: latest.conflated == 18 and every.dropped == 17)
        assert [(quote.symbol, quote.seq) for quote in latest] == [("SPY", 10), ("QQQ", 10)]
        assert [(quote.symbol, quote.seq) for quote in every] == [("QQQ", 8), ("QQQ", 9), ("QQQ", 10)]
        counters = client.counters
        assert counters.keys() == documented(Path(bus.__file__).parent / "README.md", "Every client (")
        assert (counters["conflated"], counters["feed_dropped"], counters["lost"]) == (18, 17, 0)


def test_trades_are_never_conflated(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="trader") as client:
        ask(client, ["SPY"], channels=["trades"])
        trades = client.trades(timeout_s=10)
        node.publish(*(like(TRADE, trade_id=number) for number in range(5)))
        assert [trade.trade_id for _, trade in zip(range(5), trades, strict=False)] == [0, 1, 2, 3, 4]


def test_order_updates_can_be_followed_without_a_symbol(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="blotter") as client:
        assert client.order_health() is None
        updates = client.orders(timeout_s=0.05)
        heard: list[OrderUpdate] = []

        def followed() -> bool:
            node.publish(ORDER, like(HEALTH, node="pricing.orders"))
            heard.extend(updates)
            return bool(heard) and client.orders_are_connected

        eventually(followed)
        assert {update.client_order_id for update in heard} == {ORDER.client_order_id}
        assert client.order_health() is not client.health()


def test_close_ends_iterators_and_releases(settings: BusSettings) -> None:
    with fake_node(settings) as node:
        client = BusClient(settings, name="leaving")
        ask(client, ["SPY"])
        ended = threading.Event()
        feed = client.quotes()

        def read() -> None:
            list(feed)
            ended.set()

        threading.Thread(target=read, daemon=True).start()
        client.close()
        assert ended.wait(2)
        eventually(lambda: node.requests[-1].symbols == ())
        client.close()
        assert not client.usable("SPY")
        assert client.results() == {}


def test_close_is_quick_though_there_never_was_a_broker() -> None:
    client = BusClient(NOBODY, name="alone")
    assert client.request(["SPY"], wait_s=0.05)["SPY"].acknowledged is False
    client.publish(INTENT)
    began_ns = now_ns()
    client.close()
    assert now_ns() - began_ns < NS_PER_S


def test_a_program_that_forgets_to_close_still_ends() -> None:
    script = "from quotebus import BusClient; c = BusClient(name='forgetful'); c.request(['SPY']); f = c.quotes()"
    environment = {name.upper(): str(url) for name, url in NOBODY.model_dump().items()}
    done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=60, check=False)
    assert done.returncode == 0


def test_upstream_trouble_is_told_not_raised(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="calm") as client:
        node.state = "refused"
        ask(client, ["SPY"])
        eventually(lambda: (health := client.health()) is not None and health.state == "refused")
        assert not client.is_connected
        assert not client.usable("SPY")
        assert Unusable.NOT_STREAMING in client.assess("SPY").reasons
        node.publish(like(STATUS, state="halted", cause="halt"))
        eventually(lambda: client.status("SPY") is not None and client.status("SPY").state == "halted")  # type: ignore[union-attr]
        assert Unusable.HALTED in client.assess("SPY").reasons


@pytest.mark.parametrize("cause", ["too_many", "bad_request"])
def test_a_refused_request_is_told_and_not_repeated_in_a_hurry(settings: BusSettings, cause: str) -> None:
    with fake_node(settings) as node, BusClient(settings, name="refused") as client:
        node.answers = lambda _: {"results": (), "cause": cause, "lease_ms": 0}
        results = ask(client, ["SPY"])
        assert (results["SPY"].state, results["SPY"].cause) == ("refused", cause)
        count = len(node.requests)
        position = client.counters["received"]
        eventually(lambda: client.counters["received"] >= position + 5, why="a second of health")
        assert len(node.requests) <= count + 1


def test_two_clients_in_one_process_do_not_disturb_each_other(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="one") as one:
        two = BusClient(settings, name="two")
        ask(one, ["SPY"])
        ask(two, ["QQQ"])
        two.close()
        eventually(lambda: any(request.client == "two" and not request.symbols for request in node.requests))
        node.tick("SPY")
        eventually(lambda: one.usable("SPY"))
        assert one.symbols == ("SPY",)


def test_a_new_node_and_a_returned_broker_are_asked_without_any_call(settings: BusSettings) -> None:
    with BusClient(settings, name="holder") as client:
        with fake_node(settings):
            ask(client, ["SPY"])
        with fake_node(settings, source="pricing-fake02") as node:
            eventually(lambda: node.requests and node.requests[-1].snapshot)
            node.tick("SPY")
            eventually(lambda: client.usable("SPY"))


def test_unconfirmed_between_a_brokers_end_and_the_answer_after_its_return() -> None:
    with running_broker(FREE) as settings:
        client = BusClient(settings, name="survivor")
        with fake_node(settings) as node:
            ask(client, ["SPY"])
            node.tick("SPY")
            eventually(lambda: client.usable("SPY"))
    eventually(lambda: Unusable.UNCONFIRMED in client.assess("SPY").reasons)
    with running_broker(settings), fake_node(settings, source="pricing-fake02") as node:
        eventually(lambda: node.requests and node.requests[-1].symbols == ("SPY",))
        node.tick("SPY")
        eventually(lambda: client.usable("SPY"))
        client.close()


def test_the_warning_is_rare_and_counted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(client_warnings, "WARN_EVERY_NS", 2 * NS_PER_S)
    began_ns = now_ns()
    with caplog.at_level(logging.WARNING, "quotebus"), BusClient(NOBODY, name="warned") as client:
        client.request(["SPY"])
        eventually(lambda: caplog.records)
        hint = f"no broker answers at {NOBODY.bus_subscribe_url}; start it with: quotebus up"
        assert {record.getMessage() for record in caplog.records} == {f"1 symbol wanted, but {hint}"}
        eventually(lambda: client.counters["line_down_warnings"] == len(caplog.records))
        assert len(caplog.records) <= 1 + (now_ns() - began_ns) // (2 * NS_PER_S)


def test_debug_log_tells_broker_requests_leases_and_health(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "quotebus"), running_broker() as settings, fake_node(settings):
        with BusClient(settings, name="chatty") as client:
            client.request(["SPY"], wait_s=0)
            eventually(lambda: client.results()["SPY"].acknowledged)
            eventually(lambda: client.health() is not None)
        told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("chatty: ")]
        assert f"chatty: broker found at {settings.bus_subscribe_url}" in told
        assert "chatty: asks for 1 symbols" in told
        assert any(line.startswith("chatty: lease from pricing-fake01, ") for line in told)
        assert any(line.startswith("chatty: node ") and " is streaming (demand)" in line for line in told)
