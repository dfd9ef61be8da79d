"""The fault plan as values."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

import quotebus.pricing.simulator.faults as faults_module
from quotebus.pricing.simulator.fault_table import FAULTS
from quotebus.pricing.simulator.faults import Faults, parse_text


def plan(**changes: object) -> Faults:
    faults = Faults(random.Random(1))
    faults.change(changes)
    return faults


def test_standing_and_counted() -> None:
    faults = plan(mute=True, auth_fail=2, drop_ack=True)
    assert faults.on("mute")
    assert [faults.take("auth_fail") for _ in range(3)] == [True, True, False]
    assert [faults.take("drop_ack") for _ in range(3)] == [True, True, True]
    assert faults.plan() == {"mute": True, "drop_ack": True}


def test_true_means_those_open_now_and_n_the_coming_ones() -> None:
    assert not plan(half_open=True).take_counted("half_open")
    coming = plan(half_open=1)
    assert [coming.take_counted("half_open"), coming.take_counted("half_open")] == [True, False]


def test_a_cut_acts_at_once_and_is_not_kept() -> None:
    faults = Faults(random.Random(1))
    assert faults.change({"cut": "fin"}).set == {"cut": "fin"}
    assert faults.change({"cut": True}).set == {"cut": "rst"}
    assert faults.plan() == {}
    faults.change({"cut": 3})
    assert faults.plan() == {"cut": 3}


def test_merge_and_lift() -> None:
    faults = plan(mute=True, latency_ms=5, mute_symbol=["A", "B"], ack_missing="C")
    assert faults.symbols("mute_symbol", "ack_missing") == {"A", "B", "C"}
    assert faults.change({"mute": False, "latency_ms": None}).lifted == ("mute", "latency_ms")
    assert set(faults.plan()) == {"mute_symbol", "ack_missing"}
    assert set(faults.lift_all().lifted) == set(FAULTS)
    assert faults.plan() == {}


def test_latency_is_seeded_and_between_its_bounds() -> None:
    one, two = plan(latency_ms=[100, 900]), plan(latency_ms=[100, 900])
    drawn = [one.draw_ns("latency_ms") for _ in range(100)]
    assert drawn == [two.draw_ns("latency_ms") for _ in range(100)]
    assert all(100_000_000 <= value <= 900_000_000 for value in drawn)
    assert plan().draw_ns("latency_ms") == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"nope": True}, {"mute": 3}, {"mute": []}, {"silent": "yes"}, {"auth_fail": 0}, {"auth_fail": 1.5},
        {"cut": "often"},
        {"http_status": 200}, {"http_status": True}, {"mute_symbol": []}, {"mute_symbol": [1]}, {"latency_ms": -1},
        {"latency_ms": [2, 1]}, {"latency_ms": [1]}, {"latency_ms": True}, {"retry_after_s": "soon"},
    ],
)  # fmt: skip
def test_one_bad_value_changes_nothing(changes: dict[str, object]) -> None:
    faults = plan(drop_ack=True)
    with pytest.raises(ValueError):
        faults.change({"refuse": True, **changes})
    assert faults.plan() == {"drop_ack": True}


def test_the_readme_has_a_row_for_every_fault_in_their_order() -> None:
    readme = Path(faults_module.__file__).with_name("README.md").read_text(encoding="utf-8")
    tables = readme.partition("## Faults\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE) == list(FAULTS)


def test_text() -> None:
    assert parse_text("") == {}
    assert parse_text("refuse, cut=3,mute_symbol=AAPL+MSFT,latency_ms=2.5") == {
        "refuse": True, "cut": 3, "mute_symbol": "AAPL+MSFT", "latency_ms": 2.5,
    }  # fmt: skip
    assert parse_text('{"latency_ms": [1, 2], "mute": null}') == {"latency_ms": [1, 2], "mute": None}


@pytest.mark.parametrize("text", ["nope", "{", '{"a": 1}', "mute=3", "=", "{" * 100_000])
def test_bad_text(text: str) -> None:
    with pytest.raises(ValueError):
        parse_text(text)
