"""`quotebus up`: the main job on one machine, each program a process, started by name and again if it dies."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TextIO
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr

from quotebus.bus.address import NatsAddress, TcpAddress
from quotebus.bus.cli.children import Child, Household, format_as_json, format_as_text
from quotebus.bus.cli.restarts import MOST, WITHIN_S, Restarts
from quotebus.bus.cli.serve import MISSING, has_extra
from quotebus.bus.cli.up_keys import UpKeys
from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.errors import EX_CONFIG, ConfigError
from quotebus.bus.process.flags import AlsoFlag, Internal
from quotebus.bus.process.log import setup
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.process.spelling import TOLD
from quotebus.bus.settings import BusSettings, LogSettings, load

PROGRAM = "quotebus up"
WORKER = "worker"
PAGE = "page"
LONGEST_S = 1e9
"""Thirty years: in nanoseconds still a number of 64 bits."""
LOOK_S = 0.1
"""How often it is looked whether a signal has come."""
FORMATS = {"text": format_as_text, "json": format_as_json}
FINAL = (EX_CONFIG,)
"""Exit statuses after which a program is not started again: it would say the same."""
FINAL_OF_WORKER = (0, 3, 4, EX_CONFIG)
"""Of a worker also the ones that tell what became of its intents."""
_KEYS = ("PRICING_API_KEY", "PRICING_API_SECRET", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY")


class UpSettings(BusSettings, LogSettings):
    """Settings of `quotebus up` itself; those of the programs it starts are read by these from the environment."""

    about = (
        "Starts the broker (none for NATS), the pricing node, the execution worker, the live page and, without keys, "
        "the simulated exchange. Ctrl-C ends them all. The programs read their own settings from the environment and "
        ".env."
    )
    examples = (
        "quotebus up  # on simulated prices",
        "quotebus up --for 30  # ends by itself",
        "EXECUTION_SYMBOLS=MSFT,NVDA quotebus up",
        "quotebus up --serve no  # without the live page",
        "quotebus up --bus nats://127.0.0.1:4222  # over a NATS server",
        "quotebus up --bus tcp://127.0.0.1:5570 --keys keys  # over TCP, with keys",
    )
    flag_prefix = "up_"
    headings: ClassVar = {"bus_keys_dir": "run", "pricing_upstream_url": "upstream"}

    bus_keys_dir: Annotated[str, AlsoFlag("keys")] = Field(
        "",
        validation_alias="bus_keys_dir",
        description="of tcp://: folder of keys; each program gets its own from it, made where there is none yet",
    )
    for_s: float | None = Field(
        None, gt=0, le=LONGEST_S, validation_alias=AliasChoices("for", "up_for_s"), description="end after this long"
    )
    up_serve: Literal["auto", "yes", "no"] = Field(
        "auto", description="serve the live page: where the extra `web` is installed, always, or never"
    )
    pricing_upstream_url: str = Field("", description="this upstream instead of the simulated exchange")
    pricing_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pricing_api_key", "apca_api_key_id"),
        description="the account's API key; with it the upstream is Alpaca. Safer in the environment or in .env",
    )
    execution_gateway: Annotated[str, Internal()] = Field("none", description="read to say where orders go")

    @property
    def _has_keys(self) -> bool:
        return bool(self.bus_keys_dir or self.bus_key_file)

    @property
    def uses_real_upstream(self) -> bool:
        """Whether there is an upstream besides the simulated exchange; market data only, then."""
        return bool(self.pricing_api_key.get_secret_value() or self.pricing_upstream_url)


def describe_orders(settings: UpSettings) -> str:
    """What becomes of decisions, said before anything else: a worker prints `buy` and `sell`."""
    if settings.execution_gateway == "none" or settings.uses_real_upstream:
        return "decisions only: nothing is ordered"
    return f"orders go to EXECUTION_GATEWAY={settings.execution_gateway}"


class Up:
    """The programs in the order of their start, and what is done when one dies."""

    def __init__(self, settings: UpSettings, household: Household, asked: list[int]) -> None:
        self._settings = settings
        self._household = household
        self._asked = asked
        """Not empty once a signal has come. No lock: it may come while this very thread holds it."""
        self._environment = {**os.environ, TOLD: "yes", "LOG_LEVEL": settings.log_level}
        self._environment["LOG_FORMAT"] = settings.log_format
        self._keys: UpKeys | None = None
        self._restarts: dict[str, Restarts] = {}
        self._due_ns: dict[str, int] = {}

    def start(self) -> None:
        """Start all, each where the ones before it listen. Raises ConfigError."""
        settings = self._settings
        for name in BusSettings.model_fields:
            value = getattr(settings, name)
            self._environment[name.upper()] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        self._settle_keys()
        if not isinstance(settings.bus_address, NatsAddress):
            self._start_broker()
        if self._settings.uses_real_upstream:
            self._environment["EXECUTION_GATEWAY"] = "none"  # market data only
        else:
            self._start_exchange()
        if self._asked:
            return
        if self._settings.log_level in ("debug", "info"):  # else it says nothing
            self._started("pricing", ["pricing-node"])
        else:
            self._start("pricing", ["pricing-node"])
        if not self._asked:
            self._start(WORKER, ["execution-worker"])
        if not self._asked and self._settings.up_serve != "no":
            self._start_page()

    def _settle_keys(self) -> None:
        """Each program speaks under a key of its own, the broker admits them. Raises ConfigError."""
        settings = self._settings
        if settings.bus_keys_dir and not isinstance(settings.bus_address, TcpAddress):
            raise ConfigError("BUS_KEYS_DIR: keys are for tcp://; with them say --bus tcp://127.0.0.1:5570, or no keys")
        if settings.bus_keys_dir:
            self._keys = UpKeys(Path(settings.bus_keys_dir))
            self._environment |= {"BUS_KEYS_DIR": settings.bus_keys_dir, "BUS_KEY_FILE": ""}
            text = f"made keys in {settings.bus_keys_dir}: {', '.join(self._keys.made)}; for a program of yours: "
            text += f"quotebus keys new worker NAME --bus-keys-dir {settings.bus_keys_dir}"
            if self._keys.made:
                _say(text, settings.log_format, sys.stdout)
        elif settings.bus_key_file and isinstance(settings.bus_address, TcpAddress):
            raise ConfigError("BUS_KEY_FILE: each program needs a key of its own: --keys FOLDER makes and gives them")

    def _start(self, name: str, command: Sequence[str]) -> Child:
        own = {} if self._keys is None else self._keys.environment_of(name)
        return self._household.start(name, command, {**self._environment, **own})

    def run(self) -> Child | None:
        """Restart what dies, until a signal or the end of `--for`, or until a program has ended for good: that one."""
        for_s = self._settings.for_s
        deadline_ns = None if for_s is None else now_ns() + seconds(for_s)
        while not self._asked:
            now = now_ns()
            if deadline_ns is not None and now >= deadline_ns:
                return None
            for name in [name for name, due_ns in self._due_ns.items() if due_ns <= now]:
                del self._due_ns[name]
                self._start(name, self._child(name).command)
            while (dead := self._household.first_dead(but=list(self._due_ns))) is not None:
                if not self._plan_restart(dead, now):
                    return dead
            until_ns = min([now + seconds(LOOK_S), *self._due_ns.values(), *([deadline_ns] if deadline_ns else [])])
            self._household.changed.wait(max(0.0, (until_ns - now) / 1e9))
            self._household.changed.clear()
        return None

    def _started(self, name: str, command: Sequence[str], says: str = "") -> str:
        return self._household.wait_for_line(self._start(name, command), says)

    def _start_broker(self) -> None:
        words = self._started("broker", ["quotebus", "broker"], " publish ").split()
        for kind in ("publish", "subscribe", "request") if isinstance(self._settings.bus_address, TcpAddress) else ():
            self._environment[f"BUS_{kind.upper()}_URL"] = words[words.index(kind) + 1]

    def _start_exchange(self) -> None:
        exchange = self._start("exchange", ["exchange-simulator"])
        words = self._household.wait_for_line(exchange, " control ").split()
        words += self._household.wait_for_line(exchange, " orders ").split()
        for key in _KEYS:
            self._environment.pop(key, None)
        url = next(word for word in words if word.startswith(("ws://", "wss://")))
        # A key of its own, so that two simulated worlds on one machine do not share the account's lock.
        self._environment |= {"PRICING_UPSTREAM_URL": url, "PRICING_API_KEY": f"sim-{secrets.token_hex(4)}"}
        rest = words[words.index("orders") + 1].removesuffix("/v2")
        self._environment |= {"PRICING_DATA_URL": rest, "PRICING_ORDER_REST_URL": rest}
        self._environment.setdefault("EXECUTION_ORDERS_URL", rest)
        # What `.env` says of the real feed contradicts the simulated one's address, which is given here.
        self._environment |= {"PRICING_FEED": url.rpartition("/")[2], "PRICING_FEED_CLASS": "simulated"}
        self._environment["PRICING_API_SECRET"] = "simulated"
        # Started again it must be where the others look for it, also when its ports were any free ones.
        for name, address in (
            ("", url),
            ("CONTROL_", words[words.index("control") + 1]),
            ("REST_", words[words.index("orders") + 1]),
        ):
            self._environment[f"SIMULATOR_{name}PORT"] = str(urlsplit(address).port)

    def _start_page(self) -> None:
        """The page says itself where it is. Raises ConfigError when it was asked for and the extra is not there."""
        if has_extra():
            self._start(PAGE, ["quotebus", "serve"])
        elif self._settings.up_serve == "yes":
            raise ConfigError(f"UP_SERVE: the page {MISSING}")

    def _child(self, name: str) -> Child:
        return next(child for child in self._household.children if child.name == name)

    def _plan_restart(self, dead: Child, now: int) -> bool:
        """Whether it is to be started again; said on stderr."""
        status = dead.process.returncode
        if dead.name == PAGE and status in FINAL and self._settings.up_serve == "auto":
            self._household.children.remove(dead)
            _say("the page is not served, the rest runs on", self._settings.log_format)
            return True
        if status in (FINAL_OF_WORKER if dead.name == WORKER else FINAL):
            return False
        restarts = self._restarts.setdefault(dead.name, Restarts())
        due_ns = restarts.plan(now)
        if due_ns is None:
            return False
        self._due_ns[dead.name] = due_ns
        pause = f"in {(due_ns - now) / 1e9:.1f} s, restart {restarts.count} of {MOST} within {WITHIN_S} s"
        _say(f"{dead.name} {ending(status)}; it is started again {pause}", self._settings.log_format)
        return True


def run(argv: Sequence[str]) -> int:
    """Run until a signal or the end of `--for`: exit status 0. Otherwise that of a program that has ended for good."""
    settings = load(UpSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format, settings.secrets())
    household = Household(FORMATS[settings.log_format])
    asked: list[int] = []
    on_ending(lambda: asked.append(1))
    with foreground():
        return _run(household, settings, asked)


def _run(household: Household, settings: UpSettings, asked: list[int]) -> int:
    _say(describe_orders(settings), settings.log_format, sys.stdout)
    up = Up(settings, household, asked)
    try:
        up.start()
        dead = up.run()
    except ConfigError as error:
        household.stop()
        if asked:
            return 0
        _say(str(error), settings.log_format)
        return EX_CONFIG
    household.stop()
    if dead is None:
        return 0
    status = dead.process.returncode
    if dead.name == WORKER and status == 0:
        return 0  # a worker with intents ends when they are worked
    _say(f"{dead.name} {ending(status)}; everything is stopped", settings.log_format)
    return 128 - status if status < 0 else status or EX_CONFIG


def ending(status: int) -> str:
    """How a program ended, in words."""
    return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended by itself with status {status}"


def _say(text: str, form: str, stream: TextIO | None = None) -> None:
    """On stderr unless another stream is given."""
    line = json.dumps({"program": PROGRAM, "message": text}) if form == "json" else f"{PROGRAM}: {text}"
    with contextlib.suppress(OSError):
        print(line, file=stream or sys.stderr, flush=True)


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
