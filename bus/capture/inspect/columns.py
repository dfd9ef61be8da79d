"""The columns of an event's table, derived from its type. Pure.

A column's shape is `int`, `float`, `str`, `bytes`, `bool` or `instant` (UTC nanoseconds), or a pair: `("list", shape)`,
`("map", shape)` with text keys, or `("struct", [(name, shape), …])`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from msgspec import inspect

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured
from quotebus.bus.envelope import is_instant
from quotebus.bus.events import Event

_PLAIN: dict[type[inspect.Type], str] = {
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "str",
    inspect.BytesType: "bytes",
    inspect.BoolType: "bool",
}
_REFERENCE = ("source", "seq")
"""The parts of a reference to another message."""


@dataclass(frozen=True, slots=True)
class ExportColumn:
    """A column and the shape of its values; every value may be null."""

    name: str
    shape: Any

    @property
    def nested(self) -> bool:
        return not isinstance(self.shape, str)


_OF_THE_RECORDER = (
    ExportColumn("sequence", "int"),
    ExportColumn("captured_ns", "instant"),
    ExportColumn("topic", "str"),
)


def name_table(event: type[Event]) -> str:
    """The name of an event's table: the kind of topic, with underscores for dots."""
    kinds = {of: kind for kind, (of, _) in codec.KINDS.items()}
    return kinds.get(event, GAP_TOPIC).replace(".", "_")


@cache
def list_columns(event: type[Event]) -> tuple[ExportColumn, ...]:
    """The recorder's columns, then the envelope and the event's own fields in wire order.

    A field of the same name takes the place of a recorder's column, as `topic` does in the recorder's own notes.
    """
    described = inspect.type_info(event)
    assert isinstance(described, inspect.StructType)
    own = tuple(ExportColumn(field.name, _shape_field(field)) for field in described.fields)
    taken = {column.name for column in own}
    return (*(column for column in _OF_THE_RECORDER if column.name not in taken), *own)


def make_row(message: Captured, event: Event) -> dict[str, Any]:
    """A message's values by column."""
    values = event.to_dict()
    for name in ("quote", "health", "status"):
        if isinstance(values.get(name), list):
            values[name] = dict(zip(_REFERENCE, values[name], strict=True))
    head = {"sequence": message.sequence, "captured_ns": message.received_ns, "topic": message.topic}
    return {**head, **values}


def _shape_field(field: inspect.Field) -> Any:
    shape = _shape(field.type)
    return "instant" if shape == "int" and is_instant(field.name) else shape


def _shape(described: inspect.Type) -> Any:
    if isinstance(described, inspect.Metadata):
        return _shape(described.type)
    if isinstance(described, inspect.UnionType):
        return _shape(next(each for each in described.types if not isinstance(each, inspect.NoneType)))
    if isinstance(described, inspect.VarTupleType):
        return ("list", _shape(described.item_type))
    if isinstance(described, inspect.TupleType):
        return ("struct", list(zip(_REFERENCE, map(_shape, described.item_types), strict=True)))
    if isinstance(described, inspect.DictType):
        return ("map", _shape(described.value_type))
    if isinstance(described, inspect.StructType):
        return ("struct", [(field.name, _shape_field(field)) for field in described.fields])
    if isinstance(described, inspect.EnumType):
        return _PLAIN[inspect.StrType]
    return _PLAIN[type(described)]
