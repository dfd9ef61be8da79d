"""Events as a pandas or a polars frame: one row an event, times as times. Neither library is imported before."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from quotebus.bus.envelope import is_instant
from quotebus.bus.errors import MissingExtra
from quotebus.bus.events import Event, Quote, Trade

LIBRARIES = ("pandas", "polars")
_FLOATS = frozenset({"bid_price", "bid_size", "ask_price", "ask_size", "mid", "spread", "age_s"})
"""Columns that stay numbers though every value is absent."""


def make_frame(events: Iterable[Event], library: str = "pandas") -> Any:
    """A frame with one row an event, in the order given: for a notebook, a plot, a file.

    The first column is `time`: the exchange's for quotes and trades, else when the event was published. Quotes have
    `mid` and `spread`. The other columns are the fields of the wire under their names; those that are instants
    (`received_ns`, …) are times in UTC to the nanosecond.

    Args:
        events: All of one kind, such as quotes; an empty one gives a frame without columns.
        library: `pandas` or `polars`; it must be installed, as by the extras of these names.

    Returns:
        A `pandas.DataFrame`, whose index is `time`, or a `polars.DataFrame`.

    Raises:
        MissingExtra: The library is not installed.
        ValueError: Another library, or events of several kinds.
    """
    rows = list(events)
    kinds = {type(event) for event in rows}
    if len(kinds) > 1:
        raise ValueError(f"events of several kinds: {', '.join(sorted(kind.__name__ for kind in kinds))}")
    columns: dict[str, list[Any]] = {}
    if rows:
        of_exchange = isinstance(rows[0], (Quote, Trade))
        columns["time"] = [getattr(event, "exchange_ns" if of_exchange else "published_ns") for event in rows]
        if isinstance(rows[0], Quote):
            columns["mid"] = [getattr(event, "mid") for event in rows]  # noqa: B009
            columns["spread"] = [getattr(event, "spread") for event in rows]  # noqa: B009
        dicts = [event.to_dict() for event in rows]
        columns |= {name: [values[name] for values in dicts] for name in rows[0].__struct_fields__}
    return make_table(columns, library, index="time")


def make_table(columns: Mapping[str, list[Any]], library: str, *, index: str) -> Any:
    """A frame of these columns. `time` and instants are in UTC nanoseconds; `index` is pandas' index.

    Raises as `make_frame`.
    """
    if library not in LIBRARIES:
        raise ValueError(f"not {' or '.join(LIBRARIES)}: {library!r}"[:100])
    module = load_library(library)
    times = [name for name in columns if name == "time" or is_instant(name)]
    columns = {name: _keep_what_fits(values) if name in times else values for name, values in columns.items()}
    if library == "polars":
        kinds = {name: module.Float64 for name in columns if name in _FLOATS}
        kinds |= dict.fromkeys(times, module.Datetime("ns", "UTC"))
        return module.DataFrame(columns, schema_overrides=kinds, strict=False)
    frame = module.DataFrame(
        {
            name: module.Series(values, dtype="float64") if name in _FLOATS else values
            for name, values in columns.items()
        }
    )
    for name in times:
        frame[name] = module.to_datetime(module.Series(columns[name], dtype="Int64"), unit="ns", utc=True)
    return frame.set_index(index) if index in columns else frame


def _keep_what_fits(instants: list[int | None]) -> list[int | None]:
    """An instant that no column of times can hold is absent; only what a feed made up is that far away."""
    return [each if each is None or abs(each) < 2**63 else None for each in instants]


def load_library(name: str) -> Any:
    """pandas or polars. Raises MissingExtra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtra(name) from None
