"""A capture as tables with typed columns, one per kind of event: Parquet or CSV, written by pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import Captured, Gap
from quotebus.bus.capture.inspect.columns import ExportColumn, list_columns, make_row, name_table
from quotebus.bus.errors import ConfigError, UndecodableMessage
from quotebus.bus.events import Event

_BATCH_ROWS = 10_000
_PART = ".part"


class Export:
    """Writes tables into a folder in batches of rows, so that memory does not grow with the capture.

    `rows`: rows by table. `unreadable`: messages left out, because they do not decode or a value fits no column.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        """`kind`: `parquet` or `csv`. Raises ConfigError if pyarrow is not installed, and OSError."""
        self.rows: dict[str, int] = {}
        self.unreadable = 0
        self._arrow = _arrow()
        self._folder, self._kind = folder, kind
        self._tables: dict[type[Event], _Table] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, messages: Iterable[Captured]) -> None:
        """Write all messages, then give the files their names. Raises OSError, and then no table has its name yet."""
        with ExitStack() as opened:
            for message in messages:
                try:
                    event = message.event()
                except UndecodableMessage:
                    self.unreadable += 1
                    continue
                table = self._tables.get(type(event))
                if table is None:
                    table = self._tables[type(event)] = _Table(self._arrow, self._folder, self._kind, type(event))
                    opened.callback(table.close)
                table.add(message, event)
            for table in self._tables.values():
                table.flush()
        for table in self._tables.values():
            table.part.replace(table.path)
            self.rows[table.name] = table.rows
            self.unreadable += table.refused

    def find_tables(self) -> list[str]:
        """Names of all tables in the folder, including those of earlier exports."""
        names = {name_table(Gap), *(name_table(event) for event, _ in codec.KINDS.values())}
        return sorted(name for name in names if (self._folder / f"{name}.{self._kind}").exists())


class _Table:
    """The file of one kind of event."""

    def __init__(self, arrow: Any, folder: Path, kind: str, event: type[Event]) -> None:
        self.name = name_table(event)
        self.path = folder / f"{self.name}.{kind}"
        self.part = folder / f"{self.name}.{kind}{_PART}"
        self.rows = self.refused = 0
        self._arrow = arrow
        self._columns = list_columns(event)
        self._flat = kind == "csv"
        self._batch: list[dict[str, Any]] = []
        self._schema = arrow.schema([(column.name, self._type(column)) for column in self._columns])
        opened: Callable[..., Any] = (
            importlib.import_module("pyarrow.csv").CSVWriter
            if self._flat
            else importlib.import_module("pyarrow.parquet").ParquetWriter
        )
        self._writer = opened(str(self.part), self._schema)

    def add(self, message: Captured, event: Event) -> None:
        values = make_row(message, event)
        if self._flat:
            for column in self._columns:
                if column.nested and values[column.name] is not None:
                    values[column.name] = msgspec.json.encode(values[column.name]).decode()
        self._batch.append(values)
        if len(self._batch) >= _BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the waiting rows; only a row with a value that no column can hold, such as 2**63, is left out."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        refuses = (self._arrow.ArrowException, OverflowError, ValueError)
        try:
            table = self._arrow.Table.from_pylist(batch, schema=self._schema)
        except refuses:
            fitting = []
            for values in batch:
                try:
                    self._arrow.Table.from_pylist([values], schema=self._schema)
                    fitting.append(values)
                except refuses:
                    self.refused += 1
            table = self._arrow.Table.from_pylist(fitting, schema=self._schema)
        self._writer.write_table(table)
        self.rows += table.num_rows

    def close(self) -> None:
        self._writer.close()

    def _type(self, column: ExportColumn) -> Any:
        return self._arrow.string() if self._flat and column.nested else _arrow_type(self._arrow, column.shape)


def _arrow_type(arrow: Any, shape: Any) -> Any:
    """pyarrow's type of a column's shape, as `bus.capture.columns` describes it."""
    if shape == "instant":
        return arrow.timestamp("ns", tz="UTC")
    if isinstance(shape, str):
        plain = {"int": "int64", "float": "float64", "str": "string", "bytes": "binary", "bool": "bool_"}
        return getattr(arrow, plain[shape])()
    kind, inner = shape
    if kind == "list":
        return arrow.list_(_arrow_type(arrow, inner))
    if kind == "map":
        return arrow.map_(arrow.string(), _arrow_type(arrow, inner))
    return arrow.struct([(name, _arrow_type(arrow, each)) for name, each in inner])


def _arrow() -> Any:
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ConfigError("export needs pyarrow: pip install 'quotebus[export]'") from None
