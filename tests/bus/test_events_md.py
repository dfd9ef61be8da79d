"""The written specification and the code are the same: tables, lists and byte examples of EVENTS.md."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import msgpack
import pytest

from quotebus import bus
from quotebus.bus import codec, topics
from quotebus.bus.book import Unusable
from quotebus.bus.events import (
    AckRow,
    AssetFacts,
    Cause,
    Claim,
    ConnectionHealth,
    ConnectionState,
    Event,
    ExecutionOutcome,
    FeedClass,
    Flag,
    HaltClaim,
    HaltKind,
    HaltKnowledge,
    MarketSession,
    ReportedOrder,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolState,
    SymbolStatus,
)
from tests.support.samples import SAMPLES

TEXT = (Path(bus.__file__).parent / "EVENTS.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next one of any level."""
    [found] = re.findall(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", TEXT, re.M | re.S)
    return str(found)


def tables(text: str) -> list[list[list[str]]]:
    """Every table's body rows, as cells."""
    found: list[list[list[str]]] = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append(rows[2:])
    return found


def names(table: list[list[str]], column: int = 0) -> list[str]:
    return [row[column].strip("`") for row in table]


def kind_section(kind: str) -> str:
    return section(f"{kind}: {codec.KINDS[kind][0].__name__}")


def example(kind: str) -> bytes:
    [block] = re.findall(rf"^```hex {re.escape(kind)}\n(.*?)^```", TEXT, re.M | re.S)
    return bytes.fromhex(block)


def may_be_nil(event: type, field: str) -> bool:
    hint = typing.get_type_hints(event)[field]
    return type(None) in typing.get_args(hint)


def test_every_kind_has_a_section_and_no_other_has() -> None:
    headings = re.findall(r"^### ([a-z.]+): (\w+)$", TEXT, re.M)
    assert sorted(headings) == sorted((kind, event.__name__) for kind, (event, _) in codec.KINDS.items())


def test_envelope() -> None:
    assert names(tables(section("Envelope"))[0]) == list(Event.__struct_fields__)


@pytest.mark.parametrize("kind", codec.KINDS)
def test_field_table_is_the_struct(kind: str) -> None:
    event = codec.KINDS[kind][0]
    table = tables(kind_section(kind))[0]
    assert names(table) == list(event.__struct_fields__[4:])
    said = {name: "nil" in row[1] for name, row in zip(names(table), table, strict=True)}
    assert said == {name: may_be_nil(event, name) for name in said}


@pytest.mark.parametrize(
    ("kind", "struct"),
    [
        ("symbols.requested", HaltClaim),
        ("symbols.acknowledged", AckRow),
        ("symbol", Claim),
        ("report", ReportedOrder),
    ],
)
def test_inner_tables(kind: str, struct: type) -> None:
    assert names(tables(kind_section(kind))[1]) == list(struct.__struct_fields__)  # type: ignore[attr-defined]


def test_the_table_of_an_asset() -> None:
    assert names(tables(kind_section("symbol"))[2]) == list(AssetFacts.__struct_fields__)


@pytest.mark.parametrize(
    ("title", "enum"),
    [
        ("Connection states", ConnectionState),
        ("Symbol states", SymbolState),
        ("Causes", Cause),
        ("Reasons", Unusable),
        ("Feed classes", FeedClass),
        ("Sessions", MarketSession),
        ("Outcomes", ExecutionOutcome),
    ],
)
def test_lists_are_the_enums(title: str, enum: type[ConnectionState]) -> None:
    assert names(tables(section(title))[0]) == [member.value for member in enum]


def test_halts() -> None:
    halts, kinds = tables(section("Halts"))
    assert names(halts) == list(HaltKnowledge)
    assert names(kinds) == list(HaltKind)


def test_reserved_kinds_are_kinds_of_nothing_yet() -> None:
    assert all(f"`{kind}`" in section("Events") for kind in topics.RESERVED_KINDS)
    assert not set(topics.RESERVED_KINDS) & set(codec.KINDS)


@pytest.mark.parametrize("kind", ["symbols.requested", "symbols.acknowledged", "symbol", "health"])
def test_a_message_without_the_appended_fields_is_read(kind: str) -> None:
    """As an older publisher sends it: the fields say that nothing is known."""
    appended = {"symbols.requested": 1, "symbol": 5, "health": 4}.get(kind, 0)
    topic, _, payload = example(kind).partition(b"\0")
    values = msgpack.unpackb(payload)
    values = values[: len(values) - appended]
    if kind == "symbols.acknowledged":
        fields = list(codec.KINDS[kind][0].__struct_fields__)
        values[fields.index("results")] = [row[:5] for row in values[fields.index("results")]]
    event = codec.decode(topic + b"\0" + msgpack.packb(values))
    match event:
        case SymbolsRequested():
            assert event.halts == ()
        case SymbolsAcknowledged():
            assert {(row.halt, row.halt_kind, row.halt_exchange_ns, row.rank, row.asset) for row in event.results} == {
                ("unknown", "", None, 0, None)
            }
        case SymbolStatus():
            assert (event.halt, event.halt_kind, event.halt_exchange_ns, event.rank) == ("unknown", "", None, 0)
            assert event.asset is None
        case ConnectionHealth():
            assert (event.feed_class, event.session, event.domain, event.rank) == ("unknown", "unknown", "", 0)
        case _:
            raise AssertionError(kind)


def test_flags() -> None:
    [table] = tables(section("Flags"))
    said = {int(row[0]): row[1].strip("`") for row in table}
    assert said == {flag.value: (flag.name or "").lower() for flag in Flag}


def test_request_causes_are_causes() -> None:
    [table] = tables(section("Requests, acknowledgements, leases"))
    assert {"demand", "bad_request", "too_many", "client_conflict", "rate_limited"} == set(names(table))
    assert set(names(table)) <= {cause.value for cause in Cause}


@pytest.mark.parametrize("kind", codec.KINDS)
def test_example_is_read_by_the_codec(kind: str) -> None:
    frame = example(kind)
    event = codec.decode(frame)
    assert event == SAMPLES[kind]
    assert codec.encode(event) == frame


@pytest.mark.parametrize("kind", codec.KINDS)
def test_example_is_plain_messagepack(kind: str) -> None:
    topic, _, payload = example(kind).partition(b"\0")
    values = msgpack.unpackb(payload, strict_map_key=True)
    event = codec.KINDS[kind][0]
    assert len(values) == len(event.__struct_fields__)
    fields = dict(zip(event.__struct_fields__, values, strict=True))
    assert (fields["version"], type(fields["source"]), type(fields["seq"])) == (1, str, int)
    rest = codec.KINDS[kind][1]
    assert topic.decode("ascii") == (kind if rest is None else f"{kind}.{fields[rest]}")
    assert msgpack.packb(values) == payload


def test_held_quote_within_the_acknowledgement_is_the_quote_example() -> None:
    rows = msgpack.unpackb(example("symbols.acknowledged").partition(b"\0")[2])[6]
    assert rows[0][3] == example("quote").partition(b"\0")[2]


def test_bounds_named_in_the_text_are_the_codecs() -> None:
    assert f"{codec.MAX_PAYLOAD_BYTES:,} bytes" in section("Framing")
    assert codec.MAX_FRAME_BYTES - codec.MAX_PAYLOAD_BYTES == 1024
