"""How a program is told to end, and how one that was started by another does not outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1


def on_ending(stop: Callable[[], object], *, hang_up: Callable[[], object] | None = None) -> None:
    """Call `stop` at Ctrl-C, at SIGTERM, and when the terminal is closed, unless nohup(1) said not to mind that.

    Once: a closed terminal sends two signals, and the second may come while `stop` holds a lock for the first.
    With `hang_up`, that is called at each SIGHUP instead, and has to find out whether there is a terminal still.
    """
    told: list[int] = []

    def tell(number: int, _: FrameType | None) -> None:
        if not told:
            told.append(number)
            stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, tell)
    if hang_up is not None and signal.getsignal(signal.SIGHUP) is tell:
        signal.signal(signal.SIGHUP, lambda *_: hang_up())


@contextlib.contextmanager
def raise_at_interrupt() -> Iterator[None]:
    """Within, Ctrl-C raises KeyboardInterrupt: for a program that has something to put in order.

    Not after it: the interpreter's own end would print where it was interrupted. A program that was interrupted is
    ending, and ignores another Ctrl-C. No effect where SIGINT is ignored.
    """
    former = after = signal.getsignal(signal.SIGINT)
    if former is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        after = signal.SIG_IGN
        raise
    finally:
        if former is signal.SIG_DFL:
            signal.signal(signal.SIGINT, after)


def end_with(parent: int, number: signal.Signals) -> None:
    """Let the kernel send this process a signal when its parent has ended, however that was. Linux has this."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def that_ends_with_us(command: Sequence[str]) -> list[str]:
    """The command of a program that is told to end when this process has ended, also by SIGKILL.

    It goes through an interpreter that becomes the program: with threads there is no safe moment between fork and exec.
    """
    return [sys.executable, "-IS", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    end_with(int(sys.argv[1]), signal.SIGTERM)
    os.execv(sys.argv[2], sys.argv[2:])
