"""What both clients have in common; what they do with it is in their own tests."""

from __future__ import annotations

import ast
import inspect
import random
import re
from itertools import pairwise

import pytest

from quotebus import (
    AsyncBusClient,
    BusClient,
    ConnectionHealth,
    Counters,
    ExecutionDecision,
    ExecutionResult,
    IntentReport,
    OrderUpdate,
    Quote,
    ReportedOrder,
    Standing,
    SymbolResult,
    SymbolStatus,
    Trade,
    TradeIntent,
    Verdict,
)
from quotebus.bus.base_client import default_name
from quotebus.bus.settings import CLIENT_NAME

WAITS = {"request", "add", "discard", "close", "execute", "run", "sleep"}
ITERATES = {
    name: (f"Feed[{event}]", f"AsyncFeed[{event}]")
    for name, event in (("quotes", "Quote"), ("trades", "Trade"), ("orders", "OrderUpdate"), ("ticks", "Quote | Trade"))
}


def public(client: type) -> set[str]:
    return {name for name in dir(client) if not name.startswith("_")}


def test_the_default_name_is_a_valid_one() -> None:
    assert CLIENT_NAME.match(default_name())


def test_default_names_differ_between_programs_alike_in_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 80)
    names = []
    for _ in range(20):
        random.seed(1)  # as a backtest does
        names.append(default_name())
    assert len(set(names)) == 20
    assert all(CLIENT_NAME.match(name) and re.search(r"-[0-9a-f]{6}$", name) for name in names)


def test_both_clients_have_the_same_names() -> None:
    assert public(AsyncBusClient) == public(BusClient)
    assert WAITS | ITERATES.keys() < public(BusClient)


@pytest.mark.parametrize("name", sorted(public(BusClient) | {"__init__"}))
def test_both_clients_take_the_same_arguments(name: str) -> None:
    here, there = getattr(BusClient, name), getattr(AsyncBusClient, name)
    if isinstance(here, property):
        assert here is there, "a property cannot wait: it is the common one"
        return
    ours, theirs = inspect.signature(here), inspect.signature(there)
    assert ours.parameters == theirs.parameters
    assert inspect.iscoroutinefunction(there) == (name in WAITS)
    if name in ITERATES:
        assert (ours.return_annotation, theirs.return_annotation) == ITERATES[name]
    else:
        assert ours.return_annotation == theirs.return_annotation
        assert (here is there) == (name not in WAITS), "what does not wait is written once"


@pytest.mark.parametrize("client", [BusClient, AsyncBusClient])
def test_every_public_method_says_what_it_takes_returns_and_raises(client: type) -> None:
    methods = {name: method for name, method in inspect.getmembers(client, inspect.isfunction) if name[0] != "_"}
    assert len(methods) >= 12
    for name, method in {**methods, "__init__": client.__init__}.items():  # type: ignore[misc]
        text = inspect.getdoc(method) or ""
        for parameter in list(inspect.signature(method).parameters)[1:]:
            assert f"\n    {parameter}: " in text.partition("Args:")[2], f"{name}: {parameter}"
        if inspect.signature(method).return_annotation not in ("None", None):
            assert "\nReturns:\n" in text, name


@pytest.mark.parametrize("value", [Quote, Trade, ConnectionHealth, SymbolStatus, OrderUpdate, TradeIntent,
                                   ExecutionDecision, Counters, Verdict, SymbolResult, Standing,
                                   ExecutionResult, IntentReport, ReportedOrder])  # fmt: skip
def test_every_field_of_a_public_value_is_documented(value: type) -> None:
    [definition] = [node for node in ast.parse(inspect.getsource(value)).body if isinstance(node, ast.ClassDef)]
    for field, text in pairwise([*definition.body, ast.Pass()]):
        if isinstance(field, ast.AnnAssign):
            assert isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant), ast.unparse(field)  # noqa: PT018
