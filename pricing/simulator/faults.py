"""The fault plan: which faults are in force, with their values. Pure.

`fault_table.py` says which faults exist and what they mean. `exchange.py`, `connection.py` and `session.py` act on
them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass

from quotebus.pricing.simulator.fault_table import FAULTS, FRAME_FAULTS
from quotebus.pricing.simulator.fault_values import CountedValue, FaultValue, PerSymbol, to_json


@dataclass(frozen=True, slots=True)
class FaultChange:
    """What one request changed in the plan: the faults set, with their values, and the names of those lifted."""

    set: dict[str, FaultValue]
    lifted: tuple[str, ...]


class Faults:
    """The plan in force. Counted faults are used up by `take` and `take_value`.

    `frame_faults` are the faults in force that spoil data frames; faults draw from `rng`.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.frame_faults: tuple[str, ...] = ()
        self._plan: dict[str, FaultValue] = {}

    def change(self, changes: Mapping[str, object]) -> FaultChange:
        """Merge changes into the plan; false and null lift a fault. ValueError, and no change, if any is wrong."""
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
        self._plan.update((name, value) for name, value in values.items() if not _acts_at_once(name, value))
        self._find_frame_faults()
        return FaultChange(values, tuple(lifted))

    def lift_all(self) -> FaultChange:
        """Empty the plan."""
        return self.change(dict.fromkeys(FAULTS))

    def plan(self) -> dict[str, object]:
        """The faults in force, as JSON values."""
        return {name: to_json(value) for name, value in self._plan.items()}

    def value(self, name: str) -> FaultValue | None:
        """The value of a fault in force, else None."""
        return self._plan.get(name)

    def on(self, name: str) -> bool:
        """Whether a fault is in force; does not count as an occasion."""
        return name in self._plan

    def take(self, name: str) -> bool:
        """Whether a counted fault acts on this occasion, which is counted."""
        value = self._plan.get(name)
        if value is None or isinstance(value, bool) or not isinstance(value, int):
            return value is True
        if value <= 1:
            self._use_up(name)
        else:
            self._plan[name] = value - 1
        return True

    def take_counted(self, name: str) -> bool:
        """`take` for faults where true means the connections that were open, and only n means new ones."""
        return self._plan.get(name) is not True and self.take(name)

    def take_value(self, name: str) -> int | str | None:
        """The value with which a fault acts on this occasion, which is counted. None if it does not act."""
        value = self._plan.get(name)
        if isinstance(value, CountedValue):
            if value.left <= 1:
                self._use_up(name)
            else:
                self._plan[name] = value._replace(left=value.left - 1)
            return value.value
        return value if isinstance(value, int | str) else None

    def take_frame_fault(self) -> str:
        """The fault that acts on this data frame, '' for none. Of several faults, one acts at a time."""
        for name in self.frame_faults:
            if self.take(name):
                return name
        return ""

    def _use_up(self, name: str) -> None:
        del self._plan[name]
        self._find_frame_faults()

    def _find_frame_faults(self) -> None:
        self.frame_faults = tuple(name for name in FRAME_FAULTS if name in self._plan)

    def symbols(self, *names: str) -> frozenset[str]:
        """All symbols in the values of these faults."""
        found: set[str] = set()
        for name in names:
            value = self._plan.get(name)
            if isinstance(value, tuple) and not isinstance(value, CountedValue | PerSymbol):
                found.update(str(symbol) for symbol in value)
        return frozenset(found)

    def covers(self, name: str, symbol: str) -> bool:
        """Whether a fault of these symbols, or of all, is in force for this one."""
        value = self._plan.get(name)
        return value is True or (isinstance(value, tuple) and symbol in value)

    def amount(self, name: str, symbol: str) -> float:
        """What a fault with a number for each symbol says of this one; 0 if nothing."""
        value = self._plan.get(name)
        return value.numbers.get(symbol, 0.0) if isinstance(value, PerSymbol) else 0.0

    def number(self, name: str) -> float | None:
        """The value of a fault in force if it is a number, else None."""
        value = self._plan.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def draw_ns(self, name: str) -> int:
        """A delay drawn evenly between the bounds of a fault; 0 if it is not in force."""
        value = self._plan.get(name)
        if not isinstance(value, tuple) or isinstance(value, CountedValue | PerSymbol):
            return 0
        return int(self.rng.uniform(float(value[0]), float(value[1])) * 1_000_000)


class ScopedFaults:
    """The plan as one kind of connection sees it: its `cut` is `stream_cut` in the plan."""

    frame_faults: tuple[str, ...] = ()

    def __init__(self, faults: Faults, prefix: str) -> None:
        self.rng = faults.rng
        self._faults = faults
        self._prefix = prefix

    def on(self, name: str) -> bool:
        return self._faults.on(self._prefix + name)

    def take(self, name: str) -> bool:
        return self._faults.take(self._prefix + name)

    def take_counted(self, name: str) -> bool:
        return self._faults.take_counted(self._prefix + name)

    def take_value(self, name: str) -> int | str | None:
        return self._faults.take_value(self._prefix + name)

    def take_frame_fault(self) -> str:
        return ""

    def draw_ns(self, name: str) -> int:
        return self._faults.draw_ns(self._prefix + name)


def _acts_at_once(name: str, value: FaultValue) -> bool:
    return FAULTS[name].at_once or (name in ("cut", "stream_cut") and isinstance(value, str))


def parse_text(text: str) -> dict[str, object]:
    """Read a plan from text: `refuse,cut=3,mute_symbol=AAPL+MSFT` or a JSON object. ValueError if it is neither."""
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
