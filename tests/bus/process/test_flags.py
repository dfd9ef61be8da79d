"""A settings class on the command line: what is typed, what is shown, what is accepted and not shown."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from quotebus.bus.capture.record.settings import RecordSettings
from quotebus.bus.cli import capture_arguments
from quotebus.bus.cli.broker import BrokerSettings
from quotebus.bus.cli.replay import make_parser
from quotebus.bus.cli.up import UpSettings
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.flags import OneMore, Positional, Unit, Words, command_line, usage, variable
from quotebus.bus.settings import Settings, parse
from quotebus.bus.tap.settings import DelaySettings, EchoSettings, RateSettings, TopSettings, WhySettings
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.simulator.settings import SimulatorSettings

PROGRAMS: dict[str, type[Settings]] = {
    "pricing-node": PricingSettings,
    "execution-worker": ExecutionSettings,
    "exchange-simulator": SimulatorSettings,
    "quotebus broker": BrokerSettings,
    "quotebus edge": EdgeSettings,
    "quotebus record": RecordSettings,
    "quotebus up": UpSettings,
    "quotebus tap top": TopSettings,
    "quotebus tap echo": EchoSettings,
    "quotebus tap rate": RateSettings,
    "quotebus tap delay": DelaySettings,
    "quotebus tap why": WhySettings,
}


class Sample(Settings):
    """One of each kind."""

    about = "Shows each kind of setting."
    examples = (
        "sample --wait-s 3 a b  # says a and b",
        "sample --loud  # aloud",
        "sample --mode slow --no-loud --share 0.1",
    )
    flag_prefix = "sample_"
    headings: ClassVar = {"sample_wait_s": "times", "sample_mode": "the rest"}

    sample_wait_s: float = Field(30, ge=0, description="wait this long")
    sample_mode: Literal["fast", "slow"] = Field("fast", description="how to work")
    sample_loud: bool = Field(False, description="say more, 100 % of it")
    sample_share: Annotated[Decimal, Unit("RATIO")] = Field(Decimal("0.5"), description="share of each")
    sample_key: SecretStr = Field(
        SecretStr("hidden"), validation_alias=AliasChoices("sample_key", "other_key"), description="key of the account"
    )
    sample_tasks: Annotated[str, OneMore("--task", "TASK", "; ", "one task; repeatable")] = Field(
        "", description="tasks, separated by semicolons"
    )
    sample_tags: Words = Field([], description="tags")
    sample_output: str = Field(
        "out", validation_alias=AliasChoices("o", "output", "sample_output"), description="where to"
    )
    sample_words: Annotated[Words, Positional(), Unit("WORD")] = Field([], description="words to say")


class Prefixed(Settings):
    """Names without a prefix in the code, with one in the environment."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix": "SAMPLE_"})

    port: int = Field(1, description="where to listen")


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(*argv: str) -> Sample:
    return parse(Sample, argv, "sample")


def test_each_kind_is_read() -> None:
    settings = read("--wait-s", "3", "--mode=slow", "--loud", "--share", "0.25", "--key", "k", "-o", "x", "a", "b,c")
    assert (settings.sample_wait_s, settings.sample_mode, settings.sample_loud) == (3, "slow", True)
    assert (settings.sample_share, settings.sample_key.get_secret_value()) == (Decimal("0.25"), "k")
    assert (settings.sample_output, settings.sample_words) == ("x", ["a", "b", "c"])
    assert read() == Sample()


def test_whole_names_and_other_names_are_accepted() -> None:
    assert read("--sample-wait-s", "4").sample_wait_s == 4
    assert read("--other-key", "k").sample_key.get_secret_value() == "k"
    assert read("--output", "y").sample_output == read("--sample-output=y").sample_output == "y"
    assert (
        parse(Prefixed, ["--port", "2"], "sample").port == parse(Prefixed, ["--sample-port", "2"], "sample").port == 2
    )


def test_a_switch_turns_off_what_the_environment_turned_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_LOUD", "true")
    assert read().sample_loud
    assert not read("--no-loud").sample_loud
    assert not read("--no-sample-loud").sample_loud


def test_a_flag_wins_whatever_the_name_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "from the environment")
    monkeypatch.setenv("SAMPLE_OUTPUT", "from the environment")
    assert read().sample_key.get_secret_value() == read().sample_output == "from the environment"
    assert read("--key", "flag").sample_key.get_secret_value() == "flag"
    assert read("--sample-output", "flag").sample_output == "flag"


def test_lists_have_commas_or_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("--tags", "a,b", "--tags", "c").sample_tags == ["a", "b", "c"]
    monkeypatch.setenv("SAMPLE_TAGS", "x, y")
    assert read().sample_tags == ["x", "y"]


