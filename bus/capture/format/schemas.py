"""The schemas in a capture: one JSON Schema per kind of event, derived from the event's type. Pure."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.capture.format.captured import GAP_TOPIC, Gap
from quotebus.bus.events import Event

ENCODING = "msgpack"
SCHEMA_ENCODING = "jsonschema"


def find_event_type(topic: str) -> type[Event]:
    """The event type of a recordable topic."""
    return Gap if topic == GAP_TOPIC else codec.KINDS[topics.kind(topic)][0]


@cache
def make_schema(event: type[Event]) -> bytes:
    """A JSON Schema of the payload, a positional array: `prefixItems` in wire order, each titled with its field."""
    (root,), components = msgspec.json.schema_components([event], ref_template="#/$defs/{name}")
    own = components.pop(event.__name__, root)
    names = msgspec.structs.fields(event)
    items: list[dict[str, Any]] = own["prefixItems"]
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **own,
        "prefixItems": [{"title": field.encode_name, **item} for field, item in zip(names, items, strict=True)],
        "minItems": own.get("minItems", len(items)),
        "items": True,
        "$comment": "one MessagePack array; later versions append fields",
    }
    for component in components.values():
        if listed := component.pop("enum", None):  # a newer publisher may know more names
            component |= {"type": "string", "examples": listed}
    if components:
        document["$defs"] = components
    return msgspec.json.encode(document)
