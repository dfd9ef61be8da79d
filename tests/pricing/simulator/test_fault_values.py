"""What the values of faults may be."""

from __future__ import annotations

import random

import pytest

from quotebus.pricing.simulator.fault_table import FAULTS
from quotebus.pricing.simulator.faults import Faults


def plan(**changes: object) -> Faults:
    faults = Faults(random.Random(1))
    faults.change(changes)
    return faults


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("auth_error", 409, 409), ("auth_error", [402, 3], (402, 3)), ("cut_mid_frame", True, "rst"),
        ("cut_mid_frame", ["fin", 2], ("fin", 2)), ("crossed", True, True), ("crossed", "A+B", ("A", "B")),
        ("skew_ms", -300_000, -300_000), ("skew_ms", {"SPY": 5}, {"SPY": 5}), ("flood", 50, 50),
        ("throttle_bytes_s", 16_000, 16_000), ("late_ack_ms", [5, 9], (5.0, 9.0)), ("symbol_limit", 0, 0),
    ],
)  # fmt: skip
def test_what_is_kept(name: str, value: object, kept: object) -> None:
    assert plan(**{name: value}).plan() == {name: kept}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("auth_error", 200), ("auth_error", [402]), ("auth_error", [402, 0]), ("auth_error", True),
        ("cut_mid_frame", "half"), ("crossed", 7), ("skew_ms", {}), ("skew_ms", {"SPY": "late"}), ("skew_ms", True),
        ("skew_ms", 1e18), ("flood", 0), ("flood", float("nan")), ("throttle_bytes_s", 0.5), ("slicer_ms", 0),
        ("close_code", 65_536), ("error", "407"), ("symbol_limit", -1),
    ],
)  # fmt: skip
def test_what_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} takes"):
        plan(**{name: value})


@pytest.mark.parametrize("changes", [{"error": 500}, {"slow_client": True}, {"close_code": 1001}, {"cut": "fin"}])
def test_what_acts_at_once_is_not_kept(changes: dict[str, object]) -> None:
    assert plan(**changes).plan() == {}


def test_counted_values_are_used_up() -> None:
    faults = plan(auth_error=[409, 2], subscribe_error=405)
    assert [faults.take_value("auth_error") for _ in range(3)] == [409, 409, None]
    assert [faults.take_value("subscribe_error") for _ in range(3)] == [405, 405, 405]


def test_frame_faults_come_one_at_a_time() -> None:
    faults = plan(masked=1, garbage=2)
    assert [faults.take_frame_fault() for _ in range(4)] == ["garbage", "garbage", "masked", ""]
    assert faults.frame_faults == ()


def test_each_meaning_says_when_it_acts() -> None:
    starts = ("standing: ", "standing, or counted as [", "counted: ", "at once: ", "true: ", "rst or fin: ", "as half_")
    assert [fault.name for fault in FAULTS.values() if not fault.meaning.startswith(starts)] == []
