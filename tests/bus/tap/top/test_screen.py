"""What `top` sends to a terminal for its lines."""

from __future__ import annotations

import pytest
from rich.text import Text

from quotebus.bus.tap.top.screen import Screen


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "\x1b[1;1H\x1b[2K\x1b[1;31mno\x1b[0m  \x1b[2;1H\x1b[2Kyes "),
        ({"NO_COLOR": "1"}, "\x1b[1;1H\x1b[2K\x1b[1mno\x1b[0m  \x1b[2;1H\x1b[2Kyes "),
    ],
)
def test_each_line_is_put_in_its_place_and_fills_it(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    variables = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "4", "LINES": "2", **variables}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    Screen().draw([Text("no", "bold red"), Text("yes")])
    assert capsys.readouterr().out == expected
