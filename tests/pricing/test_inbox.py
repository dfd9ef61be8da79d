"""Requests that wait for their answers: order, repeats, bounds."""

from __future__ import annotations

import random
from typing import Any

import pytest

from quotebus.bus.events import HaltClaim, SymbolsRequested
from quotebus.pricing import inbox as inboxes
from quotebus.pricing.inbox import Inbox
from tests.support.pricing import request


def taken(inbox: Inbox) -> list[SymbolsRequested]:
    return [inbox.take() for _ in range(len(inbox))]


def test_a_repeat_takes_the_place_of_what_it_repeats() -> None:
    inbox = Inbox()
    for seq in (1, 2, 3):
        for client in ("a", "b"):
            inbox.put(request(client, ("SPY", "QQQ"), seq=seq, request_id=f"{client}-{seq}"))
    assert [each.request_id for each in taken(inbox)] == ["a-3", "b-3"]
    assert inbox.overtaken == 4
    inbox.put(request("a", ("SPY", "QQQ"), seq=4))
    assert [each.seq for each in taken(inbox)] == [4]
    assert inbox.overtaken == 4
    with pytest.raises(IndexError):
        inbox.take()


FIRST: dict[str, Any] = {"symbols": ("SPY", "QQQ"), "seq": 5, "published_ns": 50, "snapshot": True}


@pytest.mark.parametrize(
    "another",
    [
        {"symbols": ("SPY",)},
        {"symbols": ("QQQ", "SPY")},
        {"symbols": ()},
        {"channels": ("quotes", "trades")},
        {"priority": 1},
        {"ttl_ms": 20_000},
        {"halts": (HaltClaim("SPY", 1),)},
        {"snapshot": False},
        {"source": "another"},
        {"client": "b"},
        {"seq": 5},
        {"seq": 4},
        {"published_ns": 49},
    ],
    ids=str,
)
def test_what_asks_anything_else_or_comes_late_has_its_own_answer(another: dict[str, Any]) -> None:
    inbox, first = Inbox(), request(**FIRST)
    second = request(**{**FIRST, "seq": 6, "published_ns": 60, **another})
    inbox.put(first)
    inbox.put(second)
    assert taken(inbox) == [first, second]
    assert inbox.overtaken == 0


def test_one_that_asks_for_quotes_takes_the_place_of_one_that_does_not() -> None:
    inbox = Inbox()
    inbox.put(request(seq=1))
    inbox.put(request(seq=2, snapshot=True))
    assert [each.seq for each in taken(inbox)] == [2]


def test_a_change_of_mind_and_back_keeps_its_order() -> None:
    inbox = Inbox()
    for seq, symbols in enumerate((("SPY",), ("QQQ",), ("SPY",), ("SPY",)), 1):
        inbox.put(request(symbols=symbols, seq=seq))
    assert [each.seq for each in taken(inbox)] == [1, 2, 4]


def test_it_is_full_at_its_bounds_and_empty_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST_REQUESTS", 3)
    monkeypatch.setattr(inboxes, "MOST_SYMBOLS", 4)
    inbox = Inbox()
    for client in ("a", "b"):
        inbox.put(request(client))
    assert not inbox.is_full
    inbox.put(request("b", seq=2))
    assert not inbox.is_full
    inbox.put(request("c", ()))
    assert inbox.is_full
    inbox.take()
    assert not inbox.is_full
    inbox.put(request("d", ("SPY", "QQQ", "IWM")))
    assert inbox.is_full
    taken(inbox)
    inbox.put(request("e", ("SPY", "QQQ", "IWM")))
    assert not inbox.is_full


@pytest.mark.parametrize("seed", range(20))
def test_each_wish_is_answered_once_and_the_newest_last(seed: int) -> None:
    rng, inbox = random.Random(seed), Inbox()
    put: list[SymbolsRequested] = []
    out: list[SymbolsRequested] = []
    for seq in range(1, 400):
        if rng.random() < 0.7:
            put.append(request(rng.choice("abcd"), rng.choice((("SPY",), ("QQQ",), ())), seq=seq))
            inbox.put(put[-1])
        elif inbox:
            out.append(inbox.take())
    out += taken(inbox)
    assert len(out) + inbox.overtaken == len(put)
    for client in "abcd":
        asked = [each for each in put if each.client == client]
        answered = [each for each in out if each.client == client]
        assert answered[-1] is asked[-1]
        assert [each.seq for each in answered] == sorted(each.seq for each in answered)
        for each in asked:  # an answer to it, or to a later one that asks the same with nothing else in between
            later = next(other for other in answered if other.seq >= each.seq)
            between = [other for other in asked if each.seq <= other.seq <= later.seq]
            assert {other.symbols for other in between} == {each.symbols}
