"""The pipelines that are measured side by side: from the same upstream, each to a reader in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.perf.processors import Crowd, cpu_ns
from tests.perf.system_calls import count_system_calls
from tests.support.keyed import KeyedBroker, Keys
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Load:
    """So many quotes, so many a frame; `rate` a second, 0 for as fast as they are taken."""

    quotes: int
    per_frame: int = 1
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one contender."""

    rate: float
    """Quotes per second from the first to the last."""
    lost: int
    taken_ms: list[float]
    """Of each quote in order, from its sending to its being a typed quote; empty without a rate."""
    cpu_us: dict[str, float]
    """By program, processor time per quote in microseconds."""
    others: float
    """Processors that programs of others took meanwhile."""
    calls: dict[str, float] = field(default_factory=dict)
    """By program, system calls per quote, where they were counted."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What stands between the upstream and a reader."""

    pids: Mapping[str, int]
    """By program, what runs."""
    urls: Sequence[str] = ()
    """Where the reader is to read, as arguments."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """And as its environment."""


def alpaca_py(stack: ExitStack, upstream_url: str) -> Pipeline:
    """Nothing in between."""
    return Pipeline({}, [upstream_url])


def bare(stack: ExitStack, upstream_url: str) -> Pipeline:
    """A websocket, PUB, `zmq.proxy`, SUB."""
    broker = stack.enter_context(_program("tests.perf.bare.broker"))
    publish_url, subscribe_url = _line(broker).split()
    node = stack.enter_context(_program("tests.perf.bare.node", upstream_url, publish_url))
    return Pipeline({"node": node.pid, "broker": broker.pid}, [subscribe_url])


def quotebus(stack: ExitStack, upstream_url: str) -> Pipeline:
    """A broker and a node, on the bus that a user has who sets nothing."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    world = World(Path(folder))
    stack.callback(world.close)
    bus = {"BUS_URL": "ipc://quotebus", "BUS_RUNTIME_DIR": folder}
    world.environment |= {**bus, "PRICING_UPSTREAM_URL": upstream_url}
    broker = world.start("quotebus", "broker")
    broker.line("quotebus broker: publish")
    return Pipeline({"node": world.node().pid, "broker": broker.pid}, environment=bus)


def cryptofeed(stack: ExitStack, upstream_url: str) -> Pipeline:
    """Its feed handler and its ZeroMQ backend, in the interpreter that `CRYPTOFEED_PYTHON` names."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    program = Path(__file__).with_name("cryptofeed_node.py")
    node = stack.enter_context(_run([os.environ[CRYPTOFEED_PYTHON], str(program), upstream_url, port]))
    return Pipeline({"node": node.pid}, [f"tcp://127.0.0.1:{port}"])


def over(engine: str) -> Callable[[ExitStack, str], Pipeline]:
    """A server or a broker, and a node; with `nats-tls` as the shipped configuration has them."""

    def open_pipeline(stack: ExitStack, upstream_url: str) -> Pipeline:
        world = World(Path(stack.enter_context(tempfile.TemporaryDirectory())), engine=engine)
        stack.callback(world.close)
        server = world.broker()
        world.environment["PRICING_UPSTREAM_URL"] = upstream_url
        bus = {name: value for name, value in world.environment.items() if name.startswith("BUS_")}
        return Pipeline({"node": world.node().pid, "server": server.pid}, environment=bus)

    return open_pipeline


def over_keys(stack: ExitStack, upstream_url: str) -> Pipeline:
    """A broker on loopback that admits keys only, so that everything is encrypted."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    keys = Keys(folder)
    node, reader = keys.make("node", "pricing"), keys.make("worker", "reader")
    broker = stack.enter_context(closing(KeyedBroker(keys)))
    world = World(folder)
    stack.callback(world.close)
    for name in ("BUS_URL", "BUS_RUNTIME_DIR"):
        world.environment.pop(name)
    world.environment["PRICING_UPSTREAM_URL"] = upstream_url
    pids = {"node": world.node(**broker.environment(node)).pid, "broker": broker.program.pid}
    return Pipeline(pids, environment=broker.environment(reader))


ENGINES = {
    "ipc": quotebus,
    "tcp": over("tcp"),
    "tcp-keys": over_keys,
    "nats": over("nats"),
    "nats-tls": over("nats-tls"),
}
"""Ours over each engine; for `python -m tests.engines compare`."""
CRYPTOFEED_PYTHON = "CRYPTOFEED_PYTHON"
CONTENDERS: dict[str, Callable[[ExitStack, str], Pipeline]] = {
    "alpaca-py": alpaca_py,
    "bare": bare,
    "quotebus": quotebus,
}
if os.environ.get(CRYPTOFEED_PYTHON):
    CONTENDERS["cryptofeed"] = cryptofeed


def measure(name: str, load: Load, *, count_calls: bool = False) -> Measured:
    """One round; AssertionError when the pipeline does not work at all."""
    with ExitStack() as stack:
        upstream = stack.enter_context(
            _program("tests.perf.source", str(load.quotes), str(load.per_frame), str(load.rate))
        )
        pipeline = {**CONTENDERS, **ENGINES}[name](stack, _line(upstream))
        reads_as = "quotebus" if name in ENGINES else name
        timed = ("--timed",) if load.rate else ()
        reader = stack.enter_context(
            _program(
                "tests.perf.reader", reads_as, *pipeline.urls, "--quotes", str(load.quotes), *timed,
                **pipeline.environment
            )
        )  # fmt: skip
        for word in ("ready", "began"):
            assert _line(reader) == word, f"{name}: the reader did not say {word!r}"
        watched = {**pipeline.pids, "reader": reader.pid}
        calls = count_system_calls(watched, load.rate) if count_calls else {}
        crowd = Crowd([*watched.values(), upstream.pid])
        before = {program: cpu_ns(pid) for program, pid in watched.items()}
        result = json.loads(_line(reader))
        used = {program: cpu_ns(pid) - before[program] for program, pid in watched.items()}
        received = max(1, load.quotes - result["lost"])
        return Measured(
            result["rate"],
            result["lost"],
            result["taken_ms"],
            {program: ns / received / 1_000 for program, ns in used.items()},
            crowd.others(),
            calls,
        )


@contextmanager
def _program(module: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with _run([sys.executable, "-W", "ignore", "-m", module, *arguments], **environment) as process:
        yield process


@contextmanager
def _run(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
