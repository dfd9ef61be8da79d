"""Ages that a worker measured, checked against each other. Pure.

A worker's age of a message is `now_ns - published_ns - d`, where d is the smallest delay it has ever seen from that
source (`bus.book`). So the ages in one decision give one d per source, and d never rises from one decision of a worker
to the next. When two decisions contradict each other, the ones after them show which is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from quotebus.bus.events import Event, ExecutionDecision
from quotebus.execution_adapter.verify.history import Contradiction

MAX_NAMED = 100_000
WINDOW = 12
"""Of this many decisions, fewer than half may be wrong without others being blamed."""
_IMMEASURABLE_NS = 1 << 61
_WHOSE = {"quote_age_ns": "a quote", "health_age_ns": "a health"}


@dataclass(slots=True)
class Judged:
    """A decision; `agreed` is set when everything else about it came out the same."""

    sequence: int
    decision: ExecutionDecision
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Aged:
    """The age of a message in a decision, and the delay from its source that follows from it."""

    of: Judged
    name: str
    source: str
    age_ns: int
    delay_ns: int

    def contradict(self, delay_ns: int) -> Contradiction:
        """The contradiction to report when the delay should not be beyond `delay_ns`."""
        bound = "at most" if self.delay_ns < delay_ns else "at least"
        return (
            self.name,
            _format_age(self.age_ns, self.of.decision),
            f"{bound} {self.age_ns + self.delay_ns - delay_ns}",
        )


class Falling:
    """Delays that never rise. When some do not fit, WINDOW more of them show which are wrong."""

    def __init__(self) -> None:
        self._newest: list[Aged] = []
        self._disputed = 0

    @property
    def expected_ns(self) -> int | None:
        """The median of the newest."""
        return sorted(aged.delay_ns for aged in self._newest)[len(self._newest) // 2] if self._newest else None

    def add(self, aged: Aged) -> list[tuple[Aged, int]]:
        """Take the next; returns those now known to be wrong, each with the delay that it should not be beyond."""
        newest = self._newest
        rises = bool(newest) and aged.delay_ns > newest[-1].delay_ns
        newest.append(aged)
        if rises or self._disputed:
            self._disputed += 1
            return self.end() if self._disputed >= WINDOW else []
        if len(newest) > WINDOW:
            del newest[0]
        return []

    def end(self) -> list[tuple[Aged, int]]:
        """Decide with what there is: the smallest set that explains the contradiction is wrong."""
        if not self._disputed:
            return []
        right = _longest_falling([aged.delay_ns for aged in self._newest])
        wrong = [
            (aged, self._newest[_nearest(right, number)].delay_ns)
            for number, aged in enumerate(self._newest)
            if number not in right
        ]
        self._newest = [self._newest[place] for place in right][-WINDOW:]
        self._disputed = 0
        return wrong


def _nearest(places: list[int], number: int) -> int:
    return min(places, key=lambda place: abs(place - number))


def _longest_falling(delays_ns: list[int]) -> list[int]:
    """Indices of the longest series that never rises; of several, the one that falls least often, as is usual."""

    def merit(series: list[int]) -> tuple[int, int]:
        return len(series), -len({delays_ns[place] for place in series})

    best: list[list[int]] = []
    for place, delay_ns in enumerate(delays_ns):
        before = [series for series in best if delays_ns[series[-1]] >= delay_ns]
        best.append([*max(before, key=merit, default=[]), place])
    return max(best, key=merit)


class Ages:
    """Every worker's delays from every source."""

    def __init__(self) -> None:
        self._delays: dict[tuple[str, str], Falling] = {}

    def judge(
        self, judged: Judged, quote: Event | None, health: Event | None
    ) -> tuple[Contradiction | None, list[Aged], list[tuple[Aged, int]]]:
        """The contradiction within this decision, if any; its ages; and the ages now known to be wrong.

        The last may belong to earlier decisions.
        """
        recorded = judged.decision
        measured: list[Aged] = []
        for name, event, age_ns in (
            ("quote_age_ns", quote, recorded.quote_age_ns),
            ("health_age_ns", health, recorded.health_age_ns),
        ):
            if (event is None) != (age_ns is None):
                whose = _WHOSE[name]
                what = f"an age, since {whose} is named" if age_ns is None else f"none, since no {whose[2:]} is named"
                return (name, _format_age(age_ns, recorded), what), [], []
            if event is not None and age_ns is not None and age_ns < _IMMEASURABLE_NS:
                delay_ns = recorded.now_ns - event.published_ns - age_ns
                measured.append(Aged(judged, name, event.source, age_ns, delay_ns))
        contradiction = None
        if len(measured) == len(_WHOSE) and measured[0].source == measured[1].source:
            one, other = self._in_order(*measured)
            if one.delay_ns != other.delay_ns:
                should_be_ns = other.age_ns + other.delay_ns - one.delay_ns
                contradiction = other.name, _format_age(other.age_ns, recorded), str(should_be_ns)
            measured = [one]
        return contradiction, measured, [wrong for aged in measured for wrong in self._add(aged)]

    def forget(self, worker: str) -> list[tuple[Aged, int]]:
        """A worker restarted under its name; returns what was still to be decided about the former one."""
        keys = [key for key in self._delays if key[0] == worker]
        return [late for key in keys for late in self._delays.pop(key).end()]

    def end(self) -> list[tuple[Aged, int]]:
        """Decide with what there is: the smallest set that explains the contradiction is wrong."""
        return [late for falling in self._delays.values() for late in falling.end()]

    def _in_order(self, one: Aged, other: Aged) -> tuple[Aged, Aged]:
        """The two, the one nearer to the expected delay first."""
        falling = self._delays.get((one.of.decision.source, one.source))
        expected_ns = falling.expected_ns if falling is not None else None
        if expected_ns is None:
            return one, other
        nearer = abs(one.delay_ns - expected_ns) <= abs(other.delay_ns - expected_ns)
        return (one, other) if nearer else (other, one)

    def _add(self, aged: Aged) -> list[tuple[Aged, int]]:
        key = (aged.of.decision.source, aged.source)
        if key not in self._delays and len(self._delays) >= MAX_NAMED:
            del self._delays[next(iter(self._delays))]
        return self._delays.setdefault(key, Falling()).add(aged)


def _format_age(age_ns: int | None, decision: ExecutionDecision) -> str:
    return f"{'none' if age_ns is None else age_ns} at now_ns {decision.now_ns}"
