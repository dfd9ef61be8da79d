"""Events as frames of pandas and polars: times to the nanosecond, absent sides as absent, one row an event."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

import msgspec
import pandas
import pytest

from quotebus import MissingExtra, make_frame
from quotebus.bus import codec, frames
from quotebus.bus.envelope import DURATIONS, is_instant
from quotebus.bus.events import Event, Quote
from tests.support.samples import ORDER, QUOTE, SAMPLES, TRADE, UTC_NS, like

NS = 1_767_625_200_123_456_789
LIBRARIES = pytest.mark.parametrize(
    "library",
    [
        "pandas",
        pytest.param("polars", marks=pytest.mark.skipif(not find_spec("polars"), reason="with `make docs` only")),
    ],
)
BARE = like(QUOTE, symbol="QQQ", bid_price=None, bid_size=None, exchange_ns=NS)


@LIBRARIES
def test_a_quote_is_a_row_with_its_time_to_the_nanosecond(library: str) -> None:
    frame = make_frame([QUOTE, BARE], library)
    values = frame.reset_index() if library == "pandas" else frame
    assert list(values.columns) == ["time", "mid", "spread", *QUOTE.__struct_fields__]
    assert list(values["symbol"]) == [QUOTE.symbol, "QQQ"]
    assert next(iter(values["mid"])) == QUOTE.mid
    for column, expected in (("time", NS), ("exchange_ns", NS), ("received_ns", BARE.received_ns)):
        series = values[column]
        found = series.iloc[1].value if library == "pandas" else series.dt.timestamp("ns")[1]
        assert found == expected, column


def test_an_absent_side_is_absent_and_stays_a_number() -> None:
    frame = make_frame([BARE])
    assert str(frame["bid_price"].dtype) == str(frame["mid"].dtype) == "float64"
    assert frame["bid_price"].isna().all()


@pytest.mark.skipif(not find_spec("polars"), reason="with `make docs` only")
def test_an_absent_side_is_absent_in_polars_too() -> None:
    polars = importlib.import_module("polars")
    other = make_frame([BARE], "polars")
    assert other["bid_price"].dtype == polars.Float64
    assert other["bid_price"].null_count() == 1
    assert other["time"].dtype == polars.Datetime("ns", "UTC")


@LIBRARIES
@pytest.mark.parametrize("event", SAMPLES.values(), ids=lambda event: type(event).__name__)
def test_every_kind_of_event_makes_a_frame(event: Event, library: str) -> None:
    frame = make_frame([event, event], library)
    assert len(frame) == 2
    assert {"time", *event.__struct_fields__} >= set(frame.columns) - {"mid", "spread"}


@LIBRARIES
def test_what_a_feed_made_up_costs_no_other_row(library: str) -> None:
    frame = make_frame([QUOTE, like(QUOTE, exchange_ns=2**64 - 1), like(QUOTE, exchange_ns=-1)], library)
    assert len(frame) == 3
    huge = make_frame([TRADE, like(TRADE, trade_id=2**63 + 5, size=1e300)], library)
    assert list(huge["price"]) == [TRADE.price] * 2


@LIBRARIES
def test_nothing_is_an_empty_frame(library: str) -> None:
    assert make_frame([], library).shape == (0, 0)


def test_kinds_are_not_mixed_and_libraries_are_two() -> None:
    with pytest.raises(ValueError, match="several kinds: Quote, Trade"):
        make_frame([QUOTE, TRADE])
    with pytest.raises(ValueError, match="not pandas or polars: 'numpy'"):
        make_frame([QUOTE], "numpy")


def test_a_missing_library_is_told_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(frames.importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"^this needs polars: pip install 'quotebus\[polars\]'$") as caught:
        make_frame([QUOTE], "polars")
    assert caught.value.library == caught.value.name == "polars"
    monkeypatch.setattr(frames.importlib, "import_module", importlib.import_module)


def test_a_dict_has_the_fields_of_the_wire_as_plain_values() -> None:
    values = QUOTE.to_dict()
    assert list(values) == list(QUOTE.__struct_fields__)
    assert values["conditions"] == list(QUOTE.conditions)
    assert pandas.DataFrame([values])["symbol"][0] == QUOTE.symbol
    for event in SAMPLES.values():
        assert msgspec.json.decode(msgspec.json.encode(event.to_dict())).keys() == event.to_dict().keys()
    assert type(ORDER.to_dict()["event"]) is str


def test_the_time_of_a_tick_is_aware_and_cut_to_microseconds() -> None:
    assert BARE.time.isoformat() == "2026-01-05T15:00:00.123456+00:00"
    assert like(TRADE, exchange_ns=-1_001).time.isoformat() == "1969-12-31T23:59:59.999998+00:00"
    for edge in (2**64 - 1, -(2**63), 0):
        assert like(QUOTE, exchange_ns=edge).time.utcoffset() is not None


def test_every_field_in_nanoseconds_is_an_instant_or_named_as_a_duration() -> None:
    fields = {field for event, _ in codec.KINDS.values() for field in event.__struct_fields__ if field.endswith("_ns")}
    assert fields - {field for field in fields if is_instant(field)} == DURATIONS
    assert all("age" in field or "lag" in field for field in DURATIONS)
    assert UTC_NS > 0
    assert isinstance(QUOTE, Quote)
