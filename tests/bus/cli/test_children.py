"""Lines of a program that is passed on: with its name in front, or each a JSON object with its name as a field."""

from __future__ import annotations

import json

import pytest

from quotebus.bus.cli.children import format_as_json, format_as_text


def test_text_has_the_name_in_front() -> None:
    assert format_as_text("worker", "SPY would buy\n") == "worker   | SPY would buy\n"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('{"level": "info", "message": "idle"}\n', {"level": "info", "message": "idle"}),
        ("SPY would buy\n", {"message": "SPY would buy"}),
        ('cut off {"a": 1', {"message": 'cut off {"a": 1'}),
        ("[1, 2]\n", {"message": "[1, 2]"}),
        ("17\n", {"message": "17"}),
        ("\n", {"message": ""}),
        ("caf\u00e9 \x1b[31m \udc80\n", {"message": "caf\u00e9 \x1b[31m \udc80"}),
    ],
)
def test_every_line_is_an_object_that_names_the_program(line: str, fields: dict[str, str]) -> None:
    formatted = format_as_json("worker", line)
    assert formatted.count("\n") == 1
    assert formatted.isascii()
    assert json.loads(formatted) == {"program": "worker", **fields}
