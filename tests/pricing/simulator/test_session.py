"""The protocol, message by message, and no socket."""

from __future__ import annotations

import random

import pytest

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.session import (
    Acknowledged,
    Authenticated,
    Close,
    Effect,
    Rules,
    Send,
    Session,
    Slots,
    Subscribed,
)

AUTH = {"action": "auth", "key": "k", "secret": "s"}


def rules(key: str = "", secret: str = "", symbol_limit: int = 4) -> Rules:
    return Rules(key=key, secret=secret, symbol_limit=symbol_limit, auth_timeout_ns=100, limit_close_ns=50)


def session(own: Rules | None = None, slots: Slots | None = None, **faults: object) -> Session:
    plan = Faults(random.Random(1))
    plan.change(faults)
    return Session("iex", own or rules(), slots or Slots(1), plan, 0)


def code(effects: list[Effect]) -> object:
    assert isinstance(effects[0], Send)
    assert effects[0].message["T"] == "error"
    return effects[0].message["code"]


def ack(effects: list[Effect]) -> dict[str, object]:
    assert isinstance(effects[0], Send)
    return effects[0].message


def test_greets_then_authenticates() -> None:
    it = session()
    assert it.open(None, None, 0) == [Send({"T": "success", "msg": "connected"})]
    assert it.receive(AUTH, 1) == [Send({"T": "success", "msg": "authenticated"}), Authenticated()]
    assert it.deadline_ns is None


def test_headers_authenticate_at_once() -> None:
    effects = session().open("k", "s", 0)
    assert effects[1:] == [Send({"T": "success", "msg": "authenticated"}), Authenticated()]


@pytest.mark.parametrize(
    "message",
    [
        {"action": "auth", "key": "wrong", "secret": "s"},
        {"action": "auth", "key": "k", "secret": "wrong"},
        {"action": "auth"},
        {"action": "auth", "key": 7, "secret": None},
    ],
)
def test_402_is_the_same_for_every_wrong_key_and_leaves_the_socket_open(message: object) -> None:
    it = session(rules("k", "s"))
    assert it.receive(message, 0) == [Send({"T": "error", "code": 402, "msg": "auth failed"})]
    assert it.expire(1_000_000) == []
    assert it.receive(AUTH, 0)[-1] == Authenticated()


def test_any_key_but_an_empty_one_is_accepted_by_default() -> None:
    assert code(session().receive({"action": "auth", "key": "", "secret": ""}, 0)) == 402


def test_401_before_and_403_after_authentication() -> None:
    it = session()
    assert code(it.receive({"action": "subscribe", "quotes": ["A"]}, 0)) == 401
    it.receive(AUTH, 0)
    assert code(it.receive(AUTH, 0)) == 403


def test_404_when_no_authentication_comes() -> None:
    it = session()
    assert it.expire(99) == []
    assert it.expire(100) == [Send({"T": "error", "code": 404, "msg": "auth timeout"}), Close("auth timeout")]


@pytest.mark.parametrize(
    "message",
    [
        None, 7, [], "subscribe", {}, {"action": "dance"}, {"action": ["auth"]}, {"action": "subscribe"},
        {"action": "subscribe", "quotes": []}, {"action": "subscribe", "quotes": "A"},
        {"action": "subscribe", "foo": ["A"]}, {"action": "subscribe", "quotes": [1]},
        {"action": "subscribe", "quotes": ["A B"]}, {"action": "subscribe", 7: ["A"]},
    ],
)  # fmt: skip
def test_400_for_what_is_no_request(message: object) -> None:
    it = session()
    it.receive(AUTH, 0)
    assert code(it.receive(message, 0)) == 400
    assert it.subscriptions.listing() == {}


def test_410_for_a_channel_of_another_feed() -> None:
    it = session()
    it.receive(AUTH, 0)
    assert code(it.receive({"action": "subscribe", "news": ["A"]}, 0)) == 410


def test_405_counts_symbol_and_channel_and_changes_nothing() -> None:
    it = session()
    it.receive(AUTH, 0)
    it.receive({"action": "subscribe", "quotes": ["A", "B"], "trades": ["A"], "bars": ["*", "C", "D", "E"]}, 0)
    before = it.subscriptions.listing()
    assert code(it.receive({"action": "subscribe", "quotes": ["C", "D"]}, 0)) == 405
    assert code(it.receive({"action": "subscribe", "quotes": ["*"]}, 0)) == 405
    assert it.subscriptions.listing() == before
    assert ack(it.receive({"action": "subscribe", "quotes": ["A", "B", "C"]}, 0))["quotes"] == ["A", "B", "C"]


def test_no_limit() -> None:
    it = session(rules(symbol_limit=0))
    it.receive(AUTH, 0)
    names = [f"S{n}" for n in range(10_000)]
    assert ack(it.receive({"action": "subscribe", "quotes": ["*", *names]}, 0))["quotes"] == ["*", *names]


def test_406_the_incumbent_wins_and_the_newcomer_is_closed_later() -> None:
    slots = Slots(1)
    incumbent, newcomer, other_key = session(slots=slots), session(slots=slots), session(slots=slots)
    incumbent.receive(AUTH, 0)
    assert code(newcomer.receive(AUTH, 0)) == 406
    assert newcomer.expire(49) == []
    assert newcomer.expire(50) == [Close("connection limit")]
    assert code(newcomer.receive({"action": "subscribe", "quotes": ["A"]}, 0)) == 401
    assert other_key.receive({**AUTH, "key": "other"}, 0)[-1] == Authenticated()
    incumbent.close()
    assert session(slots=slots).receive(AUTH, 0)[-1] == Authenticated()


def test_each_acknowledgement_is_the_entire_set() -> None:
    it = session()
    it.receive(AUTH, 0)
    effects = it.receive({"action": "subscribe", "trades": ["A"], "quotes": ["A", "B"], "bars": []}, 0)
    assert effects[1:] == [Subscribed(["A", "B"]), Acknowledged()]
    assert ack(effects) == {
        "T": "subscription", "trades": ["A"], "quotes": ["A", "B"], "bars": [], "updatedBars": [], "dailyBars": [],
        "statuses": [], "lulds": [], "corrections": ["A"], "cancelErrors": ["A"],
    }  # fmt: skip
    assert it.receive({"action": "subscribe", "quotes": ["B", "C"]}, 0)[1] == Subscribed(["C"])
    assert ack(it.receive({"action": "unsubscribe", "quotes": ["A"]}, 0))["quotes"] == ["B", "C"]
    everything = {"action": "unsubscribe", "quotes": ["A", "B", "C"], "trades": ["A"]}
    assert ack(it.receive(everything, 0)) == {"T": "subscription"}


def test_faults_of_the_protocol() -> None:
    assert session(no_greeting=True).open(None, None, 0) == []
    once = session(auth_fail=1)
    assert code(once.receive(AUTH, 0)) == 402
    assert once.receive(AUTH, 0)[-1] == Authenticated()
    assert session(close_after_auth=1).receive(AUTH, 0)[-1] == Close("close_after_auth")
    quiet = session(drop_ack=True, ack_missing="A")
    quiet.receive(AUTH, 0)
    assert quiet.receive({"action": "subscribe", "quotes": ["A"]}, 0) == [Subscribed(["A"]), Acknowledged()]
    part = session(ack_missing=["A"])
    part.receive(AUTH, 0)
    assert ack(part.receive({"action": "subscribe", "quotes": ["A", "B"]}, 0))["quotes"] == ["B"]
