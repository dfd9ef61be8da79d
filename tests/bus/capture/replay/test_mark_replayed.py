"""Marking a payload as replayed changes the source and nothing else."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec
from quotebus.bus.capture.replay.mark_replayed import mark_replayed
from quotebus.bus.errors import UndecodableMessage
from tests.support.samples import QUICK, SAMPLES


@pytest.mark.parametrize("kind", SAMPLES)
def test_only_the_source_of_every_event_changes(kind: str) -> None:
    payload = codec.encode(SAMPLES[kind]).partition(b"\0")[2]
    before, after = msgpack.unpackb(payload), msgpack.unpackb(mark_replayed(payload))
    assert after[1] == "replay:" + before[1]
    assert after[:1] + after[2:] == before[:1] + before[2:]
    assert mark_replayed(payload).endswith(payload[payload.index(before[1].encode()) :])


@pytest.mark.parametrize("length", [0, 24, 25, 31, 32, 248, 249, 255, 256, 65_528, 65_529, 65_536])
@pytest.mark.parametrize("fields", [2, 15, 16, 70_000])
def test_every_size_of_source_and_array(length: int, fields: int) -> None:
    values = [1, "s" * length, *range(fields - 2)]
    assert mark_replayed(msgpack.packb(values)) == msgpack.packb([1, "replay:" + "s" * length, *range(fields - 2)])


def test_marked_once() -> None:
    payload = msgpack.packb([1, "pricing-1", 2])
    assert mark_replayed(mark_replayed(payload)) == mark_replayed(payload)


@QUICK
@given(st.binary(max_size=64))
def test_whatever_the_bytes_are(payload: bytes) -> None:
    try:
        marked = mark_replayed(payload)
    except UndecodableMessage:
        return
    assert b"replay:" in marked
