"""Which key may do what: a role at each endpoint, and the names under which a program speaks. Pure.

The publish endpoint's messages cross a proxy in C that does not know who sent them, so there the role is all that is
asked. At the request endpoint the broker reads each message and knows the key it came under.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from quotebus.bus import topics
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.own_names import is_own_name
from quotebus.bus.transport.zeromq.key_files import Program

MAY = MappingProxyType(
    {
        "publish": frozenset({"node"}),
        "subscribe": frozenset({"node", "worker", "observer"}),
        "request": frozenset({"worker"}),
    }
)
"""By endpoint, the roles that are admitted. What has no row is refused."""
_OWN = ("intent.", "decision.", "recorder.")
"""Topics whose last part is the speaker's own name."""
_REPORT = b"report."
_REQUESTED = topics.REQUESTED.encode()


class _Spoken(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of any message."""

    version: int
    source: str
    seq: int
    published_ns: int
    first: object = None


class _Reported(_Spoken, frozen=True):
    """The beginning of a report, whose third field is who reports."""

    second: object = None
    third: object = None


_decode_report = msgspec.msgpack.Decoder(_Reported).decode
_decode = msgspec.msgpack.Decoder(_Spoken).decode


def admits(program: Program | None, endpoint: str) -> bool:
    """Whether this program may connect to this endpoint."""
    return program is not None and program.role in MAY.get(endpoint, ())


def speaks_for_itself(key_name: str, frame: bytes) -> bool:
    """Whether a message at the request endpoint is in the name of its sender: the source, the client, the topic."""
    topic, separator, payload = frame.partition(b"\0")
    try:
        spoken = (_decode_report if topic.startswith(_REPORT) else _decode)(payload)
        name = topic.decode("ascii")
    except (*DECODE_ERRORS, UnicodeDecodeError):
        return False
    source = spoken.source.removeprefix(topics.REPLAYED)  # who follows a replay says so, and no live program minds it
    own = source.rpartition("-")[0] == key_name or (source != spoken.source and is_own_name(key_name, source))
    if not separator or not key_name or not own:
        return False
    if topic == _REQUESTED:
        return isinstance(spoken.first, str) and is_own_name(key_name, spoken.first)
    kind, _, rest = name.partition(".")
    if f"{kind}." in _OWN:
        return is_own_name(key_name, rest)
    if isinstance(spoken, _Reported):
        return isinstance(spoken.third, str) and is_own_name(key_name, spoken.third)
    return kind == "counters" and rest == source
