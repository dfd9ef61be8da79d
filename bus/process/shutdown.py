"""How a program is told to end, and how one that was started by another does not outlive it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

_PR_SET_PDEATHSIG = 1
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_ending(stop: Callable[[], object], *, hang_up: Callable[[], object] | None = None) -> None:
    """Call `stop` once, at Ctrl-C, at SIGTERM, or when the terminal is closed, unless nohup(1) said not to mind that.

    With `hang_up`, that is called at each SIGHUP instead, and has to find out whether there is a terminal still.

    Both are called in a thread of their own: a handler runs in the middle of whatever the main thread does, and where
    that holds a lock which `stop` wants, as `threading.Event.wait` does, it would wait for ever. And it is the
    interpreter's C code that tells the thread: a handler in Python runs when the main thread runs next, which one that
    waits without a deadline never does if the signal came in the instant before.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)  # so many are unread that one more says nothing new

    def tell() -> None:
        told = False
        for number in iter(lambda: os.read(reader, 1)[0], 0):
            if number == signal.SIGHUP and hang_up is not None:
                hang_up()
            elif number in _ENDING and not told:
                told = True
                stop()

    for number in _ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave_to_thread)
    threading.Thread(target=tell, name="signals", daemon=True).start()


def _leave_to_thread(number: int, _: FrameType | None) -> None:
    """Has the interpreter take the signal, and write its number to where the thread reads."""


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
