"""Topics as NATS subjects and back: `<bus>.<user>.<kind>.<rest>`. Pure.

The user is the one who publishes, so that a server's permissions bind what is said to who says it; a reader subscribes
with `*` in its place. The kind is a token, or two for `symbols.…`, and the rest is one: what would divide it or be a
wildcard is percent-encoded, and an empty token is a lone `%`. So each topic has exactly one subject, and
`quote.BRK%2EB` is one symbol.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from quotebus.bus.topics import END, MAX_TOPIC_BYTES, is_topic

ANYONE = "anyone"
"""The user of who names none: a server without roles."""
_RESERVED = re.compile(rb"[^!-~]|[%.*>]")
_EMPTY = b"%"
_TOKEN = rb"[!-$&-)+-\-/-=?-~]+"
_PLAIN = re.compile(rb"%b\.((?:symbols\.)?%b(?:\.%b)?)" % (_TOKEN, _TOKEN, _TOKEN))
"""User and topic where nothing is encoded. A client of 100 symbols hears 200 subjects in its first seconds, and to make
each topic's one subject and compare takes seven times as long."""


def escape(text: bytes) -> bytes:
    """`text` as one token of a subject."""
    return _RESERVED.sub(lambda found: b"%%%02X" % found[0][0], text) or _EMPTY


def _unescape(token: bytes) -> bytes:
    if b"%" not in token:
        return token
    return b"" if token == _EMPTY else re.sub(rb"%([0-9A-F]{2})", lambda found: bytes((int(found[1], 16),)), token)


def make_root(bus: str) -> bytes:
    """What every subject of this bus begins with."""
    return escape(bus.encode()) + b"."


def _tokens(topic: bytes) -> list[bytes]:
    """The kind and the rest. `symbols.acknowledged.NAME` has a kind of two tokens."""
    return topic.split(b".", 2 if topic.startswith(b"symbols.") else 1)


def to_subject(root: bytes, user: bytes, topic: bytes) -> bytes:
    """The subject under which `user`, a token, publishes this topic."""
    return root + user + b"." + b".".join(map(escape, _tokens(topic)))


def to_topic(root: bytes, subject: bytes) -> bytes:
    """The topic with its zero byte; empty when this is no subject that `to_subject` makes for a topic."""
    if subject.startswith(root) and (plain := _PLAIN.fullmatch(subject, len(root))) is not None:
        return plain[1] + END if len(plain[1]) <= MAX_TOPIC_BYTES else b""
    user, _, tokens = subject.removeprefix(root).partition(b".")
    topic = b".".join(map(_unescape, tokens.split(b".")))
    if not is_topic(topic.decode("latin-1")) or to_subject(root, user, topic) != subject:
        return b""
    return topic + END


def find_user(root: bytes, subject: bytes) -> str:
    """Who has published under this subject; empty for `anyone`, whom nothing binds.

    A user in another spelling than that of `escape` keeps it, so that it is nobody.
    """
    token = subject.removeprefix(root).partition(b".")[0]
    if token == ANYONE.encode():
        return ""
    user = _unescape(token)
    return (user if escape(user) == token else token).decode("latin-1")


def to_pattern(root: bytes, prefix: bytes) -> bytes:
    """The narrowest pattern that hears every topic with this prefix; `is_exact` says whether it hears others too."""
    anyone = root + b"*."
    if prefix.endswith(END):
        return to_subject(root, b"*", prefix[:-1])
    whole = _tokens(prefix)[:-1]  # the last token may go on
    return anyone + b"".join(escape(token) + b"." for token in whole) + b">"


def is_exact(prefix: bytes) -> bool:
    """Whether the pattern of this prefix hears nothing else: a topic, a whole kind, or everything."""
    return prefix.endswith(END) or not _tokens(prefix)[-1]


def is_covered(pattern: bytes, wide: Iterable[bytes]) -> bool:
    """Whether one of `wide`, which end with `.>`, hears all that this pattern hears and is another one."""
    return any(pattern.startswith(other[:-1]) and pattern != other for other in wide)
