"""The protocol of one SDK's connection: every answer as the venue gives it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.edge.audience import Audience
from quotebus.bus.edge.edge_session import EdgeSession, Entry
from tests.support.samples import QUICK

AUTH = {"action": "auth", "key": "k", "secret": "s"}
EMPTY = {channel: [] for channel in ("bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections",
                                     "cancelErrors")}  # fmt: skip


def session(key: str = "", secret: str = "", *, refusal: int = 0, limit: int = 1_000) -> EdgeSession:
    made: EdgeSession
    made = EdgeSession(
        Entry(key, secret),
        lambda symbols: len(symbols.union(*made.subscribed.values())) <= limit,
        lambda: refusal,
    )
    return made


def ready(**arguments: Any) -> EdgeSession:
    made = session(**arguments)
    assert codes(made, AUTH) == ["authenticated"]
    return made


def codes(of: EdgeSession, message: object) -> list[object]:
    return [each.get("code", each.get("msg", each)) for each in of.receive(message).messages]


def test_greeting_and_keys() -> None:
    assert session().open(None, None).messages == [{"T": "success", "msg": "connected"}]
    assert [each["msg"] for each in session().open("k", "s").messages] == ["connected", "authenticated"]
    assert codes(session("k", "s"), {**AUTH, "secret": "x"}) == [402]
    assert codes(session("k", "s"), {**AUTH, "key": "kk"}) == [402]
    assert codes(session("k", "s"), AUTH) == ["authenticated"]
    assert codes(session(), {**AUTH, "key": ""}) == [402]
    assert codes(session(), {"action": "auth"}) == [402]
    assert codes(ready(), AUTH) == [403]
    assert codes(session(), {"action": "subscribe", "quotes": ["SPY"]}) == [401]
    assert codes(session(refusal=409), AUTH) == [409]
    assert codes(session("k", "s", refusal=409), {**AUTH, "key": "x"}) == [402], "not told to a stranger"
    expired = session().expire()
    assert (expired.ends, [each["code"] for each in expired.messages]) == (True, [404])
    assert not ready().expire().ends


def test_each_answer_is_the_whole_set() -> None:
    of = ready()
    first = of.receive({"action": "subscribe", "quotes": ["SPY", "AAPL"], "trades": []})
    assert first.messages == [{"T": "subscription", "quotes": ["AAPL", "SPY"], "trades": [], **EMPTY}]
    assert first.changed
    more = of.receive({"action": "subscribe", "trades": ["*"], "quotes": ["QQQ"]})
    assert more.messages == [{"T": "subscription", "quotes": ["AAPL", "QQQ", "SPY"], "trades": ["*"], **EMPTY}]
    less = of.receive({"action": "unsubscribe", "quotes": ["AAPL", "NEVER"], "bars": ["SPY"]})
    assert less.messages == [{"T": "subscription", "quotes": ["QQQ", "SPY"], "trades": ["*"], **EMPTY}]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (None, 400),
        ([], 400),
        ({"action": "listen"}, 400),
        ({"action": "subscribe"}, 400),
        ({"action": "subscribe", "quotes": []}, 400),
        ({"action": "subscribe", "quotes": "SPY"}, 400),
        ({"action": "subscribe", "quotes": ["spy"]}, 400),
        ({"action": "subscribe", "quotes": ["SPY", 1]}, 400),
        ({"action": "subscribe", "quote": ["SPY"]}, 400),
        ({"action": "subscribe", "bars": ["SPY"]}, 410),
        ({"action": "subscribe", "quotes": ["SPY"], "statuses": ["*"]}, 410),
        ({"action": "subscribe", "quotes": ["A", "B", "C", "D"]}, 405),
    ],
)
def test_an_error_changes_nothing(message: object, code: int) -> None:
    of = ready(limit=3)
    of.receive({"action": "subscribe", "quotes": ["SPY"], "bars": []})
    answer = of.receive(message)
    assert ([each["code"] for each in answer.messages], answer.changed, answer.ends) == ([code], False, False)
    assert of.subscribed == {"quotes": {"SPY"}, "trades": set()}


CHANNELS_OF_JS_3 = ["trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds"]
EACH: dict[str, Any] = {channel: [] for channel in CHANNELS_OF_JS_3}


@pytest.mark.parametrize(
    ("subscribe", "unsubscribe"),
    [
        (
            {"quotes": ["QQQ", "SPY"], "trades": ["SPY"], "action": "subscribe"},
            {"action": "unsubscribe", "quotes": ["QQQ"]},
        ),
        (
            {"action": "subscribe", **EACH, "quotes": ["QQQ", "SPY"], "trades": ["SPY"]},
            {"action": "unsubscribe", **EACH, "quotes": ["QQQ"]},
        ),
    ],
    ids=["alpaca-py, alpaca-trade-api, JavaScript 4", "JavaScript 3: every channel each time"],
)
def test_what_the_sdks_were_seen_to_send(subscribe: dict[str, Any], unsubscribe: dict[str, Any]) -> None:
    of = ready()
    [all_] = of.receive(subscribe).messages
    assert (all_["quotes"], all_["trades"]) == (["QQQ", "SPY"], ["SPY"])
    assert set(CHANNELS_OF_JS_3) | {"cancelErrors", "corrections"} < set(all_), "it asks for these lists again later"
    [less] = of.receive(unsubscribe).messages
    assert (less["quotes"], less["trades"]) == (["SPY"], ["SPY"])


WORDS = st.sampled_from(["action", "subscribe", "unsubscribe", "auth", "quotes", "trades", "bars", "*", "SPY", "x"])
THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


@QUICK
@given(st.lists(THINGS | st.fixed_dictionaries({"action": WORDS}, optional={"quotes": THINGS, "trades": THINGS})))
def test_whatever_is_sent_is_answered(messages: list[object]) -> None:
    of = ready(limit=3)
    for message in messages:
        assert len(of.receive(message).messages) == 1
    assert len(set().union(*of.subscribed.values()) - {"*"}) <= 3


def test_who_gets_what() -> None:
    audience: Audience[str] = Audience()
    audience.update("one", {"quotes": {"SPY"}, "trades": {"SPY"}})
    audience.update("two", {"quotes": {"SPY", "QQQ"}, "trades": set()})
    audience.update("all", {"quotes": {"*"}, "trades": set()})
    assert set(audience.find("quotes", "SPY")) == {"one", "two", "all"}
    assert set(audience.find("quotes", "QQQ")) == {"two", "all"}
    assert audience.find("trades", "SPY") == ("one",)
    assert (audience.symbols("quotes"), audience.symbols("trades")) == ({"SPY", "QQQ"}, {"SPY"})
    audience.update("two", {"quotes": {"QQQ"}, "trades": set()})
    assert set(audience.find("quotes", "SPY")) == {"one", "all"}
    audience.remove("one")
    audience.remove("one")
    assert audience.symbols("quotes") == {"QQQ"}
    assert audience.find("quotes", "SPY") == ("all",)
    assert len(audience) == 2
