"""Lines to a terminal, with colours and at its width, or to a pipe, as plain text."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

PIPE_COLUMNS = 120


def make_console() -> Console:
    """A rich console that never reads text as markup."""
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def choose_width(wished: int | None, in_pipe: int = PIPE_COLUMNS) -> int:
    """How many columns to write: `wished`, those of the terminal, or `in_pipe`."""
    if wished is not None:
        return wished
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else in_pipe


def wrap_line(line: str, width: int, indent: int = 13) -> str:
    """A long line as several of at most `width` columns, the further ones indented, broken between words."""
    if len(line) <= width:
        return line
    rows, rest = [], line
    while len(rest) > width:
        at = rest.rfind(" ", indent + 1, width + 1)
        at = at if at > indent else width
        rows.append(rest[:at].rstrip())
        rest = " " * indent + rest[at:].strip()
    return "\n".join([*rows, rest])


class RefreshedReport:
    """Reports that take each other's place on a terminal, where one fits on it; in a pipe they follow each other."""

    def __init__(self) -> None:
        self._drawn = 0
        drawn = make_console()
        self._in_place = sys.stdout.isatty() and drawn.is_terminal and not drawn.is_dumb_terminal

    def show(self, lines: Sequence[str]) -> None:
        """Print a report, over the one before."""
        if not self._in_place:
            print("\n".join(lines) + "\n", flush=True)
            return
        columns, rows = shutil.get_terminal_size()
        fits = 0 < self._drawn < rows
        up = f"\x1b[{self._drawn}F\x1b[J" if fits else ""
        print(up + "\n".join(line[:columns] for line in lines), flush=True)
        self._drawn = len(lines)


def print_lines(lines: Sequence[Text]) -> None:
    """Print lines once."""
    if sys.stdout.isatty():
        drawn = make_console()
        for line in lines:
            drawn.print(line, no_wrap=True, overflow="crop", crop=True)
    else:
        print("\n".join(line.plain.rstrip() for line in lines), flush=True)
