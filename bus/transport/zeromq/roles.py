"""Which key may do what: a role at each endpoint, and the names under which a program speaks. Pure.

The publish endpoint's messages cross a proxy in C that does not know who sent them, so there the role is all that is
asked. At the request endpoint the broker reads each message and knows the key it came under.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from quotebus.bus import topics
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.envelope import Payload
from quotebus.bus.own_names import find_name_reader, is_own_name, name_in
from quotebus.bus.transport.zeromq.key_files import Program

MAY = MappingProxyType(
    {
        "publish": frozenset({"node"}),
        "subscribe": frozenset({"node", "worker", "observer"}),
        "request": frozenset({"worker"}),
    }
)
"""By endpoint, the roles that are admitted. What has no row is refused."""
_read_envelope = msgspec.msgpack.Decoder(Payload).decode


def admits(program: Program | None, endpoint: str) -> bool:
    """Whether this program may connect to this endpoint."""
    return program is not None and program.role in MAY.get(endpoint, ())


def speaks_for_itself(key_name: str, frame: bytes) -> bool:
    """Whether a message at the request endpoint is in the name of its sender: the source, the client, the topic."""
    head, separator, payload = frame.partition(b"\0")
    try:
        topic = head.decode("ascii")
        spoken = _read_envelope(payload).source
        read_name = find_name_reader(topic)
        name = read_name(payload) if read_name is not None else name_in(topic)
    except (*DECODE_ERRORS, UnicodeDecodeError):
        return False
    source = spoken.removeprefix(topics.REPLAYED)  # who follows a replay says so, and no live program minds it
    own = source.rpartition("-")[0] == key_name or (source != spoken and is_own_name(key_name, source))
    if not separator or not key_name or not own:
        return False
    if name is None and read_name is None:
        return topic == topics.counters(source)
    return isinstance(name, str) and is_own_name(key_name, name)
