"""The full screen and its keys. The terminal is restored however the program ends or is suspended."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Iterable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from rich.text import Text

from quotebus.bus.tap.output import make_console
from quotebus.bus.tap.pace import Pacing, skip_pacing
from quotebus.bus.tap.top.keys import parse

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Screen:
    """The alternate screen, and single keys if stdin is a terminal. A context manager."""

    def __init__(self) -> None:
        self._console: Console = make_console()
        self._colors = COLOR_SYSTEMS.get(self._console.color_system or "")
        self._taken = self._drawing = self._asked = False
        self._former: list[Any] | None = None
        self._keys = sys.stdin.isatty()
        self._pending = b""

    @staticmethod
    def is_possible() -> bool:
        """Whether stdout is a terminal that can show a screen."""
        drawn = make_console()
        return sys.stdout.isatty() and drawn.is_terminal and not drawn.is_dumb_terminal

    def __enter__(self) -> Self:
        for number in _ENDING:
            signal.signal(number, _end)
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ignore_ending()
        self._restore()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines at this moment."""
        return self._console.size.width, self._console.size.height

    def fileno(self) -> int | None:
        """The descriptor that becomes readable when a key is pressed; None without keys."""
        return sys.stdin.fileno() if self._keys else None

    def read_keys(self) -> list[str]:
        """The names of the keys pressed since the last call."""
        if not self._keys:
            return []
        os.set_blocking(sys.stdin.fileno(), False)
        try:
            read = os.read(sys.stdin.fileno(), 1024)
        except BlockingIOError:
            return []
        except OSError:
            read = b""
        finally:
            os.set_blocking(sys.stdin.fileno(), True)
        if not read:
            return ["eof"]
        keys, self._pending = parse(self._pending + read)
        return keys

    def draw(self, lines: Sequence[Text], pace: Pacing = skip_pacing) -> None:
        """Replace what is shown. Lines must fit: rich's own layout, which takes 10 ms per screen, is not used."""
        columns = self._console.size.width
        drawn = [
            f"\x1b[{number};1H\x1b[2K{self._coloured(line)}{' ' * (columns - line.cell_len)}"
            for number, line in enumerate(pace(lines), 1)
        ]
        self._drawing = True
        try:
            sys.stdout.write("".join(drawn))
            sys.stdout.flush()
        finally:
            self._drawing = False
        if self._asked:
            self._asked = False
            self._leave()

    def _coloured(self, line: Text) -> str:
        if not line.spans:
            line.stylize(line.style)  # which `render` does not look at where there are no spans
        segments: Iterable[Segment] = line.render(self._console)
        if self._console.no_color:
            segments = Segment.remove_color(segments)
        return "".join(
            text if style is None else style.render(text, color_system=self._colors) for text, style, _ in segments
        )

    def _take(self) -> None:
        if self._keys:
            self._former = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        self._taken = True
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)

    def _restore(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal is gone
            self._restore_all()

    def _restore_all(self) -> None:
        _resume_output(sys.stdout.fileno())
        try:
            if self._taken:
                self._console.show_cursor(True)
                self._console.set_alt_screen(False)
        finally:
            self._taken = False
            if self._former is not None:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._former)
                self._former = None

    def _suspend(self, _: int, __: FrameType | None) -> None:
        """On Ctrl-Z: restore the shell's screen; `fg` brings ours back."""
        if self._drawing:  # not in the middle of a write to the terminal
            self._asked = True
        else:
            self._leave()

    def _leave(self) -> None:
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()


def _resume_output(terminal: int) -> None:
    """Switch flow control off and on again: a terminal that Ctrl-S has stopped would take no output."""
    flags, *others = now = termios.tcgetattr(terminal)
    termios.tcsetattr(terminal, termios.TCSANOW, [flags & ~termios.IXON, *others])
    termios.tcsetattr(terminal, termios.TCSANOW, now)


def _end(number: int, _: FrameType | None) -> None:
    _ignore_ending()
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(0)


def _ignore_ending() -> None:
    """Ignore further signals: a second one must not interrupt the restoring of the terminal."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
