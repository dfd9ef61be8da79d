"""Real programs as subprocesses, with every line they print kept and every wait bounded."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from quotebus.bus.clock import now_ns, seconds, sleep_s
from tests.support.forkserver import PROGRAMS, Forked, fork_server

DEADLINE_S = 45.0
"""For things that must happen but are not timed; generous, since the machine may be busy."""
LINES_S = 10.0
"""For the lines of a program that has ended; a child that it left behind may keep them open."""


def eventually(what: Callable[[], object], within_s: float = DEADLINE_S, why: str = "") -> float:
    """Wait until `what()` is true; the seconds it took. AssertionError at the deadline."""
    began_ns = now_ns()
    while not what():
        if now_ns() - began_ns > seconds(within_s):
            raise AssertionError(f"not within {within_s} s: {why or what}")
        sleep_s(0.002)
    return (now_ns() - began_ns) / 1e9


class Program:
    """One running program. `lines` is what it has printed, stdout and stderr together."""

    def __init__(
        self,
        name: str,
        *arguments: str,
        environment: Mapping[str, str],
        forked: bool = True,
        clocks: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        """`folder` is where one that is not ours runs.

        With `forked` one of ours starts without an interpreter of its own, see `forkserver`; not so where the
        environment is an interpreter's. `clocks`: the file of its own clocks, see `skewed`."""
        forked = forked and not any(variable.startswith("PYTHON") for variable in environment)
        command = [str(Path(sys.executable).parent / name), *arguments]
        if clocks is not None:
            forked, command = False, [sys.executable, "-m", "tests.support.skewed", str(clocks), name, *arguments]
            environment = {**environment, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.name = name
        self.lines: list[str] = []
        self._changed = threading.Condition()
        environment = {**_clean_environment(), **environment}
        self.process: Forked | subprocess.Popen[str]
        if forked and name in PROGRAMS:
            self.process = fork_server().start(name, arguments, environment)
        else:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                cwd=folder,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self, containing: str, within_s: float = DEADLINE_S) -> str:
        """Wait for a line with this text."""
        with self._changed:
            self._changed.wait_for(lambda: self._find(containing) or self.process.poll() is not None, within_s)
            found = self._find(containing)
        if found is None:
            self._reader.join(LINES_S)
            found = self._find(containing)
        assert found is not None, f"{self.name} printed no {containing!r}: {self.lines[-20:]}"
        return found

    def wait(self, within_s: float = DEADLINE_S) -> int:
        """Wait until it has ended by itself and all its lines are here; the exit status."""
        status = self.process.wait(within_s)
        self._reader.join(LINES_S)
        return status

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self, within_s: float = DEADLINE_S) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {within_s} s") from None
        finally:
            self._reader.join(LINES_S)
            assert self.process.stdout is not None
            self.process.stdout.close()

    def _find(self, text: str) -> str | None:
        return next((line for line in self.lines if text in line), None)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def run(
    name: str, *arguments: str, environment: Mapping[str, str] | None = None, within_s: float = 60
) -> tuple[int, str]:
    """Run a program to its end: exit status and everything it printed."""
    if name in PROGRAMS:
        program = Program(name, *arguments, environment=environment or {})
        try:
            status = program.wait(within_s)
        finally:
            program.kill()
            program.stop()
        return status, "".join(f"{line}\n" for line in program.lines)
    done = subprocess.run(
        [str(Path(sys.executable).parent / name), *arguments],
        env={**_clean_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=within_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _clean_environment() -> dict[str, str]:
    """The machine's own keys and settings must not reach a test."""
    ours = ("PRICING_", "BUS_", "EXECUTION_", "SIMULATOR_", "RECORD_", "TAP_", "SERVE_", "APCA_", "UP_", "LOG_")
    others = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # The page only where it is tested, and no bus but the test's own: a folder in which nobody listens.
    return {"UP_SERVE": "no", "BUS_RUNTIME_DIR": _quiet_folder(), **others}


@cache
def _quiet_folder() -> str:
    folder = tempfile.mkdtemp(prefix="qb-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
