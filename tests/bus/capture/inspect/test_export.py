"""Tables: typed columns, one file per kind, nothing silently left out."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas
import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest

from quotebus.bus import codec
from quotebus.bus.capture import Capture, CaptureWriter
from quotebus.bus.capture.inspect.export import Export
from quotebus.bus.envelope import is_instant
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import HaltClaim
from tests.support.captures import GAP, HEAD, write_golden
from tests.support.samples import HEALTH, QUOTE, SAMPLES, UTC_NS, like


def test_each_kind_is_a_table_of_typed_columns(tmp_path: Path) -> None:
    export = Export(tmp_path / "out", "parquet")
    export.write(Capture(write_golden(tmp_path / "a.mcap")).read_everything())
    assert export.rows == {**{kind.replace(".", "_"): 1 for kind in SAMPLES}, "capture_gap": 1}
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == sorted(export.rows)
    quotes = pyarrow.parquet.read_table(tmp_path / "out" / "quote.parquet")
    types = {field.name: str(field.type) for field in quotes.schema}
    assert types["sequence"] == types["seq"] == types["flags"] == "int64"
    for name in ("captured_ns", "exchange_ns", "received_ns", "published_ns"):
        assert types[name] == "timestamp[ns, tz=UTC]", name
    assert types["bid_price"] == "double"
    assert types["symbol"] == types["source"] == "string"
    assert types["conditions"].startswith("list<")
    (row,) = quotes.to_pylist()
    assert (row["sequence"], row["captured_ns"].value, row["topic"]) == (3, UTC_NS + 2_000_000, "quote.SPY")
    for name in QUOTE.__struct_fields__:
        value = getattr(QUOTE, name)
        if is_instant(name):
            assert row[name].value == value, name
            continue
        assert row[name] == (list(value) if isinstance(value, tuple) else value), name
    (decision,) = pyarrow.parquet.read_table(tmp_path / "out" / "decision.parquet").to_pylist()
    assert decision["quote"] == {"source": "pricing-3f9c2a", "seq": 7}
    (status,) = pyarrow.parquet.read_table(tmp_path / "out" / "symbol.parquet").to_pylist()
    assert status["clients"] == [{"client": "worker-1", "priority": 0, "lease_left_ms": 9_800}]
    (gap,) = pyarrow.parquet.read_table(tmp_path / "out" / "capture_gap.parquet").to_pylist()
    assert gap["count"] == GAP.count


def test_times_keep_their_nanoseconds_in_pandas_also_where_some_are_absent(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        for seq, next_retry_ns in ((1, None), (2, UTC_NS + 1)):
            writer.write_frame(codec.encode(like(HEALTH, seq=seq, next_retry_ns=next_retry_ns)), UTC_NS, UTC_NS)
        halts = (HaltClaim("SPY", UTC_NS + 3),)
        writer.write_frame(codec.encode(like(SAMPLES["symbols.requested"], halts=halts)), UTC_NS, UTC_NS)
    Export(tmp_path, "parquet").write(Capture(tmp_path / "a.mcap"))
    table = pandas.read_parquet(tmp_path / "health.parquet")
    assert str(table["next_retry_ns"].dtype) == "datetime64[ns, UTC]"
    assert table["next_retry_ns"].isna().tolist() == [True, False]
    assert table["next_retry_ns"][1].value == UTC_NS + 1
    assert table["lag_ns"].dtype.kind in "if", "a duration is no time of the day"
    (claim,) = pyarrow.parquet.read_table(tmp_path / "symbols_requested.parquet").to_pylist()[0]["halts"]
    assert claim["halt_exchange_ns"].value == UTC_NS + 3


def test_csv_has_the_same_rows_with_nested_values_as_json(tmp_path: Path) -> None:
    export = Export(tmp_path, "csv")
    export.write(Capture(write_golden(tmp_path / "a.mcap")))
    (quote,) = pyarrow.csv.read_csv(tmp_path / "quote.csv").to_pylist()
    assert (quote["bid_price"], quote["conditions"]) == (687.25, '["R"]')
    assert f"{UTC_NS % 10**9:09d}Z" in (tmp_path / "quote.csv").read_text()
    (counters,) = pyarrow.csv.read_csv(tmp_path / "counters.csv").to_pylist()
    assert counters["counters"] == '{"quotes_published":1200,"gaps":0}'


def test_what_fits_no_column_is_counted_and_costs_no_other(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        for seq, flags in ((1, 0), (2, 2**64 - 1), (3, 0)):
            writer.write_frame(codec.encode(like(QUOTE, seq=seq, flags=flags, ask_price=None)), UTC_NS, UTC_NS)
        writer.write("quote.SPY", b"\xc1", UTC_NS, UTC_NS)
    export = Export(tmp_path, "parquet")
    export.write(Capture(tmp_path / "a.mcap"))
    assert export.unreadable == 2
    rows = pyarrow.parquet.read_table(tmp_path / "quote.parquet").to_pylist()
    assert [(row["seq"], row["ask_price"]) for row in rows] == [(1, None), (3, None)]


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'quotebus\[export\]'"):
        Export(tmp_path, "csv")
