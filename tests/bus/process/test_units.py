"""Durations, rates, sizes, prices and instants as a person reads them."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.process.units import (
    format_clock,
    format_duration,
    format_instant,
    format_price,
    format_quantity,
    format_rate,
    format_size,
    format_utc,
)
from tests.support.samples import UTC_NS


def test_durations() -> None:
    some_ns = (None, 999, 1_500, 2_000_000, 2_800_000, 3 * NS_PER_S, 12_340_000_000, 252 * NS_PER_S, -5_000_000, 2**62)
    assert [format_duration(ns) for ns in some_ns] == [
        "-", "999ns", "1.5us", "2.0ms", "2.8ms", "3.0s", "12.3s", "4m12s", "-5.0ms", "-",
    ]  # fmt: skip
    assert [format_duration(hours * 3_600 * NS_PER_S) for hours in (0, 2, 76)] == ["0", "2h00m", "3d04h"]


def test_rates_and_prices() -> None:
    assert [format_rate(value) for value in (0, 0.44, 99.99, 1_234, 158_000, 2e6)] == [
        "0", "0.4", "100", "1.2k", "158k", "2.0M",
    ]  # fmt: skip
    assert [format_price(value) for value in (None, 687.25, 0.1234, float("nan"))] == ["-", "687.25", "0.1234", "nan"]
    assert [format_quantity(value) for value in (None, 3.0, 0.5)] == ["", "3", "0.5"]


def test_sizes() -> None:
    some = (0, 999, 1_000, 14_200_000, 5_000_000_000, 5_000_000_000_000)
    assert [format_size(octets) for octets in some] == ["0 B", "999 B", "1.0 kB", "14 MB", "5.0 GB", "5.0 TB"]


def test_instants() -> None:
    at_ns = UTC_NS + 123_000_005
    assert format_utc(at_ns) == "2026-01-05T14:30:00.123000005Z"
    assert format_instant(at_ns) == "2026-01-05 14:30:00.123"
    assert format_clock(at_ns) == "14:30:00.123"
    assert format_clock(at_ns, milliseconds=False) == "14:30:00"
    for show in (format_utc, format_instant, format_clock):
        assert [show(no_time) for no_time in (-1, 2**70)] == ["-1", str(2**70)]
