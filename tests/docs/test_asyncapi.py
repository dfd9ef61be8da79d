"""The AsyncAPI document is what the code says, and the Node.js client that was written from it gets its prices."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import msgpack
import pytest

from quotebus.bus import codec
from quotebus.bus.events import SymbolsRequested
from quotebus.bus.topics import REQUESTED
from tests.docs import asyncapi_document
from tests.support.samples import SAMPLES
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "docs/asyncapi.json").read_text())
EXAMPLE = ROOT / "docs/examples/node/quotes.js"


def node_modules() -> bool:
    """Whether Node.js is there, and the packages of the example, such as by NODE_PATH."""
    if shutil.which("node") is None:
        return False
    needs = ["node", "-e", "require('zeromq'); require('@msgpack/msgpack')"]
    found = subprocess.run(needs, cwd=EXAMPLE.parent, capture_output=True, check=False)
    return found.returncode == 0


def test_the_document_is_what_the_code_says() -> None:
    assert asyncapi_document.make() == DOCUMENT, "python -m tests.docs.asyncapi_document > docs/asyncapi.json"


def test_every_kind_has_a_channel_and_every_reference_leads_somewhere() -> None:
    addresses = {channel["address"].partition("{")[0].rstrip(".") for channel in DOCUMENT["channels"].values()}
    assert addresses == set(codec.KINDS)
    for event, _ in codec.KINDS.values():
        titles = [field["title"] for field in DOCUMENT["components"]["schemas"][event.__name__]["items"]]
        assert titles == list(event.__struct_fields__)
    assert SAMPLES.keys() == codec.KINDS.keys()

    def check(value: object) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                if key == "$ref":
                    at: object = DOCUMENT
                    for part in str(each).removeprefix("#/").split("/"):
                        assert isinstance(at, dict)
                        at = at[part]
                check(each)
        elif isinstance(value, list):
            for each in value:
                check(each)

    check(DOCUMENT)


def test_whole_floats_of_a_client_are_read_as_integers() -> None:
    fields = [1.0, "js-000001", 1.0, 1.7e18, "js", "r1", ["SPY"], ["quotes"], -3.0, 15000.0, True, [["SPY", 1.7e18]]]
    event = codec.decode(REQUESTED.encode() + b"\0" + msgpack.packb(fields))
    assert isinstance(event, SymbolsRequested)
    assert (event.seq, event.priority, event.ttl_ms) == (1, -3, 15_000)
    assert event.halts[0].halt_exchange_ns == 1_700_000_000_000_000_000
    for at, wrong in ((3, 1.5), (3, float("nan")), (3, 1e300), (8, 500.0), (9, "15000"), (6, "SPY")):
        bad = [*fields[:at], wrong, *fields[at + 1 :]]
        with pytest.raises(codec.UndecodableMessage):
            codec.decode(REQUESTED.encode() + b"\0" + msgpack.packb(bad))
    with pytest.raises(codec.UndecodableMessage):
        codec.decode(b"counters.js-000001\0" + msgpack.packb([1.0, "js-000001", 1, 1, "js", {}]))


@pytest.mark.skipif(not node_modules(), reason="needs Node.js with zeromq and @msgpack/msgpack, such as by NODE_PATH")
def test_the_node_client_asks_renews_and_gets_usable_prices(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    environment = {**os.environ, **world.environment}
    seen: set[str] = set()
    with subprocess.Popen(
        ["node", EXAMPLE, "spy", "QQQ"], env=environment, stdout=subprocess.PIPE, text=True
    ) as client:
        try:
            assert client.stdout is not None
            for line in client.stdout:
                symbol, bid, ask, *why = line.split()
                if why == ["usable"] and float(bid) < float(ask):
                    seen.add(symbol)
                if seen == {"SPY", "QQQ"}:
                    break
            client.send_signal(signal.SIGINT)
            assert client.wait(10) == 0
        finally:
            client.kill()
    assert seen == {"SPY", "QQQ"}
