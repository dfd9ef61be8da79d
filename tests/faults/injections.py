"""How each row of the fault table is made to happen: a plan of the simulator, a control call, a setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgpack

from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.pricing.simulator.control import SimulatorControl

Act = Callable[[SimulatorControl], object]
SYMBOL = "SPY"
OTHER = "QQQ"
NEWCOMER = "NEWB"
QUIET_S = 1.0
RATE = 200
"""Quotes per second over all symbols."""
DEAD = "http://127.0.0.1:9"
"""Nothing listens on the port `discard`."""


def _nothing(_: SimulatorControl) -> None:
    """The plan is all there is to it."""


@dataclass(frozen=True)
class Injection:
    """One way to bring a fault about.

    `live`: on a streaming line; else before the node dials. `plan`: faults of the simulator. `act` and `undo`: what is
    done besides, and `ready` what has to have happened before. `newcomer`: a symbol that is asked for while the plan is
    in force, and which the answer is about. `upstream`: plain, tls, tls both (the node trusts both certificates),
    nowhere (no such name), or a server that is rude, violent or other in the upgrade. `settings`: the node's
    environment. `spoils`: the node is not fit for the next fault. `prompt_s`: how old a quote may be when it is
    published after five seconds of it. `streams_s`: how long the line has to stream before, so that the node knows its
    symbols' rates.
    """

    plan: dict[str, Any] = field(default_factory=dict)
    live: bool = True
    ready: Act = _nothing
    act: Act = _nothing
    undo: Act = _nothing
    symbol: str = SYMBOL
    newcomer: bool = False
    upstream: str = "plain"
    settings: dict[str, str] = field(default_factory=dict)
    label: str = ""
    slow: bool = False
    recovers: bool = True
    spoils: bool = False
    prompt_s: float = 0.0
    streams_s: float = 0.0


def dial(label: str = "", **plan: Any) -> Injection:
    return Injection(plan, live=False, label=label)


def slow(label: str = "", **plan: Any) -> Injection:
    return Injection(plan, live=False, label=label, slow=True)


def live(label: str = "", **plan: Any) -> Injection:
    return Injection(plan, label=label)


def asked(**plan: Any) -> Injection:
    return Injection(plan, newcomer=True, symbol=NEWCOMER)


def record(fault: str) -> tuple[Injection, ...]:
    return (live(**{fault: SYMBOL}),)


def trading(what: str, symbol: str, label: str) -> Injection:
    """`what` is one of the control endpoint's words for a status."""
    return Injection(
        act=lambda control: getattr(control, what)(symbol),
        undo=lambda control: control.resume(symbol),
        symbol=symbol,
        label=label,
    )


def _bands(low: float, high: float) -> bytes:
    """A record of price bands given just now."""
    seconds, nanoseconds = divmod(utc_ns(), NS_PER_S)
    at = msgpack.Timestamp(seconds, nanoseconds)
    packed: bytes = msgpack.packb([{"T": "l", "S": SYMBOL, "u": high, "d": low, "i": "B", "z": "B", "t": at}])
    return packed


def _steady(control: SimulatorControl) -> None:
    """A price that is known before the fault."""
    control.faults(mute_symbol=SYMBOL)
    control.quote(SYMBOL, 100.0, 100.01)
    control.quote(SYMBOL, 100.0, 100.01)


def _jump(control: SimulatorControl) -> None:
    control.quote(SYMBOL, 200.0, 200.01)


def _stand_still(control: SimulatorControl) -> None:
    control.rate(1e-6)


def _go_on(control: SimulatorControl) -> None:
    control.rate(RATE)


def _beyond_band(control: SimulatorControl) -> None:
    control.raw(_bands(90.0, 105.0))
    control.quote(SYMBOL, 106.0, 106.01)


def _wide_bands(control: SimulatorControl) -> None:
    control.raw(_bands(1.0, 1e6))