def test_one_more_adds_to_the_whole() -> None:
    assert read("--task", "one", "--task=two").sample_tasks == "one; two"
    assert read("--task", "two", "--tasks", "one").sample_tasks == "one; two"


def test_a_mistake_names_what_was_typed_and_its_value() -> None:
    with pytest.raises(ConfigError, match=r"^--wait-s: must be a number of seconds of at least 0 \(given: '-1'\)$"):
        read("--wait-s=-1")
    with pytest.raises(ConfigError, match=r"^--sample-port: must be a port number \(given: 'x'\)$"):
        parse(Prefixed, ["--sample-port", "x"], "sample")
    with pytest.raises(ConfigError, match=r"^--for: .*\(given: '0'\)$"):
        parse(UpSettings, ["--for", "0"], "quotebus up")


def test_help_shows_groups_units_defaults_and_no_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = re.sub(r"(?<=\S) {2,}", " ", command_line(Sample, "sample").format_help())
    assert text.startswith("usage: sample [SETTING …] [WORD …]\n\nShows each kind of setting.\n")
    assert "\ntimes:\n  --wait-s SECONDS wait this long (default 30)\n" in text
    assert "\nthe rest:\n  --mode fast|slow how to work (default fast)\n" in text
    assert "  --[no-]loud say more, 100 % of it\n" in text
    assert "  --key KEY key of the account\n" in text
    assert "  --task TASK one task; repeatable\n" in text
    assert "  -o, --output TEXT where to (default out)\n" in text
    assert "--wait-s is SAMPLE_WAIT_S." in " ".join(text.split())
    assert (
        command_line(Sample, "sample")
        .format_help()
        .endswith(
            "examples:\n"
            "  sample --wait-s 3 a b   # says a and b\n"
            "  sample --loud           # aloud\n"
            "  sample --mode slow --no-loud --share 0.1\n"
        )
    )
    for unwanted in ("--sample-", "other", "hidden", "default:", "null", "False"):
        assert unwanted not in text


@pytest.mark.parametrize("columns", ["80", "60", "200"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_help_fits_the_terminal_and_shows_no_type(
    program: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text = command_line(PROGRAMS[program], program).format_help()
    prose, _, examples = text.partition("examples:\n")
    assert not [line for line in prose.splitlines() if len(line) > int(columns)]
    assert not [line for line in examples.splitlines() if len(line) > 80]
    assert not re.search(r"SecretStr|Decimal|float|\bint\b|bool|default:|null|None|\(default \)", text)
    if columns == "200":
        assert max(len(line) for line in prose.splitlines()) > 80, "the width is used"


@pytest.mark.parametrize("program", PROGRAMS)
def test_examples_are_command_lines_that_are_read(program: str) -> None:
    settings = PROGRAMS[program]
    assert settings.examples
    for example in settings.examples:
        words = shlex.split(example, comments=True)
        while "=" in words[0]:
            name = words.pop(0).partition("=")[0]
            assert name in {variable(kind, field) for kind in PROGRAMS.values() for field in kind.model_fields}
        own = program.split()
        assert words[: len(own)] == own
        if words[len(own) :][:1] != ["verify"]:
            command_line(settings, program).parse_args(words[len(own) :])


def test_what_is_needed_looks_needed_and_what_is_internal_is_not_shown() -> None:
    assert usage("quotebus tap why", WhySettings) == "quotebus tap why [SETTING …] SYMBOL"
    assert usage("quotebus tap echo", EchoSettings) == "quotebus tap echo [SETTING …] [TOPIC …]"
    parser = command_line(BrokerSettings, "quotebus broker")
    assert "restarts" not in parser.format_help()
    assert parser.parse_args(["--bus-broker-restarts", "3"]).bus_broker_restarts == "3"


def test_times_of_a_capture_are_written_alike_everywhere() -> None:
    assert parse(EchoSettings, ["--from", "+60", "--to=+90.5"], "tap").from_s == 60
    text = command_line(EchoSettings, "quotebus tap echo").format_help()
    assert "--from +SECONDS" in text
    assert "such as +60" in " ".join(text.split())
    for parser in (make_parser(), capture_arguments.make_parser("cat")):
        assert "+seconds after the first message" in " ".join(parser.format_help().split())


def test_examples_of_verbs_are_read_too() -> None:
    parsers = {f"quotebus capture {verb}": capture_arguments.make_parser(verb) for verb in capture_arguments.VERBS}
    for program, parser in {**parsers, "quotebus replay": make_parser()}.items():
        lines = [line for line in str(parser.epilog).splitlines() if line.startswith("  ")]
        assert lines
        for line in lines:
            words = shlex.split(line, comments=True)
            assert words[: len(program.split())] == program.split()
            parser.parse_args(words[len(program.split()) :])
