"""Bad values in one voice: every setting of every program, every kind of bad value, one line of our own words."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from pydantic import Field

from quotebus.bus.cli.capture_arguments import VERBS
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.flags import flags, inner_type, is_positional, is_switch, variable
from quotebus.bus.process.mistakes import describe_wanted
from quotebus.bus.settings import Settings, parse
from tests.bus.process.test_flags import PROGRAMS
from tests.support.programs import run

NOT_NUMBERS = ("abc", "nan", "-nan", "1.5.2", "0x10", "1e999", "inf", "-inf", "1,000", "")
FOREIGN = re.compile(r"Input should|validation error|Expected |pydantic|\bfloat\b|\bint\b|\[|<|Traceback")


class Sample(Settings):
    """Ranges of each kind."""

    wait_s: float = Field(1, gt=0, le=60)
    count: int | None = Field(None, ge=1)
    share: Decimal = Field(Decimal(0), ge=0, le=1_000_000)
    seed: int = 1
    cap: float = Field(0, le=10)
    mode: Literal["one", "two", "three"] = "one"
    loud: bool = False
    note: str = Field("", max_length=5)


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("wait_s", "a number of seconds above 0 and at most 60"),
        ("count", "a whole number of at least 1"),
        ("share", "a number from 0 to 1,000,000"),
        ("seed", "a whole number"),
        ("cap", "a number at most 10"),
        ("mode", "one, two or three"),
        ("loud", "true or false"),
        ("note", "text of at most 5 characters"),
    ],
)
def test_what_is_wanted_is_said_in_words(field: str, wanted: str) -> None:
    assert describe_wanted(Sample, field) == wanted


def test_a_near_choice_is_offered() -> None:
    with pytest.raises(
        ConfigError, match=r"^--mode: must be one, two or three; did you mean three\? \(given: 'thre'\)$"
    ):
        parse(Sample, ["--mode", "thre"], "sample")


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_bad_number_of_any_setting_is_told_in_our_words_or_is_finite(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PROGRAMS[program]
    for name, field in settings.model_fields.items():
        kind = inner_type(field.annotation)
        if is_positional(field) or not (
            kind in (int, float, Decimal) or is_switch(field) or get_origin(kind) is Literal
        ):
            continue
        takes_nothing = get_origin(kind) is Literal and "" in get_args(kind)
        for value in NOT_NUMBERS[:-1] if takes_nothing else NOT_NUMBERS:
            for flag in () if is_switch(field) else flags(settings, name)[0]:
                with pytest.raises(ConfigError) as caught:
                    parse(settings, [f"{flag}={value}"], program)
                assert str(caught.value).startswith(f"{flag}: must be {describe_wanted(settings, name)}")
                assert str(caught.value).endswith(f"(given: {value!r})")
                assert not FOREIGN.search(str(caught.value))
        monkeypatch.setenv(variable(settings, name), "nonsense")
        with pytest.raises(ConfigError, match=rf"^{variable(settings, name)}: must be .*\(given: 'nonsense'\)$"):
            parse(settings, [], program)
        monkeypatch.delenv(variable(settings, name))
        bounds = [marker.le for marker in field.metadata if hasattr(marker, "le")]
        assert kind not in (float, Decimal) or (bounds and bounds[0] <= 1e12), f"{program} {name}: no upper bound"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("quotebus up --for", "--for: a value is missing; one that begins with - is written --for=VALUE"),
        ("quotebus up --for -inf", "--for: a value is missing; one that begins with - is written --for=VALUE"),
        ("exchange-simulator --quiet=3", "--quiet: takes no value (given: '3')"),
        ("quotebus record foo", "TOPIC: no topic begins with 'foo'; topics begin with quote, trade, "),
        (
            "quotebus replay day.mcap --rate foo",
            "--rate: must be max or a number from 0.001 to 1,000,000 (given: 'foo')",
        ),
        ("quotebus replay day.mcap --clients -1", "--clients: must be a whole number from 0 to 10,000 (given: '-1')"),
        ("quotebus replay day.mcap --clients 1.5", "--clients: must be a whole number from 0 to 10,000 (given: '1.5')"),
        ("quotebus replay day.mcap --rate", "--rate: a value is missing"),
        ("quotebus replay", "FILE is missing"),
        (
            "quotebus capture export day.mcap --format cvs",
            "--format: must be parquet or csv; did you mean csv? (given: 'cvs')",
        ),
        ("quotebus capture cat", "FILE is missing"),
        (
            "quotebus tap top --sort agee",
            "--sort: must be symbol, spread, age, rate, state, clients or usable (given: 'agee')",
        ),
        ("execution-worker --intent foo", "--intent: not an intent: 'foo' (example: SPY buy 10 in 60s)"),
        ("execution-worker --journal-dir", "--journal-dir: a value is missing"),
    ],
)  # fmt: skip
def test_a_mistake_on_a_command_line_is_one_line_and_78(command: str, told: str) -> None:
    program, *arguments = command.split()
    status, printed = run(program, *arguments)
    assert (status, printed.count("\n")) == (78, 1)
    assert f": {told}" in printed
    assert not FOREIGN.search(printed)


def test_every_verb_of_capture_says_what_is_missing() -> None:
    for verb in VERBS:
        assert run("quotebus", "capture", verb) == (78, f"quotebus capture {verb}: FILE is missing\n")