_MUTE = {"PRICING_QUIET_S": str(QUIET_S)}
INJECTIONS: dict[str, tuple[Injection, ...]] = {
    "code 400": (asked(subscribe_error=[400, 1]),),
    "code 401": (live(error=401),),
    "code 402": (dial("every key", auth_fail=True), dial("once, open", auth_error=402)),
    "code 403": (live(error=403),),
    "code 404": (dial(auth_error=404),),
    "code 405": (asked(symbol_limit=2), dial("nothing fits", subscribe_error=405)),
    "code 406": (dial(auth_error=406),),
    "code 407": (live(slow_client=True),),
    "code 408": (dial(auth_error=408),),
    "code 409": (dial(auth_error=409),),
    "code 410": (asked(subscribe_error=[410, 1]),),
    "code 411": (dial(auth_error=411),),
    "code 500": (live(error=500), live("and closed", close_after_error=1, error=500), dial("at auth", auth_error=500)),
    "code 4xx unknown": (asked(subscribe_error=[413, 1]),),
    "code unknown": (live(error=599), dial("at auth", auth_error=501)),
    "http 3xx": (dial("302", http_status=302),),
    "http 4xx": (dial("401", http_status=401), dial("403", http_status=403), dial("404", http_status=404)),
    "http 429": (dial(http_status=429), dial("Retry-After 40", http_status=429, retry_after_s=40)),
    "http 5xx": (dial("500", http_status=500), dial("503", http_status=503)),
    "no such name": (Injection(live=False, upstream="nowhere", recovers=False),),
    "refused": (dial(refuse=True),),
    "black hole": (slow(black_hole=True),),
    "silent handshake": (slow(silent=True),),
    "tls": (
        Injection({"tls_wrong": True}, live=False, upstream="tls", label="unknown authority"),
        Injection({"tls_wrong": True}, live=False, upstream="tls both", label="wrong host"),
        Injection({"tls_1_0": True}, live=False, upstream="tls", label="TLS 1.0"),
    ),
    "endless headers": (dial(long_header=True),),
    "closed in the upgrade": (Injection(live=False, upstream="rude", recovers=False),),
    "dial limit": (Injection(live=False, recovers=False, settings={"PRICING_DIAL_LIMIT": "2"}),),
    "reset in the upgrade": (
        Injection(live=False, upstream="violent", recovers=False),
        dial("as soon as TCP is accepted", reset=True),
    ),
    "no upgrade": (Injection(live=False, upstream="other", recovers=False),),
    "no greeting": (slow(no_greeting=True),),
    "no answer to auth": (slow(drop_auth=True),),
    "closed after auth": (dial(close_after_auth=True),),
    "closed after auth, repeatedly": (slow(close_after_auth=True),),
    "no acknowledgement": (slow(drop_ack=True),),
    "late acknowledgement": (dial(late_ack_ms=2000), asked(late_ack_ms=2000)),
    "acknowledgement lacks a symbol": (
        Injection({"ack_missing": NEWCOMER}, newcomer=True, symbol=NEWCOMER, slow=True),
    ),
    "acknowledgement has one more": (Injection({"ack_extra": "EXTRA"}, newcomer=True, symbol=NEWCOMER),),
    "close frame": tuple(live(str(code), close_code=code) for code in (1000, 1001, 1011)),
    "illegal close frame": (live(close_code=999),),
    "reset": (live(cut="rst"),),
    "closed": (live(cut="fin"),),
    "reset in a frame": (live(cut_mid_frame=["rst", 1]),),
    "closed in a frame": (live(cut_mid_frame=["fin", 1]),),
    "half a frame": (live(half_frame=True),),
    "half-open": (live(half_open=True), dial("a new line", half_open_new=True)),
    "mute": (Injection({"mute": True}, streams_s=5.0, slow=True),),
    "quiet market": (Injection(act=_stand_still, undo=_go_on, settings=_MUTE),),
    "no pongs": (dial(no_pong=True),),
    "one symbol mute": (Injection({"mute_symbol": SYMBOL}, settings=_MUTE),),
    "latency": (Injection({"latency_ms": 2400}, slow=True),),
    "narrow line": (Injection({"throttle_bytes_s": 3000}, slow=True),),
    "drop by drop": (Injection({"slicer_ms": 4}, slow=True),),
    "jitter": (live(latency_ms=[100, 900]),),
    "flood": (Injection({"flood": 50}, prompt_s=0.25),),
    "unreadable frame": (live("garbage", garbage=1), live("no UTF-8", bad_utf8=1)),
    "unreadable frames": (live("garbage", garbage=True), live("no UTF-8", bad_utf8=True)),
    "swapped opcode": (live(swapped_opcode=True),),
    "wrong opcode": (live(wrong_opcode=1),),
    "reserved bits": (live(reserved_bits=1),),
    "masked frame": (live(masked=1),),
    "huge frame": (live(huge_frame=1),),
    "endless fragments": (live(huge_message=1),),
    "wrong types": record("wrong_types"),
    "wrong extras": record("wrong_extras"),
    "missing fields": record("missing_fields"),
    "duplicate keys": record("duplicate_keys"),
    "unknown type": record("unknown_type"),
    "not a number": record("nan"),
    "infinite": record("infinite"),
    "huge price": record("huge_price"),
    "negative": record("negative"),
    "zero bid": record("zero_bid"),
    "size 0": record("size_zero"),
    "crossed": record("crossed"),
    "locked": record("locked"),
    "jump": (Injection(ready=_steady, act=_jump),),
    "repeated time": record("repeat_time"),
    "backward time": record("backward_time"),
    "clock ahead": (Injection({"skew_ms": 300_000}, spoils=True),),
    "clock steps back": (Injection({"skew_ms": -300_000}, spoils=True),),
    "clock behind": (Injection({"skew_ms": -300_000}, live=False, spoils=True),),
    "halt": (trading("halt", "SPY", "tape B"), trading("halt", "QQQ", "tape C")),
    "pause": (trading("pause", "QQQ", "tape C"), trading("pause", "SPY", "tape B")),
    "outside the band": (Injection(ready=_steady, act=_beyond_band, undo=_wide_bands),),
    "proxy variables": (
        Injection(
            live=False,
            settings={
                name: DEAD for base in ("http", "https", "all") for name in (f"{base}_proxy", f"{base}_PROXY".upper())
            },
        ),
    ),
}
