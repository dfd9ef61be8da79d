"""The real worker and a broker as unkind as a real one: over sockets, with the simulator's own books as the judge."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tests.execution_adapter.runs import Run, books
from tests.support.programs import eventually
from tests.support.world import World


@pytest.fixture
def run(world: World) -> Run:
    return Run(world, ("SPY",), window_s=6, recorded=False)


def ask(run: Run, method: str, path: str, body: object = None) -> Any:
    base = run.orders_url.removesuffix("/v2")
    data = None if body is None else json.dumps(body).encode()
    headers = {"APCA-API-KEY-ID": "a person", "APCA-API-SECRET-KEY": "s", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{base}{path}", data, headers, method=method), timeout=5
    ) as got:
        return json.load(got)


def test_an_order_whose_answer_was_lost_and_that_nobody_finds_is_looked_up_until_it_is_found(run: Run) -> None:
    run.world.control.faults(rest_cut_reply=1, order_hidden_ms=7_000)
    worker = run.start()
    assert run.end(worker) == 0, worker.lines
    found = books(run.world.audit)
    assert list(found.filled.values()) == [10]
    again = run.start()
    assert again.wait(30) == 0, "it says the same when it is given again"


def test_too_many_requests_for_a_while_end_nothing(run: Run) -> None:
    run.world.control.faults(rest_limit=1, rest_no_rate_headers=True, rest_html=True)
    worker = run.start(EXECUTION_INTENTS="SPY buy 10 in 20s; QQQ buy 5 in 20s")
    eventually(lambda: run.world.control.state()["orders"]["rest_limited_total"] >= 2, 30)
    asked = run.world.control.state()["orders"]["rest_order_requests_total"]
    run.world.control.lift_faults()
    assert run.end(worker) == 0, worker.lines
    assert sorted(books(run.world.audit).filled.values()) == [5, 10]
    assert asked < 40, "locked out, it is asked seldom"


def test_an_order_replaced_by_a_person_is_followed_to_its_end(run: Run) -> None:
    run.world.control.faults(order_ack_ms=60_000)
    worker = run.start(EXECUTION_INTENTS="SPY buy 10 in 30s", EXECUTION_REPEG_MAX="0")
    worker.line("resting")
    run.world.control.lift_faults()
    [mine] = eventually_open(run)
    run.world.control.order_event(mine["id"], "new")
    price = f"{float(mine['limit_price']) + 0.5:.2f}"
    successor = ask(run, "PATCH", f"/v2/orders/{mine['id']}", {"limit_price": price})
    assert run.end(worker) == 0, worker.lines
    state = ask(run, "GET", f"/v2/orders/{successor['id']}")
    assert (state["status"], state["filled_qty"]) == ("filled", "10")
    assert len(ask(run, "GET", "/v2/orders?status=all")) == 2, "the person's and the one it replaced, and none besides"


def eventually_open(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    eventually(lambda: found.extend(ask(run, "GET", "/v2/orders")) or found)
    return found


def test_an_order_of_another_program_in_the_way_is_waited_for(run: Run) -> None:
    run.world.control.faults(order_ack_ms=60_000, wash_allowed=True)
    body = {"symbol": "SPY", "side": "sell", "type": "limit", "limit_price": "1", "qty": "1", "time_in_force": "day"}
    other = ask(run, "POST", "/v2/orders", body)
    run.world.control.lift_faults()
    worker = run.start(EXECUTION_INTENTS="SPY buy 10 in 25s")
    worker.line("wash trade")
    run.world.control.order_event(other["id"], "canceled")
    assert run.end(worker) == 0, worker.lines
    assert sorted(books(run.world.audit).filled.values()) == [0, 10]
