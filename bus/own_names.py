"""The names under which a program may speak, where the bus knows who it is: by its key, or by its user. Pure.

That own name has no hyphen, so that `strat-1` is one of strat's and nobody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from quotebus.bus import topics

MAX_NAME = 64
OWN_NAME = re.compile(r"[A-Za-z0-9_.:]{1,40}\Z")
"""What a key or a user may be called, to be the beginning of names."""


def is_own_name(own: str, name: str) -> bool:
    """Whether a program with this own name may call a client, a recorder or a source of its own so."""
    return OWN_NAME.match(own) is not None and (name == own or name.startswith(f"{own}-"))


def name_program(own: str, name: str) -> str:
    """What a program is called among others under its own name: `worker-execution` for `worker-execution-host-1`."""
    rest = name.removeprefix(own).removeprefix("-").partition("-")[0]
    return f"{own}-{rest}" if rest else own


def make_own(own: str, name: str) -> str:
    """`name` where it is an own one or the program has no own name, else with that in front; its end is kept."""
    if not own or is_own_name(own, name):
        return name
    return f"{own}-{name[-(MAX_NAME - 1 - len(own)) :]}"


_NAMED_LAST = ("intent.", "decision.", "recorder.")
"""Topics whose last part is the speaker's own name."""


class _Request(msgspec.Struct, array_like=True, frozen=True):
    """The beginning of a request, up to the client's name."""

    version: object
    source: object
    seq: object
    published_ns: object
    name: object


class _Report(_Request, frozen=True):
    """The beginning of a report: of which client's intent, and who reports."""

    intent_id: object
    worker: object


_read_request = msgspec.msgpack.Decoder(_Request).decode
_read_report = msgspec.msgpack.Decoder(_Report).decode


def name_in(topic: str) -> str | None:
    """The speaker's own name, where a topic, without its zero byte, bears one; else None."""
    return topic.partition(".")[2] if topic.startswith(_NAMED_LAST) else None


def find_name_reader(topic: str) -> Callable[[bytes], object] | None:
    """What reads the speaker's own name in a payload under this topic; None where there is none.

    It raises what `codec.DECODE_ERRORS` lists.
    """
    if topic == topics.REQUESTED:
        return lambda payload: _read_request(payload).name
    if topic.startswith("report."):
        return lambda payload: _read_report(payload).worker
    return None
