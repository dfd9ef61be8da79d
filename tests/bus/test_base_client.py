"""What both clients have in common; what they do with it is in their own tests."""

from __future__ import annotations

import inspect

import pytest

from quotebus import AsyncBusClient, BusClient
from quotebus.bus.base_client import default_name
from quotebus.bus.settings import CLIENT_NAME

WAITS = {"request", "add", "discard", "close"}
ITERATES = {
    name: (f"Feed[{event}]", f"AsyncFeed[{event}]")
    for name, event in (("quotes", "Quote"), ("trades", "Trade"), ("orders", "OrderUpdate"))
}


def public(client: type) -> set[str]:
    return {name for name in dir(client) if not name.startswith("_")}


def test_the_default_name_is_a_valid_one() -> None:
    assert CLIENT_NAME.match(default_name())


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
