"""The shipped server configuration: who may say and hear what is the table in EVENTS.md, and nothing else gets in."""

from __future__ import annotations

import asyncio
import gc
import re
import signal
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from quotebus import bus
from quotebus.bus.topics import RESERVED_KINDS
from quotebus.bus.transport.line import News
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.support.certificates import Authority, needs_openssl
from tests.support.nats_server import (
    BINARY,
    HOST,
    ROLES,
    SHIPPED,
    NatsServer,
    ShippedServer,
    access_to,
    needs_server,
    role_authority,
)
from tests.support.programs import DEADLINE_S, eventually, run

pytestmark = [needs_server, needs_openssl]
TABLE = Path(bus.__file__).with_name("EVENTS.md").read_text().partition("#### Roles")[2].partition("## A peer")[0]
ROWS = re.findall(r"^\| `([a-z.]+)` \|(.*)\|$", TABLE, re.MULTILINE)
HEADS = re.findall(r"^\| kind \|(.*)\|$", TABLE, re.MULTILINE)[0].split("|")
BUSES = {"node": {"quotebus"}, "worker": {"quotebus", "replay"}, "recorder": {"quotebus"},
         "observer": {"quotebus", "replay"}, "player": {"replay"}}  # fmt: skip
"""On which each role has its rights; on others it has none."""
Rights = set[tuple[str, str, str]]
"""Bus, role and kind."""
LAST = "last.of.all"
"""Nobody may say it, and refusals come in order."""
VIOLATION = re.compile(r'violation for (publish|subscription) to "([^"]+)"', re.IGNORECASE)


def allowed(word: str) -> set[tuple[str, str]]:
    """Pairs of role and kind for which the table has this word."""
    found = set()
    for kind, cells in ROWS:
        for role, cell in zip(HEADS, cells.split("|"), strict=True):
            if word in cell.strip().split(", "):
                found.add((role.strip(), kind))
    return found


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[ShippedServer]:
    server = ShippedServer(tmp_path)
    yield server
    server.stop()


async def connect(server: NatsServer, tls: ssl.SSLContext, refused: list[str]) -> Client:
    async def keep(error: Exception) -> None:
        refused.append(str(error))

    return await nats.connect(
        f"tls://{HOST}:{server.port}",
        tls=tls,
        tls_handshake_first=True,
        error_cb=keep,
        allow_reconnect=False,
        connect_timeout=20,
    )


def refusals(texts: list[str], what: str) -> set[str]:
    """The subjects of which a server has said that this may not be done."""
    found = [VIOLATION.search(text) for text in texts]
    return {match[2] for match in found if match is not None and match[1].lower() == what}


def rest_of(kind: str) -> str:
    return "" if kind == "symbols.requested" else ".x"


async def try_all(server: ShippedServer) -> tuple[Rights, Rights]:
    """What may be said in a role's own name, and what may be heard."""
    kinds = [kind for kind, _ in ROWS] + list(RESERVED_KINDS)
    may_say, may_hear = Rights(), Rights()
    for role in ROLES:
        texts: list[str] = []
        client = await connect(server, role_authority().context(role), texts)
        places = [(bus, kind) for bus in ("quotebus", "replay") for kind in kinds]
        own = {(bus, kind): f"{bus}.{role}.{kind}{rest_of(kind)}" for bus, kind in places}
        heard = {(bus, kind): f"{bus}.*.{kind}{rest_of(kind)}" for bus, kind in places}
        forged = [
            subject.replace(f".{role}.", f".{other}.") for subject in own.values() for other in ROLES if other != role
        ]
        elsewhere = [f"other.{subject.partition('.')[2]}" for subject in own.values()]
        for subject in (*own.values(), *forged, *elsewhere):
            await client.publish(subject, b"x")
        for subject in (*heard.values(), "other.>", "$SYS.>", ">"):
            await client.subscribe(subject)
        await client.publish(LAST)
        async with asyncio.timeout(DEADLINE_S):
            while LAST not in refusals(texts, "publish"):  # nats-py tells of refusals when it has time
                await client.flush()
        assert client.is_connected, "a refusal does not cost the connection"
        unsaid, unheard = refusals(texts, "publish"), refusals(texts, "subscription")
        await client.close()
        assert unsaid >= {*forged, *elsewhere}, role
        assert unheard >= {"other.>", "$sys.>", ">"}, role  # nats-py tells errors in lower case
        may_say |= {(bus, role, kind) for bus, kind in places if own[bus, kind] not in unsaid}
        may_hear |= {(bus, role, kind) for bus, kind in places if heard[bus, kind] not in unheard}
    return may_say, may_hear


