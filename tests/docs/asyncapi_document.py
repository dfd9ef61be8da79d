"""`python -m tests.docs.asyncapi_document > docs/asyncapi.json`: the wire as an AsyncAPI 3 document, from the events.

`--check SCHEMA` validates it against the official JSON Schema, `schemas/3.0.0.json` of the npm package @asyncapi/specs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from quotebus.bus import codec, topics
from quotebus.bus.address import parse_address
from quotebus.bus.capture.format.schemas import make_schema
from quotebus.bus.envelope import VERSION

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {
    "symbol": "upper case, [A-Z0-9][A-Z0-9./_-]{0,31}",
    "node": "the pricing node's name; with .orders at its end for the account's order stream",
    "client": "the client's name, [A-Za-z0-9_.:-]{1,64}",
    "alias": "the account, as the node names it",
    "name": "the recorder's name",
    "source": "the publisher's source",
}
ENDPOINTS = parse_address("tcp://127.0.0.1:5570")
SERVERS = {
    "publish": ("publish", "nodes and replays send here; the broker binds"),
    "subscribe": ("subscribe", "everything is read here, by SUB sockets; the broker binds"),
    "request": ("request", "clients and workers send here; the broker binds"),
}


def name_of(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("."))


def to_draft_07(schema: Any) -> Any:
    """AsyncAPI's own schema language has tuples as `items`, and shared definitions among its components."""
    if isinstance(schema, list):
        return [to_draft_07(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: to_draft_07(value) for key, value in schema.items() if key not in ("$schema", "$comment", "$defs")}
    if "prefixItems" in plain:
        plain |= {"items": plain.pop("prefixItems"), "additionalItems": True}
    if "$ref" in plain:
        there = {"$ref": re.sub(r"^#/\$defs/", "#/components/schemas/", plain.pop("$ref"))}
        return {**plain, "allOf": [there]} if plain else there  # what stands beside a reference does not count
    return plain


def make() -> dict[str, Any]:
    """The document."""
    schemas: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for kind, (event, field) in codec.KINDS.items():
        described = json.loads(make_schema(event))
        schemas |= {key: to_draft_07(value) for key, value in described.get("$defs", {}).items()}
        schemas[event.__name__] = to_draft_07(described)
        messages[event.__name__] = {
            "summary": described.get("description", event.__name__),
            "contentType": "application/msgpack",
            "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        }
        sent_to_request = any(kind.startswith(each.rstrip(".")) for each in topics.ADMITTED_REQUEST_KINDS)
        channels[name_of(kind)] = {
            "address": kind if field is None else f"{kind}.{{{field}}}",
            "description": "One ZeroMQ frame: this address, a zero byte, the payload.",
            "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
            "servers": [{"$ref": f"#/servers/{'request' if sent_to_request else 'publish'}"},
                        {"$ref": "#/servers/subscribe"}],
        } | ({} if field is None else {"parameters": {field: {"description": PARAMETERS[field]}}})  # fmt: skip
        for action in ("receive", "send") if sent_to_request else ("receive",):
            operations[f"{action}{name_of(kind)}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name_of(kind)}"},
                "summary": f"{'A client or worker sends' if action == 'send' else 'Anybody reads'} {event.__name__}.",
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "quotebus",
            "version": str(VERSION),
            "description": "What crosses the bus. Meanings, states and rules: bus/EVENTS.md.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/msgpack",
        "servers": {
            name: {
                "host": str(getattr(ENDPOINTS, field)).removeprefix("tcp://"),
                "protocol": "zmtp",
                "description": f"ZeroMQ over TCP: {text}",
            }
            for name, (field, text) in SERVERS.items()
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def main() -> int:
    """0 when it was printed, or is valid."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--check", type=Path, metavar="SCHEMA")
    schema: Path | None = arguments.parse_args().check
    if schema is None:
        json.dump(make(), sys.stdout, indent=1)
        sys.stdout.write("\n")
        return 0
    jsonschema = importlib.import_module("jsonschema")
    errors = list(jsonschema.Draft7Validator(json.loads(schema.read_text())).iter_errors(make()))
    for error in errors[:20]:
        print(f"{list(error.absolute_path)}: {error.message[:300]}")
    print(f"{len(errors)} errors against {schema.name}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
