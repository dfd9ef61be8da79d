"""Lines to a terminal or a pipe: colours and the terminal's width in the one, plain text in the other."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from quotebus.bus.process.stdout import open_stdout

PIPE_COLUMNS = 120


def prepare_streams() -> None:
    """A terminal or pipe that cannot show a character gets an escape for it, never an error; a closed one, nothing."""
    open_stdout()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def make_console() -> Console:
    """What rich draws with; no text of ours is markup."""
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def choose_width(wished: int | None, in_pipe: int = PIPE_COLUMNS) -> int:
    """How wide to write: as told, as the terminal, or what is good in a pipe."""
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
