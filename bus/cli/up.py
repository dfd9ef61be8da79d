"""`quotebus up`: the main job on one machine, each program a process of its own, started by name."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import ClassVar

from pydantic import AliasChoices, Field, SecretStr

from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.errors import EX_CONFIG, ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.process.shutdown import on_ending, that_ends_with_us
from quotebus.bus.settings import BusSettings, LogSettings, die, load

PROGRAM = "quotebus up"
WORKER = "worker"
LOOK_S = 0.1
"""How often it is looked whether a signal has come."""
TALKERS_STOP_S = 1.0
CARRIERS_STOP_S = 0.5
START_S = 15.0
_CARRIERS = ("broker", "exchange")
_KEYS = ("PRICING_API_KEY", "PRICING_API_SECRET", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY")


class UpSettings(BusSettings, LogSettings):
    """Settings of `quotebus up` itself; those of the programs it starts are read by these from the environment."""

    about = (
        "Starts the broker, the pricing node, the execution worker and, without keys, the simulated exchange. "
        "Ctrl-C ends them all. The programs read their own settings from the environment and .env."
    )
    examples = (
        "quotebus up                              # on the simulated exchange",
        "quotebus up --for 30                     # ends by itself",
        "EXECUTION_SYMBOLS=MSFT,NVDA quotebus up",
    )
    flag_prefix = "up_"
    headings: ClassVar = {"for_s": "run", "pricing_upstream_url": "upstream"}

    for_s: float | None = Field(
        None, gt=0, validation_alias=AliasChoices("for", "up_for_s"), description="end after this long"
    )
    pricing_upstream_url: str = Field("", description="this upstream instead of the simulated exchange")
    pricing_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pricing_api_key", "apca_api_key_id"),
        description="the account's API key; with it the upstream is Alpaca. Safer in the environment or in .env",
    )


@dataclass
class Child:
    """One started program and the thread that passes its lines on."""

    name: str
    process: subprocess.Popen[str]
    lines: Queue[str] = field(default_factory=Queue)
    ended: threading.Event = field(default_factory=threading.Event)


class Household:
    """The started programs. They do not get the terminal's Ctrl-C: they are stopped in order, consumers first."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.changed = threading.Event()
        self._printing = threading.Lock()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """Start a program. Raises ConfigError when it is not installed."""
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
        child = Child(name, process)
        self.children.append(child)
        threading.Thread(target=self._pass_on, args=(child,), daemon=True).start()
        return child

    def first_line(self, child: Child) -> str:
        """Wait for a program's first line. Raises ConfigError when there is none in time."""
        try:
            line = child.lines.get(timeout=START_S)
        except Empty:
            raise ConfigError(f"{child.name} did not start within {START_S:.0f} s") from None
        if child.ended.wait(0.05) and child.process.wait() != 0:
            raise ConfigError(f"{child.name} ended with status {child.process.returncode}")
        return line

    def first_dead(self) -> Child | None:
        return next((child for child in self.children if child.process.poll() is not None), None)

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
            if number == 0:
                child.lines.put(line.strip())
            with self._printing, contextlib.suppress(OSError):  # nobody reads any more: no reason to stop reading
                print(f"{child.name:<9}| {line}", end="", flush=True)
        child.ended.set()
        child.process.wait()  # its output ends a moment before it does: whoever looks too early sees it alive
        self.changed.set()


def run(argv: Sequence[str]) -> int:
    """Run until a signal or the end of `--for`: exit status 0. Otherwise that of the program that ended by itself."""
    settings = load(UpSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format, settings.secrets())
    household = Household()
    asked: list[int] = []
    on_ending(lambda: asked.append(1))  # no lock: a signal may come while this very thread holds it
    with foreground():
        return _run(household, settings, asked)


def _run(household: Household, settings: UpSettings, asked: list[int]) -> int:
    try:
        _start_all(household, settings, asked)
        if not asked:
            _wait(household, settings.for_s, asked)
        dead = None if asked else household.first_dead()
    except ConfigError as error:
        household.stop()
        if asked:
            return 0
        die(PROGRAM, error)
    household.stop()
    if dead is None or (dead.name == WORKER and dead.process.returncode == 0):
        return 0  # a worker with intents ends when they are worked
    print(f"{PROGRAM}: {dead.name} ended by itself with status {dead.process.returncode}", file=sys.stderr)
    status = dead.process.returncode
    return 128 - status if status < 0 else status or EX_CONFIG


def _start_all(household: Household, settings: UpSettings, asked: list[int]) -> None:
    environment = dict(os.environ)
    for name in ("bus_publish_url", "bus_subscribe_url", "bus_request_url"):
        environment[name.upper()] = getattr(settings, name)
    words = household.first_line(household.start("broker", ["quotebus", "broker"], environment)).split()
    for kind in ("publish", "subscribe", "request"):
        if kind not in words:
            raise ConfigError("the broker did not start")
        environment[f"BUS_{kind.upper()}_URL"] = words[words.index(kind) + 1]
    if settings.pricing_api_key.get_secret_value() or settings.pricing_upstream_url:
        environment["EXECUTION_GATEWAY"] = "none"  # market data only
    else:
        exchange = household.start("exchange", ["exchange-simulator"], environment)
        line = household.first_line(exchange)
        url = next((word for word in line.split() if word.startswith("ws://")), None)
        if url is None:
            raise ConfigError("the simulated exchange did not start")
        for key in _KEYS:
            environment.pop(key, None)
        # A key of its own, so that two simulated worlds on one machine do not share the account's lock.
        environment |= {"PRICING_UPSTREAM_URL": url, "PRICING_API_KEY": f"sim-{secrets.token_hex(4)}"}
        environment["PRICING_API_SECRET"] = "simulated"
    if asked:
        return
    household.first_line(household.start("pricing", ["pricing-node"], environment))
    if not asked:
        household.start(WORKER, ["execution-worker"], environment)


def _wait(household: Household, for_s: float | None, asked: list[int]) -> None:
    deadline_ns = None if for_s is None else now_ns() + seconds(for_s)
    while not asked and household.first_dead() is None:
        left_s = None if deadline_ns is None else (deadline_ns - now_ns()) / 1e9
        if left_s is not None and left_s <= 0:
            return
        household.changed.wait(LOOK_S if left_s is None else min(LOOK_S, left_s))
        household.changed.clear()


@contextlib.contextmanager
def foreground() -> Iterator[None]:
    """Take the terminal while running under another program, such as make.

    Ctrl-C then reaches `up` alone, which ends in order with status 0, and not also the make that started it, which
    would call that a failure. Started from a shell's prompt, or without a terminal, there is nothing to do.
    """
    group = os.getpgrp()
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if group == os.getpid() or os.tcgetpgrp(terminal) != group:
            yield
            return
        # A background group that touches the terminal would be stopped, and nobody would continue it.
        for number in (signal.SIGTTOU, signal.SIGTSTP):
            signal.signal(number, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        try:
            yield
        finally:
            os.tcsetpgrp(terminal, group)
    finally:
        os.close(terminal)


def _executable(name: str) -> str:
    """The program beside this Python first, so that `up` runs its own environment's programs."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ConfigError(f"{name} is not installed")
    return found
