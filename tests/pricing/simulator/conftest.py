"""The real program on a free port, and a plain WebSocket client to talk to it. Every wait has a deadline."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import msgpack
import pytest
import websocket

from quotebus.pricing.simulator.control import SimulatorControl
from tests.support.forkserver import fork_server

FIRST_LINE = re.compile(r"exchange-simulator: (wss?://\S+/v2/)iex control (http://\S+) seed (-?\d+)\n")
ORDERS_LINE = re.compile(r"exchange-simulator: orders (http://\S+)/v2 updates (wss?://\S+/stream)\n")
TIMEOUT_S = 30.0
ROOT = Path(__file__).parents[3]


class Program:
    """A running simulator."""

    def __init__(self, *flags: str, stderr: IO[str] | None = None) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SIMULATOR_")}
        arguments = ["--port", "0", "--control-port", "0", *flags]
        with open(os.devnull, "w") as nowhere:
            output = nowhere if stderr is None else stderr
            self.process = fork_server().start("exchange-simulator", arguments, environment, output.fileno())
        line = self.process.stdout.readline()
        match = FIRST_LINE.fullmatch(line)
        assert match, f"unexpected first line {line!r}"
        self.base = match[1]
        self.control = SimulatorControl(match[2])
        orders = ORDERS_LINE.fullmatch(self.process.stdout.readline())
        assert orders, "no line about orders"
        self.rest, self.stream = orders[1], orders[2]

    def url(self, feed: str = "iex") -> str:
        return self.base + feed

    @property
    def port(self) -> int:
        return int(self.base.split(":")[2].split("/")[0])

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class Client:
    """A WebSocket client that reads one frame at a time."""

    def __init__(self, url: str, encoding: str = "json", **headers: str) -> None:
        self._encoding = encoding
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if encoding == "msgpack":
            lines.append("Content-Type: application/msgpack")
        self.socket = websocket.create_connection(
            url,
            header=lines,
            timeout=TIMEOUT_S,
            redirect_limit=0,
            http_no_proxy=["127.0.0.1"],
            skip_utf8_validation=True,  # json reads it, and faster
        )

    def send(self, message: object) -> None:
        if isinstance(message, str):
            self.socket.send(message)
        elif self._encoding == "msgpack":
            self.socket.send_binary(msgpack.packb(message))
        else:
            self.socket.send(json.dumps(message))

    def receive(self) -> list[dict[str, Any]]:
        opcode, data = self.socket.recv_data()
        if self._encoding == "msgpack":
            assert opcode == websocket.ABNF.OPCODE_BINARY
            return list(msgpack.unpackb(data, timestamp=2))
        assert opcode == websocket.ABNF.OPCODE_TEXT, (opcode, data)
        return list(json.loads(data))

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that is wanted; those before it are dropped."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            for message in self.receive():
                if wanted(message):
                    return message
        raise AssertionError("it never came")

    def control(self) -> dict[str, Any]:
        """The next control message; it is alone in its frame."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            messages = self.receive()
            if messages[0]["T"] in ("success", "error", "subscription"):
                assert len(messages) == 1
                return messages[0]
        raise AssertionError("no control message")

    def quote(self, symbol: str) -> dict[str, Any]:
        return self.until(lambda message: message["T"] == "q" and message["S"] == symbol)

    def ask(self, message: object) -> dict[str, Any]:
        self.send(message)
        return self.control()

    def log_in(self, key: str = "k", secret: str = "s") -> dict[str, Any]:
        assert self.control() == {"T": "success", "msg": "connected"}
        return self.ask({"action": "auth", "key": key, "secret": secret})

    def subscribe(self, **channels: list[str]) -> dict[str, Any]:
        return self.ask({"action": "subscribe", **channels})

    def wait_closed(self) -> None:
        """Read to the end of the connection; TimeoutError by websocket-client if it does not end."""
        try:
            while True:
                opcode, _ = self.socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return

    def close(self) -> None:
        sock = self.socket.sock
        if sock is not None:
            sock.close()


@pytest.fixture(scope="session")
def programs() -> Iterator[Callable[..., Program]]:
    with ExitStack() as stack:

        def start(*flags: str, **options: Any) -> Program:
            program = Program(*flags, **options)
            stack.callback(program.stop)
            return program

        yield start


@pytest.fixture
def start(programs: Callable[..., Program]) -> Callable[..., Program]:
    """Start a simulator of one's own; it is stopped at the end of the run at the latest."""
    return programs


@pytest.fixture(scope="session")
def _shared(programs: Callable[..., Program]) -> Program:
    return programs("--rate", "200", "--limit-close-s", "0.3", "--auth-timeout-s", "20")


@pytest.fixture
def simulator(_shared: Program) -> Iterator[Program]:
    """The simulator that tests of the ordinary protocol share: no faults, 200 quotes a second."""
    yield _shared
    _shared.control.lift_faults()
    for halt in _shared.control.halts():
        if halt["ended_ns"] is None:
            _shared.control.resume(halt["symbol"])  # a halted symbol does not trade


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Open a client; it is closed with the test."""
    with ExitStack() as stack:

        def open_client(url: str, encoding: str = "json", **headers: str) -> Client:
            client = Client(url, encoding, **headers)
            stack.callback(client.close)
            return client

        yield open_client


@pytest.fixture
def logged_in(connect: Callable[..., Client]) -> Callable[..., Client]:
    """Open a client that is authenticated."""

    def open_client(url: str, encoding: str = "json") -> Client:
        client = connect(url, encoding)
        assert client.log_in() == {"T": "success", "msg": "authenticated"}
        return client

    return open_client


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until a check holds, at most some seconds."""

    def wait(check: Callable[[], object]) -> None:
        pause = threading.Event()
        deadline = time.monotonic() + TIMEOUT_S
        while not check():
            assert time.monotonic() < deadline, "it never came to pass"
            pause.wait(0.01)

    return wait