def on_their_buses(pairs: set[tuple[str, str]]) -> Rights:
    return {(bus, role, kind) for role, kind in pairs for bus in BUSES[role]}


def test_each_role_may_say_and_hear_exactly_what_the_table_says(shipped: ShippedServer) -> None:
    may_say, may_hear = asyncio.run(try_all(shipped))
    assert len(ROWS) == 12
    assert may_say == on_their_buses(allowed("says"))
    hears_all = {(role, kind) for role in ("worker", "recorder", "observer") for kind in RESERVED_KINDS}
    assert may_hear == on_their_buses(allowed("hears") | hears_all)


def test_nobody_gets_in_but_by_a_certificate_of_a_user(shipped: ShippedServer, tmp_path: Path) -> None:
    others = Authority(tmp_path / "others")
    others.sign("node", "email:node@quotebus")
    stranger = others.context("node")
    stranger.load_verify_locations(role_authority().path("ca.pem"))
    role_authority().sign("nobody", "email:nobody@quotebus")

    async def try_with(tls: ssl.SSLContext) -> None:
        client = await connect(shipped, tls, [])
        await client.flush(10)  # TLS 1.3 tells a client of its certificate's refusal afterwards
        await client.close()

    for tls in (role_authority().context(), stranger, role_authority().context("nobody")):
        with pytest.raises((OSError, nats.errors.Error)):
            asyncio.run(try_with(tls))
    with warnings.catch_warnings():  # nats-py closes nothing that was refused
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    asyncio.run(try_with(role_authority().context("worker")))


def test_a_user_taken_out_is_cut_off_by_a_reload_and_stays_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = SHIPPED.read_text()
    config = tmp_path / "quotebus.conf"
    config.write_text(text)
    server = ShippedServer(tmp_path, config)
    access = {role: access_to(server, user=role, tls=role_authority().context(role)) for role in ("worker", "observer")}
    engines = {role: NatsEngine(access[role]) for role in access}
    publishers = {role: engine.requester() for role, engine in engines.items()}
    try:
        for publisher in publishers.values():
            publisher.connect()
            eventually(lambda: publisher.news() or publisher.connected)  # noqa: B023 - called here
        begin, _, rest = text.partition('    { user: "worker@quotebus"')
        config.write_text(begin + rest.partition('"replay.>" ] } }\n')[2])
        server.running.process.send_signal(signal.SIGHUP)
        server.running.line("Reloaded server configuration")
        eventually(lambda: News.DOWN in publishers["worker"].news())
        eventually(lambda: "Authorization Violation" in caplog.text, why="it has tried, and is refused")
        assert not publishers["worker"].connected
        assert publishers["observer"].news() == []
    finally:
        for engine in engines.values():
            engine.close(0)
        server.stop()


def test_nothing_is_said_in_clear(shipped: ShippedServer) -> None:
    async def listen() -> bytes:
        reader, writer = await asyncio.open_connection(HOST, shipped.port)
        writer.write(b"CONNECT {}\r\nPING\r\n")
        said = await asyncio.wait_for(reader.read(100), 30)
        writer.close()
        return said

    assert not asyncio.run(listen()).startswith((b"INFO", b"PONG"))


def test_the_monitoring_port_is_this_machine_s_only() -> None:
    text = SHIPPED.read_text()
    assert re.findall(r"^https?: *\"(.*)\"", text, re.MULTILINE) == ["127.0.0.1:8222"]


@pytest.mark.parametrize("line", ['no_fast_producer_stall: true', 'max_pending: 8MB', 'write_deadline: "3s"',
                                  'ping_interval: "2s"', "disable_sublist_cache: true", "verify_and_map: true",
                                  "handshake_first: true"])  # fmt: skip
def test_what_the_others_depend_on_stands_in_it(line: str) -> None:
    assert re.search(rf"^ *{re.escape(line)}$", SHIPPED.read_text(), re.MULTILINE)


@pytest.mark.parametrize("file", sorted(SHIPPED.parent.glob("*.conf")), ids=lambda file: file.name)
def test_the_server_finds_no_fault_in_the_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(role_authority().folder.parent)
    status, said = run(str(BINARY), "-t", "-c", str(file))
    assert status == 0, said
