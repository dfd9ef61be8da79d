"""The upstream's messages, both encodings: Alpaca's real-time stock data protocol. Pure.

Every frame is an array of records that name their type in `T`. A record that cannot be read costs only itself: the
whole frame is decoded at once into typed values, and record by record only when that fails. A record that fails is read
once more without the fields that nothing here needs: null or a wrong type there is as if the field were missing, so
that a broken condition code does not take a good price with it. Times are RFC 3339 strings in JSON and the timestamp
extension in MessagePack. msgspec would round the latter to microseconds, so both are kept raw and parsed here to the
nanosecond.
"""

from __future__ import annotations

import calendar
import re
import struct
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct, field

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.errors import QuotebusError


class UpstreamQuote(Struct, tag_field="T", tag="q", gc=False):
    """A quote: bid and ask price and size, their exchanges `bx` and `ax`, conditions `c`, tape `z`. `t` is raw."""

    S: str
    t: Raw
    bp: float
    ap: float
    bs: float = 0.0
    as_: float = field(name="as", default=0.0)
    bx: str = ""
    ax: str = ""
    c: tuple[str, ...] = ()
    z: str = ""


class UpstreamTrade(Struct, tag_field="T", tag="t", gc=False):
    """A trade: price, size, id, exchange `x`, conditions `c`, tape `z`. `t` is raw."""

    S: str
    t: Raw
    p: float
    s: float
    i: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] = 0
    x: str = ""
    c: tuple[str, ...] = ()
    z: str = ""


class UpstreamStatus(Struct, tag_field="T", tag="s"):
    """A trading status. `sc` is its code, whose meaning depends on the tape `z`; `rc` is the reason code."""

    S: str
    t: Raw
    sc: str
    sm: str = ""
    rc: str = ""
    rm: str = ""
    z: str = ""


class UpstreamBands(Struct, tag_field="T", tag="l"):
    """Limit up (`u`) and limit down (`d`)."""

    S: str
    t: Raw
    u: float
    d: float
    i: str = ""
    z: str = ""


class Success(Struct, tag_field="T", tag="success"):
    """`connected` after the upgrade, `authenticated` after the credentials."""

    msg: str


class UpstreamError(Struct, tag_field="T", tag="error"):
    """An error. Only `code` decides what it means: see `faults.py`."""

    code: int
    msg: str = ""


class Subscription(Struct, tag_field="T", tag="subscription"):
    """The answer to every subscribe and unsubscribe: the entire subscribed set, not the change."""

    trades: tuple[str, ...] = ()
    quotes: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    lulds: tuple[str, ...] = ()


class Correction(Struct, tag_field="T", tag="c"):
    """A trade correction; only counted."""

    S: str = ""


class CancelError(Struct, tag_field="T", tag="x"):
    """A cancelled or erroneous trade; only counted."""

    S: str = ""


class _Kind(Struct):
    T: str = ""


class _Name(Struct):
    S: str = ""


Record: TypeAlias = (
    UpstreamQuote
    | UpstreamTrade
    | UpstreamStatus
    | UpstreamBands
    | Success
    | UpstreamError
    | Subscription
    | Correction
    | CancelError
)
_TYPES: dict[str, type[Struct]] = {
    "q": UpstreamQuote,
    "t": UpstreamTrade,
    "s": UpstreamStatus,
    "l": UpstreamBands,
    "c": Correction,
    "x": CancelError,
    "success": Success,
    "error": UpstreamError,
    "subscription": Subscription,
}
_SIZES = frozenset({"bs", "as", "s"})
"""Needed for a price to be judged, although a record without them is read: null there is no size of 0."""
_ARRAYS_NEEDED = (Subscription,)
"""Types in which only null may be left out: a list that is no list is not an empty set of subscriptions."""
_RFC3339 = re.compile(r'"?(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z"?\Z')
_MAX_NS = 2**63 - 1
_TIMESTAMP_64 = struct.Struct(">HQ").unpack
_TIMESTAMP_96 = struct.Struct(">xxxIq").unpack


class UnreadableRecord(Struct):
    """A record that was dropped. `kind` is its counter; `symbol` is set where it could still be read."""

    kind: str
    symbol: str = ""


class UnreadableFrame(QuotebusError):
    """A frame that is not an array of maps."""


def parse_msgpack_time_ns(raw: Raw) -> int:
    """UTC nanoseconds of a MessagePack timestamp extension (32, 64 or 96 bit), 1970 to 2262. Raises ValueError."""
    try:
        head, value = _TIMESTAMP_64(raw)
    except struct.error:
        return _parse_rare_msgpack_time_ns(bytes(raw))
    at_ns: int = (value & 0x3_FFFF_FFFF) * NS_PER_S + (value >> 34)
    if head != 0xD7FF or at_ns > _MAX_NS:
        raise ValueError("not a timestamp")
    return at_ns


def _parse_rare_msgpack_time_ns(raw: bytes) -> int:
    if len(raw) == 6 and raw[:2] == b"\xd6\xff":
        return int.from_bytes(raw[2:]) * NS_PER_S
    if len(raw) == 15 and raw[:3] == b"\xc7\x0c\xff":
        nanos, whole = _TIMESTAMP_96(raw)
        return _check_range(int(whole) * NS_PER_S + int(nanos))
    raise ValueError("not a timestamp")


