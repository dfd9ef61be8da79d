"""A node's requests within the account's budget: the workers' file, the lowest class, and another process beside it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from queue import Queue

import pytest

from quotebus.bus.process.host_budget import HostBudget
from quotebus.bus.process.order_budget import BURST, OTHERS_BURST, RequestClass
from quotebus.bus.rest_address import ALPACA_TRADING, name_account
from quotebus.execution_adapter.program import open_budget
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.pricing import trading_rest
from quotebus.pricing.commands import Asked
from quotebus.pricing.orders import rest
from quotebus.pricing.orders.rest import OrdersRest, Reconciled, ReconcileFailed
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.trading_budget import TradingBudget
from quotebus.pricing.trading_rest import ClockRead, TradingAnswer, TradingRest
from tests.pricing.orders.test_rest import WANTED

NOBODY = "http://127.0.0.1:1"
GREEDY_NODE = """
import sys
from pathlib import Path
from quotebus.pricing.trading_budget import TradingBudget
budget = TradingBudget(sys.argv[1], Path(sys.argv[2]), 1, lambda: ("key", ""))
taken = 0
while taken < 4:
    taken += budget.take()
print("asks", flush=True)
while True:
    budget.take()
"""


def keys() -> tuple[str, str]:
    return "key", "secret"


@pytest.mark.parametrize("gateway", ["paper", "live"])
def test_node_and_worker_of_one_account_share_one_file(tmp_path: Path, gateway: str) -> None:
    said = {"execution_gateway": gateway, "execution_budget_dir": tmp_path}
    worker = open_budget(
        ExecutionSettings(**said, execution_api_key="key", execution_api_secret="secret", i_mean_live=True)
    )
    node = PricingSettings(**said, pricing_api_key="key", pricing_api_secret="secret")
    assert worker is not None
    assert node.trading_url == node.order_rest_url == ALPACA_TRADING[gateway]
    assert worker.path == HostBudget(tmp_path, name_account(node.trading_url, "key"), 1).path


@pytest.mark.parametrize("url", ["http://localhost:8766", "http://127.0.0.1:8766/v2", "http://[::1]:8766/v2/"])
def test_one_account_however_its_address_is_written(url: str) -> None:
    assert name_account(url, "k") == name_account("http://127.0.0.1:8766", "k") != name_account(url, "other")


def test_neither_cancel_nor_order_waits_behind_a_node_in_another_process(tmp_path: Path) -> None:
    node = subprocess.Popen(
        [sys.executable, "-c", GREEDY_NODE, NOBODY, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert node.stdout is not None
        assert node.stdout.readline() == "asks\n"
        worker = HostBudget(tmp_path, name_account(NOBODY, "key"), 1)
        asked = [RequestClass.ORDER] * (OTHERS_BURST // 2) + [RequestClass.CANCEL] * (BURST - OTHERS_BURST)
        assert [worker.take(wanted) for wanted in asked] == [0] * len(asked)
        assert worker.unshared == 0
    finally:
        node.kill()
        node.wait()
        if node.stdout is not None:
            node.stdout.close()


def spend(folder: Path, wanted: RequestClass) -> HostBudget:
    worker = HostBudget(folder, name_account(NOBODY, "key"), 1)
    while not worker.take(wanted):
        pass
    return worker


def test_a_question_without_budget_is_answered_by_saying_so_and_orders_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "BUDGET_S", 0.0)
    monkeypatch.setattr(trading_rest, "BUDGET_S", 0.0)
    spend(tmp_path, RequestClass.ORDER)
    budget = TradingBudget(NOBODY, tmp_path, 1, keys)
    told: Queue[TradingAnswer] = Queue()
    TradingRest(NOBODY, tmp_path, None, keys, told.put, budget).put((Asked.CLOCK, ""))
    assert told.get(timeout=10) == ClockRead(None, "the budget of requests is used up")
    read: Queue[Reconciled | ReconcileFailed] = Queue()
    orders = OrdersRest(NOBODY, None, keys, read.put, budget)
    orders.start(WANTED)
    assert read.get(timeout=10) == ReconcileFailed(5, "the budget of requests is used up")
    monkeypatch.setattr(rest, "BUDGET_S", 30.0)
    orders.start(WANTED)
    assert read.get(timeout=10) == ReconcileFailed(5, "ConnectionRefusedError"), "asked as soon as it may"


def test_a_read_that_is_abandoned_waits_no_longer(tmp_path: Path) -> None:
    worker = spend(tmp_path, RequestClass.ORDER)
    worker.watch(429, {"retry-after": "60"})
    given_up = threading.Event()
    given_up.set()
    assert TradingBudget(NOBODY, tmp_path, 1, keys).wait(60, given_up) is False


def test_what_the_broker_says_to_a_node_holds_its_workers_and_another_key_is_another_account(tmp_path: Path) -> None:
    key = ["key"]
    node = TradingBudget(NOBODY, tmp_path, 1, lambda: (key[0], ""))
    node.watch(429, {"retry-after": "30"})
    assert HostBudget(tmp_path, name_account(NOBODY, "key"), 1).take(RequestClass.CANCEL) > 0
    key[0] = "new"
    assert node.take()
