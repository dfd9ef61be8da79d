"""A schema names every field in the order of the wire, and leaves room for names that a newer publisher knows."""

from __future__ import annotations

import json

import pytest

from quotebus.bus import codec
from quotebus.bus.capture.format.schemas import make_schema
from quotebus.bus.events import ConnectionHealth, ConnectionState


@pytest.mark.parametrize("kind", codec.KINDS)
def test_names_every_field_in_the_order_of_the_wire(kind: str) -> None:
    event = codec.KINDS[kind][0]
    schema = json.loads(make_schema(event))
    assert [item["title"] for item in schema["prefixItems"]] == list(event.__struct_fields__)


def test_a_list_of_states_is_open() -> None:
    schema = json.loads(make_schema(ConnectionHealth))
    state = schema["$defs"]["ConnectionState"]
    assert (state["type"], "enum" in state) == ("string", False)
    assert set(state["examples"]) == {member.value for member in ConnectionState}
