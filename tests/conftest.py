"""Fixtures that every test may ask for. Nothing here is shared between tests."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.certificates import needs_openssl
from tests.support.nats_server import needs_server
from tests.support.stopwatch import Stopwatch
from tests.support.world import ENGINE, ENGINES, World

settings.register_profile("suite", max_examples=40, deadline=None)
settings.load_profile("suite")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; the programs here must not inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.pop("PYTHONUNBUFFERED", None)  # the programs run as a user's do, whose last lines wait for the end
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # started by nohup; nor that
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones begin first, some in each process, so that the run does not end with one process that waits."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    shares = [rest[len(rest) * n // count : len(rest) * (n + 1) // count] for n in range(count)]
    items[:] = [item for n, share in enumerate(shares) for item in long[n::count] + share]


def pytest_collection_finish() -> None:
    """Thousands of collected tests live until the end: the collector need not look at them, a fifth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's `.env` must reach neither a test nor the programs it starts."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder for sockets, whose paths have at most 107 bytes; a test's own folder may be too deep for them."""
    with tempfile.TemporaryDirectory(prefix="qb-", dir="/tmp") as folder:
        yield Path(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests marked `engines` run over each, all that ask for a world over those in QUOTEBUS_ENGINES: `ipc,nats`.

    A mark that names engines means those, whatever the others run over.
    """
    asked = [engine for engine in os.environ.get("QUOTEBUS_ENGINES", "").split(",") if engine]
    if "world" not in metafunc.fixturenames:
        return
    marked = metafunc.definition.get_closest_marker("engines")
    if metafunc.definition.get_closest_marker("zeromq"):
        asked = [engine for engine in asked if engine == "tcp"]
    elif marked is not None and (marked.args or not asked):
        asked = list(marked.args or ENGINES)
    if asked:
        marks = {engine: (needs_server, needs_openssl) if engine.startswith("nats") else () for engine in asked}
        metafunc.parametrize("engine", [pytest.param(each, marks=marks[each], id=each) for each in asked])


@pytest.fixture
def engine() -> str:
    """What carries the bus of a world."""
    return ENGINE


@pytest.fixture
def world(tmp_path: Path, engine: str) -> Iterator[World]:
    """An empty world; the test starts what it needs."""
    world = World(tmp_path, engine=engine)
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def stopwatch() -> Iterator[Stopwatch]:
    """For what a test times: seconds as they would be with a processor free for each program."""
    stopwatch = Stopwatch()
    stopwatch.begin()
    try:
        yield stopwatch
    finally:
        stopwatch.end()
