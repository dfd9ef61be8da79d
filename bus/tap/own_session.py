"""A session of the tap's own, with less weight than all others.

Where the kernel weighs sessions before programs (`man 7 sched`, "The autogroup feature"), a tap in one terminal gets as
much CPU as everything in another terminal, however nice it is. The weight of a terminal's session also covers whatever
else was started there. So the tap works in a child with a session of its own, and the parent process forwards signals,
stops when the child stops, and exits as it exits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from quotebus.bus.clock import sleep_s
from quotebus.bus.process.shutdown import end_with

_ENABLED = Path("/proc/sys/kernel/sched_autogroup_enabled")
_WEIGHT = Path("/proc/self/autogroup")
_LEAST = "19"
_TRIES = 3
_BETWEEN_S = 0.11
"""The kernel allows ten such changes a second, over all programs."""
_PATIENCE = 100
"""How often a shell may continue it in the background; without a job-control shell nothing stops it at all."""
_PASSED_ON = {
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH,
}  # fmt: skip


_ENDINGS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


def run_in_own_session(*, on_screen: bool) -> None:
    """Continue in a child process where that helps. Call once, at the start, before any thread or socket exists.

    `on_screen`: it uses the terminal, so it stops while it is in the background, as it would without a child.
    """
    if not _weighs_sessions() or _has_session():
        return
    if on_screen:
        _wait_for_terminal()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON | {signal.SIGCHLD})
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError:  # no room for another process: the tap works without a session of its own
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        return
    if child:
        _accompany(child, on_screen)
    end_with(parent, signal.SIGKILL)
    os.setsid()
    signal.signal(signal.SIGTSTP, _stop)
    signal.pthread_sigmask(signal.SIG_SETMASK, former)


def lower_session_weight() -> None:
    """Give this session the least weight, if it is this program's own."""
    if not (_weighs_sessions() and _has_session()):
        return
    with contextlib.suppress(OSError):  # not ours to change
        for _ in range(_TRIES):
            try:
                _WEIGHT.write_text(_LEAST)
            except BlockingIOError:
                sleep_s(_BETWEEN_S)
            else:
                return


def give_weight_back(process: int) -> None:
    """Let a process that is told to end do so now: with the least weight that takes many seconds on a busy machine."""
    with contextlib.suppress(OSError):  # gone, or not ours to change
        for thread in Path(f"/proc/{process}/task").iterdir():  # libzmq's too: the end waits for them
            os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))
    for _ in range(_TRIES):
        try:
            Path(f"/proc/{process}/autogroup").write_text("0")
        except BlockingIOError:
            sleep_s(_BETWEEN_S)
        except OSError:
            return
        else:
            return


def _weighs_sessions() -> bool:
    try:
        return _ENABLED.read_text().strip() == "1" and _WEIGHT.exists()
    except OSError:
        return False


def _has_session() -> bool:
    return os.getsid(0) == os.getpid()


def _accompany(child: int, on_screen: bool) -> None:
    """Parent process: forward signals until the child exits."""
    while True:
        number = signal.sigwait(_PASSED_ON | {signal.SIGCHLD})
        if number == signal.SIGCHLD:
            _follow(*os.waitpid(child, os.WNOHANG | os.WUNTRACED))
            continue
        if number == signal.SIGCONT and on_screen:
            _wait_for_terminal()
        if number in _ENDINGS:
            give_weight_back(child)
        os.kill(child, number)


def _follow(child: int, status: int) -> None:
    """Stop if the child has stopped, or exit as it has exited."""
    if child == 0:
        return
    if os.WIFSTOPPED(status):
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


def _wait_for_terminal() -> None:
    """Stopped by the terminal, as any program that wants it from the background, until a shell gives it."""
    with contextlib.suppress(OSError):  # it has none
        for _ in range(_PATIENCE):
            if os.tcgetpgrp(0) == os.getpgrp():
                return
            os.kill(os.getpid(), signal.SIGTTOU)


def _stop(_: int, __: FrameType | None) -> None:
    """On Ctrl-Z: the kernel does not stop a session without a terminal."""
    os.kill(os.getpid(), signal.SIGSTOP)
