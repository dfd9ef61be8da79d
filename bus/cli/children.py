"""The programs that `quotebus up` starts: each a process of its own, whose lines are passed on with its name."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.shutdown import that_ends_with_us

TALKERS_STOP_S = 1.0
CARRIERS_STOP_S = 0.5
START_S = 15.0
_CARRIERS = ("broker", "exchange")
_FIRST_LINES = 50
"""Of a program's output, in which it says where it listens."""


FormatLine = Callable[[str, str], str]
"""A program's name and a line of its output, as it is passed on."""


def format_as_text(name: str, line: str) -> str:
    """`pricing  | what it printed`."""
    return f"{name:<9}| {line}"


def format_as_json(name: str, line: str) -> str:
    """An object with the field `program` first: that of a log line, or one with the text as `message`."""
    text = line.rstrip("\n")
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {"message": text}
    return json.dumps({"program": name, **fields}) + "\n"


@dataclass
class Child:
    """One started program and the thread that passes its lines on."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[str]
    lines: Queue[str | None] = field(default_factory=Queue)
    """The first ones; None after the last."""
    ended: threading.Event = field(default_factory=threading.Event)


class Household:
    """The started programs. They do not get the terminal's Ctrl-C: they are stopped in order, consumers first."""

    def __init__(self, format_line: FormatLine = format_as_text) -> None:
        self.children: list[Child] = []
        self._format = format_line
        self.changed = threading.Event()
        self._printing = threading.Lock()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a program, in the place of a dead one of this name. Raises ConfigError when it is not installed."""
        process = subprocess.Popen(
            that_ends_with_us([_executable(command[0]), *command[1:]]),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            errors="replace",
            start_new_session=True,
        )
        child = Child(name, command, process)
        names = [other.name for other in self.children]
        if name in names:
            self.children[names.index(name)] = child
        else:
            self.children.append(child)
        threading.Thread(target=self._pass_on, args=(child,), daemon=True).start()
        return child

    def wait_for_line(self, child: Child, containing: str = "") -> str:
        """One of a program's first lines. Raises ConfigError when there is none in time."""
        deadline_ns = now_ns() + seconds(START_S)
        line: str | None = ""
        try:
            while line is not None and (not line or containing not in line):
                line = child.lines.get(timeout=max(0.0, (deadline_ns - now_ns()) / 1e9))
        except Empty:
            raise ConfigError(f"{child.name} did not start within {START_S:.0f} s") from None
        if line is None or (child.ended.wait(0.05) and child.process.wait() != 0):
            raise ConfigError(f"{child.name} ended with status {child.process.wait()}")
        return line

    def first_dead(self, but: Sequence[str] = ()) -> Child | None:
        """A program that has ended, unless it is one of these."""
        dead = (child for child in self.children if child.name not in but and child.process.poll() is not None)
        return next(dead, None)

    def stop(self) -> None:
        """Stop everything within two seconds: who has a last word for others first, and then who carries it."""
        carriers = [child for child in self.children if child.name in _CARRIERS]
        self._stop([child for child in reversed(self.children) if child not in carriers], TALKERS_STOP_S)
        self._stop(carriers, CARRIERS_STOP_S)

    def _stop(self, children: Sequence[Child], within_s: float) -> None:
        for child in children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline_ns = now_ns() + seconds(within_s)
        for child in children:
            try:
                child.process.wait(max(0.05, (deadline_ns - now_ns()) / 1e9))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            child.ended.wait(0.2)

    def _pass_on(self, child: Child) -> None:
        assert child.process.stdout is not None
        for number, line in enumerate(child.process.stdout):
            if number < _FIRST_LINES:
                child.lines.put(line.strip())
            with self._printing, contextlib.suppress(OSError):  # nobody reads any more: no reason to stop reading
                print(self._format(child.name, line), end="", flush=True)
        child.lines.put(None)
        child.ended.set()
        child.process.wait()  # its output ends a moment before it does: whoever looks too early sees it alive
        self.changed.set()


def _executable(name: str) -> str:
    """The program beside this Python first, so that `up` runs its own environment's programs."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is not installed")
    return found