def parse_json_time_ns(raw: Raw) -> int:
    """UTC nanoseconds of an RFC 3339 string that ends in Z, 1970 to 2262. Raises ValueError."""
    match = _RFC3339.match(bytes(raw).decode("ascii", "replace"))
    if match is None:
        raise ValueError("not a timestamp")
    *date, fraction = match.groups()
    whole = calendar.timegm(tuple(map(int, date)))
    return _check_range(whole * NS_PER_S + int((fraction or "0").ljust(9, "0")))


def _check_range(at_ns: int) -> int:
    if not 0 <= at_ns <= _MAX_NS:
        raise ValueError("outside 1970 to 2262")
    return at_ns


class UpstreamCodec:
    """JSON or MessagePack, chosen by the handshake's Content-Type."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.binary = encoding == "msgpack"
        if self.binary:
            self.time_ns = parse_msgpack_time_ns
            self._encode: Any = msgspec.msgpack.Encoder().encode
            make: Any = msgspec.msgpack.Decoder
        else:
            self.time_ns = parse_json_time_ns
            self._encode = msgspec.json.Encoder().encode
            make = msgspec.json.Decoder
        self._frame = make(list[Record]).decode
        self._raws = make(list[Raw]).decode
        self._record = make(Record).decode
        self._kind = make(_Kind).decode
        self._name = make(_Name).decode
        self._map = make(dict[str, Raw]).decode
        self._null = self._encode(None)
        self._optional = {
            kind: {
                part.encode_name: make(part.type).decode
                for part in msgspec.structs.fields(record)
                if not part.required and part.encode_name not in _SIZES
            }
            for kind, record in _TYPES.items()
        }

    def encode(self, message: dict[str, Any]) -> bytes:
        """Encode a message of ours, such as `{"action": "subscribe", "quotes": [...]}`."""
        encoded: bytes = self._encode(message)
        return encoded

    def decode(self, frame: bytes) -> list[Record]:
        """All records of a frame. Raises msgspec.MsgspecError when any of them cannot be read: then use `salvage`."""
        records: list[Record] = self._frame(frame)
        return records

    def salvage(self, frame: bytes) -> list[Record | UnreadableRecord]:
        """The records of a frame in which some cannot be read. Raises UnreadableFrame."""
        try:
            raws = self._raws(frame)
        except DECODE_ERRORS as error:
            raise UnreadableFrame(str(error)[:120]) from None
        return [self._one(raw) for raw in raws]

    def _one(self, raw: Raw) -> Record | UnreadableRecord:
        try:
            record: Record = self._record(raw)
        except DECODE_ERRORS:
            return self._one_without(raw)
        return record

    def _one_without(self, raw: Raw) -> Record | UnreadableRecord:
        """A record that could not be read as it is: without the fields that are null or wrong and not needed."""
        try:
            kind = self._kind(raw).T
        except DECODE_ERRORS:
            return UnreadableRecord("bad_record")
        if kind not in _TYPES:
            return UnreadableRecord("unknown_type")
        try:
            fields = self._map(raw)
            for name, read in self._optional[kind].items():
                if name in fields and self._may_be_left_out(fields[name], read, kind):
                    del fields[name]
            record: Record = self._record(self._encode(fields))
        except DECODE_ERRORS:
            return self._unreadable(raw, kind)
        return record

    def _may_be_left_out(self, value: Raw, read: Callable[[Raw], object], kind: str) -> bool:
        if bytes(value) == self._null:
            return True
        if _TYPES[kind] in _ARRAYS_NEEDED:
            return False
        try:
            read(value)
        except DECODE_ERRORS:
            return True
        return False

    def _unreadable(self, raw: Raw, kind: str) -> UnreadableRecord:
        """The symbol is named where it can be read: its last quote may be outdated."""
        if kind != "q":
            return UnreadableRecord("bad_record")
        try:
            return UnreadableRecord("bad_record", self._name(raw).S)
        except DECODE_ERRORS:
            return UnreadableRecord("bad_record")


class Halt(Struct, frozen=True):
    """What a trading status means for orders: whether trading is halted, and whether that is a volatility pause."""

    halted: bool
    paused: bool = False


_HALT, _PAUSE, _RESUME = Halt(halted=True), Halt(halted=True, paused=True), Halt(halted=False)
_CTS = {"2": _HALT, "3": _RESUME, "5": _HALT}
"""Tapes A and B: 2 halt, 3 resume. 5 is a price indication: trading has not resumed yet."""
_UTP = {"H": _HALT, "P": _PAUSE, "Q": _HALT, "T": _RESUME}
"""Tapes C and O: H halt, P volatility pause, T trading resumes. Q resumes quoting alone: trading is halted still."""
_CODES = {"A": _CTS, "B": _CTS, "C": _UTP, "O": _UTP}
_ON_OTHER_TAPES = {code: halt for table in (_CTS, _UTP) for code, halt in table.items() if halt.halted}
"""Of a tape that is not known, a halt counts and a resumption does not."""
_PAUSE_REASONS = frozenset({"M", "LUDP", "LUDS"})
"""Limit-up limit-down reasons: on tapes A and B a pause is a halt with one of these, and on C it may be."""


def read_halt(status: UpstreamStatus) -> Halt | None:
    """What a status says about trading; None for one that does not concern it, such as an imbalance."""
    halt = _CODES.get(status.z, _ON_OTHER_TAPES).get(status.sc)
    if halt is not None and halt.halted and status.rc in _PAUSE_REASONS:
        return _PAUSE
    return halt
