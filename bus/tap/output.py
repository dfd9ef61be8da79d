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


def print_lines(lines: Sequence[Text]) -> None:
    """Print lines once."""
    if sys.stdout.isatty():
        drawn = make_console()
        for line in lines:
            drawn.print(line, no_wrap=True, overflow="crop", crop=True)
    else:
        print("\n".join(line.plain.rstrip() for line in lines), flush=True)
