"""The dispatcher: verbs by name, help, and one line for what it does not know."""

from __future__ import annotations

import importlib

import pytest

from quotebus.bus.cli import capture, capture_arguments
from quotebus.bus.cli import program as cli
from quotebus.bus.tap import program as tap
from tests.support.programs import run


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_can_run_and_is_explained(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(importlib.import_module(f"quotebus.bus.cli.{verb}").run)
    cli.main([])
    assert f"  {verb} " in capsys.readouterr().out


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_is_no_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 0
    assert capsys.readouterr().out.startswith("usage: quotebus VERB")


@pytest.mark.parametrize("verb", ["no-such-verb", "os", "../up", ""])
def test_an_unknown_verb_is_one_line_and_78(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb]) == 78
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "up" in printed.err


EXAMPLES = {
    "quotebus": (cli.VERBS, cli.EXAMPLES),
    "quotebus tap": (tap.VERBS, tap.EXAMPLES),
    "quotebus capture": (capture_arguments.VERBS, capture.EXAMPLES),
}


@pytest.mark.parametrize("program", EXAMPLES)
def test_every_verb_has_an_example_in_the_help(program: str) -> None:
    verbs, examples = EXAMPLES[program]
    status, printed = run(*program.split(), "--help")
    assert status == 0
    shown = printed.partition("\nexamples:\n")[2].splitlines()
    for verb in verbs:
        assert any(f"{program} {verb}" in example for example in examples), verb
    assert [f"  {example}" for example in examples] == shown[: len(examples)]
