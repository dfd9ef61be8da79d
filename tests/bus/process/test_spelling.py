"""Misspelt variables are told with the nearest name, and variables of others are not mistaken for ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotebus.bus.process.spelling import TOLD, misspelt, misspelt_variables
from tests.support.programs import run


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("PRICING_LINGER", "PRICING_LINGER is no setting; did you mean PRICING_LINGER_S?"),
        ("pricing_linger", "pricing_linger is no setting; did you mean PRICING_LINGER_S?"),
        ("PRICING_ZZZZZZZZZZZZZZ", "PRICING_ZZZZZZZZZZZZZZ is no setting"),
        ("EXECUTION_SYMBOL", "did you mean EXECUTION_SYMBOLS?"),
        ("SIMULATOR_PORTS", "did you mean SIMULATOR_PORT?"),
        ("BUS_PUBLISH_URI", "did you mean BUS_PUBLISH_URL?"),
        ("RECORD_ROTATE", "did you mean RECORD_ROTATE_S?"),
        ("TAP_FILES", "did you mean TAP_FILE?"),
        ("LOG_LEVLE", "did you mean LOG_LEVEL?"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest_name(name: str, told: str) -> None:
    [sentence] = misspelt_variables("no such file", {name: "canary"})
    assert told in sentence
    assert "canary" not in sentence


@pytest.mark.parametrize(
    "name",
    ["PRICING_LINGER_S", "pricing_linger_s", "SIMULATOR_RATE", "TAP_FROM", "APCA_API_KEY_ID", "LOG_FORMAT", "UP_FOR_S",
     "LOG_DIR", "BUS_ID", "TAP_VERSION", "RECORD_CLASS", "DBUS_SESSION_BUS_ADDRESS", "HOME"],
)  # fmt: skip
def test_settings_of_ours_and_variables_of_others_are_not_told(name: str) -> None:
    assert not misspelt([name])


def test_a_line_in_the_file_is_told_too_and_each_once(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PRICING_LINGER=3\nPRICING_NODE=a\n")
    [sentence] = misspelt_variables(str(file), {})
    assert sentence.startswith(f"PRICING_LINGER in {file} is no setting")
    assert not misspelt_variables(str(file), {TOLD: "yes", "PRICING_FED": "iex"})


@pytest.mark.parametrize("program", ["pricing-node", "execution-worker", "exchange-simulator", "quotebus"])
def test_every_program_tells_of_variables_of_all_before_it_says_more(program: str) -> None:
    verb = ["broker"] if program == "quotebus" else []
    status, printed = run(program, *verb, environment={"EXECUTION_SYMBOL": "SPY", "LOG_LEVEL": "loud"})
    warning, error = printed.splitlines()
    name = " ".join([program, *verb])
    assert warning == f"{name}: warning: EXECUTION_SYMBOL is no setting; did you mean EXECUTION_SYMBOLS?"
    assert error.startswith(f"{name}: LOG_LEVEL: ")
    assert error.endswith("(given: 'loud')")
    assert status == 78


@pytest.mark.parametrize(
    ("program", "flag", "near"),
    [
        ("pricing-node", "--linger", "--linger-s"),
        ("pricing-node", "--pricing-linger=3", "--linger-s"),
        ("execution-worker", "--intnt", "--intent"),
        ("exchange-simulator", "--prot", "--port"),
    ],
)
def test_a_misspelt_flag_is_one_line_with_the_nearest_one(program: str, flag: str, near: str) -> None:
    status, printed = run(program, flag, "3")
    assert (status, printed) == (78, f"{program}: no such flag: {flag.partition('=')[0]}; did you mean {near}?\n")
