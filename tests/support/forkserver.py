"""Programs that start at once: forked from a process that has imported them all, not from a new interpreter each.

A program's start is half a second of imports, and the suite starts hundreds. What is forked has a process id, a
session, an environment and outputs of its own, may be killed and stopped, and ends with the status its `main` returns.
Nothing is shared but the code: the server has no thread, no socket of a bus and no settings when it forks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

PROGRAMS = {
    "quotebus": "quotebus.bus.cli",
    "pricing-node": "quotebus.pricing.__main__",
    "exchange-simulator": "quotebus.pricing.simulator.__main__",
    "execution-worker": "quotebus.execution_adapter.__main__",
    "bus-tap": "quotebus.bus.tap.__main__",
}
IMPORTED = (
    "quotebus.pricing.program",
    "quotebus.pricing.simulator.program",
    "quotebus.execution_adapter.program",
    "quotebus.bus.tap.program",
    "quotebus.bus.cli.program",
    *(f"quotebus.bus.cli.{verb}" for verb in ("broker", "record", "capture", "replay", "up")),
)
"""What the programs import when they start."""
_MAX_REQUEST_BYTES = 100_000
_START_S = 60


class Forked:
    """A program that runs, with the methods of `subprocess.Popen` that the tests use."""

    def __init__(self, pid: int, status: socket.socket, stdout: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = os.fdopen(stdout, encoding="utf-8")
        self._status = status

    def poll(self) -> int | None:
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        if self._read(timeout) is None:
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], timeout_s)[0]:
            told = self._status.recv(64)
            assert told, "the fork server has ended"
            self.returncode = int(told)
            self._status.close()
        return self.returncode


class ForkServer:
    """The process that forks; it ends with the process that has started it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        atexit.register(self._end)

    def _end(self) -> None:
        self._control.close()
        self._process.wait(_START_S)

    def start(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], stderr: int | None = None
    ) -> Forked:
        """Start a program with an empty stdin and a pipe for its stdout, which takes stderr too where none is named.

        `name` may also be the path of a script; for it warnings are errors.
        """
        status, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reader, writer = os.pipe()
        request = json.dumps([name, list(arguments), dict(environment), os.getcwd()]).encode()
        assert len(request) <= _MAX_REQUEST_BYTES
        try:
            socket.send_fds(self._control, [request], [told.fileno(), writer, writer if stderr is None else stderr])
        finally:
            told.close()
            os.close(writer)
        status.settimeout(_START_S)  # the first one waits for the imports
        pid = int(status.recv(64))
        status.settimeout(None)
        return Forked(pid, status, reader)


@functools.cache
def fork_server() -> ForkServer:
    """The one of this process."""
    return ForkServer()


def serve(control: socket.socket) -> tuple[str, list[str]]:
    """Fork what is asked for until nobody can ask any more. Returns in the forked process, with what it is to be."""
    children: dict[int, socket.socket] = {}
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_reader, False)
    os.set_blocking(wake_writer, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([control, wake_reader], [], [])
        if wake_reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_reader, 4_096)
            _tell_ends(children)
        if control not in ready:
            continue
        request, descriptors, _, _ = socket.recv_fds(control, _MAX_REQUEST_BYTES, 3)
        if not request:
            os._exit(0)
        told = socket.socket(fileno=descriptors[0])
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            name, arguments, environment, folder = json.loads(request)
            for each in (*children.values(), told):
                each.detach()
            _become(descriptors[1:], environment, folder)
            return name, arguments
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        children[pid] = told
        told.send(str(pid).encode())


def _tell_ends(children: dict[int, socket.socket]) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            told = children.pop(pid)
            with contextlib.suppress(OSError):  # the test may be over
                told.send(str(os.waitstatus_to_exitcode(status)).encode())
            told.close()


def _become(outputs: Sequence[int], environment: Mapping[str, str], folder: str) -> None:
    os.setsid()
    for output, standard in zip(outputs, (1, 2), strict=True):
        os.dup2(output, standard)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)  # the server's own may have been files
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1, errors="backslashreplace")
    os.closerange(3, 1_024)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def _end(status: object) -> NoReturn:
    """As an interpreter ends, except that it takes nothing apart, which costs more than most programs do here."""
    if isinstance(status, int):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status & 0xFF)
    sys.exit(status)  # type: ignore[arg-type]


def main() -> NoReturn:
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = str(Path(sys.executable).parent)  # as a program that was installed has it
    mains = {name: importlib.import_module(module) for name, module in PROGRAMS.items()}
    for module in IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    name, arguments = serve(control)
    control.detach()
    sys.argv = [str(Path(sys.executable).parent / name), *arguments]
    sys.orig_argv = [sys.executable, *sys.argv]  # by which a broker starts itself again
    if name.endswith(".py"):
        warnings.simplefilter("error")
        runpy.run_path(name, run_name="__main__")
        sys.exit()
    try:
        status = mains[name].main()
    except SystemExit as ended:
        status = ended.code
    _end(status)


if __name__ == "__main__":
    main()
