"""The budget of requests: what a minute holds, room for cancels, shares, the broker's word, clocks, the file."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path
from random import Random

import pytest

from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.bus.process.host_budget import HostBudget
from quotebus.bus.process.order_budget import (
    MAX_HOLD_NS,
    MINUTE_NS,
    NUMBERS,
    OrderBudget,
    RequestClass,
    is_nearly_used_up,
    read_wait_ns,
)

T0 = 1_790_000_000 * NS_PER_S


def spend(budget: OrderBudget, numbers: list[int], for_ns: int, wanted: RequestClass) -> list[int]:
    """Take whatever there is; when."""
    taken, now_ns = [], T0
    while now_ns < T0 + for_ns:
        wait_ns = budget.take(numbers, now_ns, wanted)
        if wait_ns:
            now_ns += wait_ns
        else:
            taken.append(now_ns)
    return taken


def most_in_a_minute(taken: list[int]) -> int:
    return max(sum(first <= at < first + MINUTE_NS for at in taken) for first in taken)


def test_no_minute_holds_more_than_190_and_ten_come_at_once() -> None:
    taken = spend(OrderBudget(), [0] * NUMBERS, 5 * MINUTE_NS, RequestClass.CANCEL)
    assert most_in_a_minute(taken) == 190
    assert sum(at == T0 for at in taken) == 10
    others = spend(OrderBudget(), [0] * NUMBERS, 5 * MINUTE_NS, RequestClass.ORDER)
    assert 166 <= most_in_a_minute(others) <= 168
    assert sum(at == T0 for at in others) == 8


def test_cancels_have_twenty_a_minute_however_much_else_is_asked() -> None:
    budget, numbers = OrderBudget(), [0] * NUMBERS
    canceled = []
    for at_ns in range(T0, T0 + 10 * MINUTE_NS, NS_PER_S // 10):
        while not budget.take(numbers, at_ns, RequestClass.ORDER):
            pass
        if (at_ns - T0) % (3 * NS_PER_S) == 0:
            canceled.append(not budget.take(numbers, at_ns, RequestClass.CANCEL))
    assert sum(canceled) == len(canceled) == 200, "one each three seconds, at once"


@pytest.mark.parametrize("share", [1, 0.5, 0.25, 0.1, 0.01])
def test_hosts_with_their_shares_stay_within_the_account_together(share: float) -> None:
    hosts = int(1 / share)
    one = spend(OrderBudget(share), [0] * NUMBERS, 3 * MINUTE_NS, RequestClass.CANCEL)
    assert len(one) > 0
    assert hosts * most_in_a_minute(one) <= max(200, hosts * 3), share


def test_what_the_broker_says_holds_everything_and_then_one_request_sees_whether_it_may() -> None:
    budget, numbers = OrderBudget(), [0] * NUMBERS
    budget.hold(numbers, 5 * NS_PER_S, T0)
    assert budget.take(numbers, T0, RequestClass.CANCEL) == 5 * NS_PER_S
    assert budget.left(numbers, T0 + 5 * NS_PER_S - 1) == 0
    at_ns = T0 + 5 * NS_PER_S
    assert budget.left(numbers, at_ns) == 1
    assert budget.take(numbers, at_ns, RequestClass.ORDER) == 0
    assert budget.take(numbers, at_ns, RequestClass.ORDER) > 0
    budget.hold(numbers, 86_400 * NS_PER_S, at_ns)
    assert budget.take(numbers, at_ns, RequestClass.CANCEL) == MAX_HOLD_NS


def test_the_last_requests_of_an_account_are_for_cancels() -> None:
    budget, numbers = OrderBudget(), [0] * NUMBERS
    budget.hold_others(numbers, 5 * NS_PER_S, T0)
    assert budget.take(numbers, T0, RequestClass.ORDER) == 5 * NS_PER_S
    assert budget.take(numbers, T0, RequestClass.CANCEL) == 0
    assert budget.left(numbers, T0) == 0


@pytest.mark.parametrize("share", [1, 0.5, 0.1])
def test_what_a_node_asks_leaves_half_of_what_may_come_at_once_for_orders(share: float) -> None:
    budget, numbers = OrderBudget(share), [0] * NUMBERS
    for at_ns in range(T0, T0 + 2 * MINUTE_NS, NS_PER_S // 4):
        while not budget.take(numbers, at_ns, RequestClass.WATCH):
            pass
        before = list(numbers)
        asked = [RequestClass.ORDER] * (budget.others_burst // 2) + [RequestClass.CANCEL] * (budget.burst // 5)
        assert [budget.take(numbers, at_ns, wanted) for wanted in asked] == [0] * len(asked)
        numbers[:] = before


def test_a_node_asks_nothing_while_workers_need_all_and_nothing_first_after_a_hold() -> None:
    budget, numbers = OrderBudget(), [0] * NUMBERS
    for at_ns in range(T0, T0 + 2 * MINUTE_NS, NS_PER_S // 4):
        while not budget.take(numbers, at_ns, RequestClass.ORDER):
            pass
        assert budget.take(numbers, at_ns, RequestClass.WATCH) > 0
    budget.hold(numbers, 5 * NS_PER_S, at_ns)
    assert budget.take(numbers, at_ns + 5 * NS_PER_S, RequestClass.WATCH) > 0
    assert budget.take(numbers, at_ns + 5 * NS_PER_S, RequestClass.CANCEL) == 0


def test_a_clock_that_was_set_back_blocks_nobody() -> None:
    budget, numbers = OrderBudget(), [0] * NUMBERS
    spend(budget, numbers, MINUTE_NS, RequestClass.ORDER)
    budget.hold(numbers, MINUTE_NS, T0 + MINUTE_NS)
    earlier_ns = T0 - 86_400 * NS_PER_S
    assert budget.take(numbers, earlier_ns, RequestClass.ORDER) <= 4 * NS_PER_S
    numbers = [10**18 * 9] * NUMBERS
    assert budget.take(numbers, T0, RequestClass.CANCEL) <= 4 * NS_PER_S, "nor one that was far ahead"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7", "x-ratelimit-reset": "1790000020"}, 7),
        ({"retry-after": "0"}, 0),
        ({"x-ratelimit-reset": "1790000020"}, 20),
        ({"x-ratelimit-reset": "1"}, 1),
        ({"retry-after": "Sat, 28 Nov 2026 02:00:00 GMT", "x-ratelimit-reset": "1790000020"}, 20),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "9" * 40}, None),
        ({}, None),
    ],
)
def test_headers_say_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert read_wait_ns(headers, T0) == (None if seconds is None else seconds * NS_PER_S)


@pytest.mark.parametrize(
    ("left", "limit", "used_up"),
    [("20", "200", True), ("21", "200", False), ("100", "1000", True), ("101", "1000", False), ("20", "", True),
     ("", "200", False), ("x", "200", False), ("0", "0", True)],
)  # fmt: skip
def test_hardly_more_left_than_is_kept_for_cancels(left: str, limit: str, used_up: bool) -> None:
    assert is_nearly_used_up({"x-ratelimit-remaining": left, "x-ratelimit-limit": limit}) is used_up


def test_programs_of_one_host_share_what_an_account_may(tmp_path: Path) -> None:
    one, other, stranger = (HostBudget(tmp_path, name, 1) for name in ("a", "a", "b"))
    taken = sum(not budget.take(RequestClass.CANCEL) for budget in itertools.islice(itertools.cycle((one, other)), 30))
    assert 10 <= taken <= 12
    assert stranger.left() > 0
    assert one.path == other.path != stranger.path
    assert os.stat(one.path).st_mode & 0o777 == 0o600
    other.watch(429, {"retry-after": "30"})
    assert one.take(RequestClass.CANCEL) > 25 * NS_PER_S
    assert (other.refused, one.refused, one.unshared) == (1, 0, 0)


def test_threads_never_take_one_request_twice(tmp_path: Path) -> None:
    budget = HostBudget(tmp_path, "a", 1)
    taken: list[int] = []

    def take() -> None:
        taken.extend([budget.take(RequestClass.CANCEL) for _ in range(50)])

    threads = [threading.Thread(target=take) for _ in range(4)]
    began_ns = utc_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = (utc_ns() - began_ns) / NS_PER_S
    assert sum(not wait for wait in taken) <= 10 + 3 * seconds + 1


@pytest.mark.parametrize("harm", ["damaged", "folder", "missing", "open to others"])
def test_a_file_that_cannot_be_used_is_told_and_the_budget_kept_alone(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    budget = HostBudget(tmp_path / "missing" if harm == "missing" else tmp_path, "a", 1)
    if harm == "damaged":
        budget.path.write_text("not numbers")
        budget.path.chmod(0o600)
    elif harm == "folder":
        budget.path.mkdir()
    elif harm == "open to others":
        budget.path.touch()
        budget.path.chmod(0o666)
    taken = sum(not budget.take(RequestClass.CANCEL) for _ in range(30))
    assert 10 <= taken <= 12, "also alone no more than its own"
    assert budget.unshared >= 1
    assert str(budget.path) in caplog.text


def test_without_a_word_of_the_brokers_pauses_grow_and_a_success_begins_anew(tmp_path: Path) -> None:
    budget = HostBudget(tmp_path, "a", 1, Random(1))
    waits = [budget.watch(429, {}) or 0 for _ in range(10)]
    assert all(NS_PER_S << n >> 1 <= wait <= NS_PER_S << n for n, wait in enumerate(waits[:6]))
    assert max(waits) <= MAX_HOLD_NS
    assert budget.watch(200, {}) is None
    assert (budget.watch(429, {}) or 0) <= NS_PER_S
    assert budget.watch(503, {"retry-after": "2"}) == 2 * NS_PER_S
    assert budget.watch(503, {}) is None
