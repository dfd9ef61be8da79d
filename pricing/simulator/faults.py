"""The fault plan: what shall go wrong, as values. Pure; who acts on them is `server.py`, `connection.py`, `session.py`.

A plan maps fault names to values. There are three shapes of fault:

- standing: true (or a number, a status, symbols) holds until it is lifted with false or null;
- counted: an integer n hits the next n occasions and is gone then; true instead of n hits every one;
- at once: acts on the connections open at that moment.

To add a fault: one row in `FAULTS`, one question (`on`, `take`, `value`, `symbols`) where it acts.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

FaultValue = bool | int | float | str | tuple[str, ...] | tuple[float, float]


def _flag(value: object) -> FaultValue:
    if value is not True:
        raise ValueError("takes true or false")
    return True


def _times(value: object) -> FaultValue:
    if value is True:
        return True
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise ValueError("takes true, false or how many times")
    return value


def _cut(value: object) -> FaultValue:
    if value is True:
        return "rst"
    if isinstance(value, str):
        if value not in ("rst", "fin"):
            raise ValueError("takes rst, fin or how many connections")
        return value
    return _times(value)


def _symbols(value: object) -> FaultValue:
    names = value.split("+") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or len(names) > 10_000:
        raise ValueError("takes a symbol or a list of symbols")
    if not all(isinstance(name, str) and 0 < len(name) <= 32 for name in names):
        raise ValueError("takes a symbol or a list of symbols")
    return tuple(str(name) for name in names)


def _status(value: object) -> FaultValue:
    if isinstance(value, bool) or not isinstance(value, int) or not 300 <= value <= 599:
        raise ValueError("takes an HTTP status from 300 to 599")
    return value


def _seconds(value: object) -> FaultValue:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise ValueError("takes seconds")
    return value


def _milliseconds(value: object) -> FaultValue:
    bounds = value if isinstance(value, list | tuple) else (value, value)
    if len(bounds) != 2 or any(isinstance(b, bool) or not isinstance(b, int | float) for b in bounds):
        raise ValueError("takes milliseconds, or [least, most]")
    least, most = float(bounds[0]), float(bounds[1])
    if not (math.isfinite(least) and 0 <= least <= most <= 600_000):
        raise ValueError("takes milliseconds, or [least, most]")
    return (least, most)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that the simulator knows: how its value is read (ValueError if it cannot be) and what it does."""

    name: str
    read: Callable[[object], FaultValue]
    meaning: str


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("refuse", _flag, "standing: TCP connects are refused; open connections live on"),
        Fault("silent", _times, "counted: TCP is accepted, the HTTP upgrade never answered; lifted: it is answered"),
        Fault("http_status", _status, "standing: the HTTP upgrade is answered with this status"),
        Fault("retry_after_s", _seconds, "standing: the Retry-After header that goes with http_status"),
        Fault("no_greeting", _times, "counted: no 'connected' after the upgrade"),
        Fault("auth_fail", _times, "counted: every key is answered with 402"),
        Fault("close_after_auth", _times, "counted: closed (FIN) right after 'authenticated'"),
        Fault("drop_ack", _times, "counted: subscribe and unsubscribe take effect, but are not acknowledged"),
        Fault("ack_missing", _symbols, "standing: these symbols are left out of acknowledgements and do not tick"),
        Fault("mute", _flag, "standing: no data; pings, requests and injected quotes still work"),
        Fault("mute_symbol", _symbols, "standing: these symbols do not tick"),
        Fault("latency_ms", _milliseconds, "standing: everything is sent this much later, order kept"),
        Fault("half_open", _times, "true: open connections get no byte, what they send is not read; "
              "n: so do the next n connections after their first acknowledgement; lifted: they go on"),
        Fault("half_open_new", _flag, "standing: new connections go half-open after their first acknowledgement"),
        Fault("half_frame", _times, "as half_open, but with the first half of a data frame sent before"),
        Fault("cut", _cut, "rst or fin: ends all connections at once; "
              "n: the next n connections are reset after their first data frame"),
    )
}  # fmt: skip
ACTS_AT_ONCE = {"rst", "fin"}


@dataclass(frozen=True, slots=True)
class Change:
    """What one request did to the plan: faults set now, with their values, and names lifted."""

    set: dict[str, FaultValue]
    lifted: tuple[str, ...]


class Faults:
    """The plan in force. Counted faults are used up by `take`."""

    def __init__(self, rng: random.Random) -> None:
        self._plan: dict[str, FaultValue] = {}
        self._rng = rng

    def change(self, changes: Mapping[str, object]) -> Change:
        """Merge changes into the plan; false and null lift. ValueError, and nothing changed, if any is wrong."""
        values: dict[str, FaultValue] = {}
        lifted: list[str] = []
        for name, value in changes.items():
            if name not in FAULTS:
                raise ValueError(f"no such fault: {name[:40]}")
            if value is None or value is False:
                lifted.append(name)
                continue
            try:
                values[name] = FAULTS[name].read(value)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        for name in lifted:
            self._plan.pop(name, None)
        self._plan.update((name, value) for name, value in values.items() if value not in ACTS_AT_ONCE)
        return Change(values, tuple(lifted))

    def lift_all(self) -> Change:
        """Empty the plan."""
        return self.change(dict.fromkeys(FAULTS))

    def plan(self) -> dict[str, FaultValue]:
        """A copy of what is in force, for display."""
        return dict(self._plan)

    def value(self, name: str) -> FaultValue | None:
        """The value of a fault in force, else None."""
        return self._plan.get(name)

    def on(self, name: str) -> bool:
        """Whether a fault is in force; uses nothing up."""
        return name in self._plan

    def take(self, name: str) -> bool:
        """Whether a counted fault hits this occasion; uses one up."""
        value = self._plan.get(name)
        if value is None or isinstance(value, bool) or not isinstance(value, int):
            return value is True
        if value <= 1:
            del self._plan[name]
        else:
            self._plan[name] = value - 1
        return True

    def take_counted(self, name: str) -> bool:
        """`take` for faults where true means the connections open when it was set, and only n means coming ones."""
        return self._plan.get(name) is not True and self.take(name)

    def symbols(self, *names: str) -> frozenset[str]:
        """All symbols that these faults name."""
        found: set[str] = set()
        for name in names:
            value = self._plan.get(name)
            if isinstance(value, tuple):
                found.update(str(symbol) for symbol in value)
        return frozenset(found)

    def latency_ns(self) -> int:
        """How much later the next bytes go out; drawn evenly between the bounds."""
        value = self._plan.get("latency_ms")
        if not isinstance(value, tuple):
            return 0
        return int(self._rng.uniform(float(value[0]), float(value[1])) * 1_000_000)


def parse_text(text: str) -> dict[str, object]:
    """A plan as given on the command line: `refuse,cut=3,mute_symbol=AAPL+MSFT` or a JSON object; else ValueError."""
    text = text.strip()
    if text.startswith("{"):
        try:
            changes = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("not a JSON object") from None
    else:
        changes = dict(_pair(word.strip()) for word in text.split(",") if word.strip())
    Faults(random.Random(0)).change(changes)
    return dict(changes)


def _pair(word: str) -> tuple[str, object]:
    name, equals, value = word.partition("=")
    if not equals:
        return name, True
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value
