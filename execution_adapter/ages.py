"""Ages that a worker measured, held against each other. Pure.

A worker's age of a message is `now_ns - published_ns - d`, where d is the smallest delay it has ever seen from that
source (`bus.book`). So the ages in one decision give one d for each source, and d never rises from one decision of a
worker to its next. Which of two decisions that contradict each other is wrong, the ones after them tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from bus.events import Event, ExecutionDecision

MAX_NAMED = 100_000
_IMMEASURABLE_NS = 1 << 61
_WHOSE = {"quote_age_ns": "a quote", "health_age_ns": "a health"}


Strange = tuple[str, str, str]
"""A field, what is recorded, and what it should be."""


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

    def strange(self, delay_ns: int) -> Strange:
        """What to say when the delay should not be beyond `delay_ns`."""
        bound = "at most" if self.delay_ns < delay_ns else "at least"
        return self.name, _shown(self.age_ns, self.of.decision), f"{bound} {self.age_ns + self.delay_ns - delay_ns}"


class Falling:
    """Delays that never rise. One that does not fit is told apart from its neighbours by the next one."""

    def __init__(self) -> None:
        self._sure_ns: int | None = None
        self._newest: Aged | None = None
        self._against: Aged | None = None

    def add(self, aged: Aged) -> list[tuple[Aged, int]]:
        """Take the next; those that are wrong now that it has come, each with a delay it should not be beyond."""
        newest, against = self._newest, self._against
        if newest is None or (against is None and aged.delay_ns <= newest.delay_ns):
            self._go_on(aged)
            return []
        if against is None:
            if self._sure_ns is not None and aged.delay_ns > self._sure_ns:
                return [(aged, self._sure_ns)]
            self._against = aged
            return []
        self._against = None
        if aged.delay_ns <= newest.delay_ns:
            self._go_on(aged)
            return [(against, newest.delay_ns)]
        self._newest = against
        return [(newest, against.delay_ns), *self.add(aged)]

    def end(self) -> list[tuple[Aged, int]]:
        """What is still undecided: of two, the one that the delay before them speaks against, else the later."""
        newest, against, self._against = self._newest, self._against, None
        if newest is None or against is None:
            return []
        earlier = against.delay_ns == self._sure_ns
        return [(newest, against.delay_ns)] if earlier else [(against, newest.delay_ns)]

    def _go_on(self, aged: Aged) -> None:
        if self._newest is not None:
            self._sure_ns = self._newest.delay_ns
        self._newest = aged

    @property
    def expected_ns(self) -> int | None:
        return None if self._newest is None else self._newest.delay_ns


class Ages:
    """Every worker's delays from every source."""

    def __init__(self) -> None:
        self._delays: dict[tuple[str, str], Falling] = {}

    def judge(
        self, judged: Judged, quote: Event | None, health: Event | None
    ) -> tuple[Strange | None, list[Aged], list[tuple[Aged, int]]]:
        """What is strange in this decision alone; its ages; and the ages, of earlier decisions too, that are wrong."""
        recorded = judged.decision
        measured: list[Aged] = []
        for name, event, age_ns in (
            ("quote_age_ns", quote, recorded.quote_age_ns),
            ("health_age_ns", health, recorded.health_age_ns),
        ):
            if (event is None) != (age_ns is None):
                what = f"an age, as {_WHOSE[name]} is named" if age_ns is None else f"none, without {_WHOSE[name]}"
                return (name, _shown(age_ns, recorded), what), [], []
            if event is not None and age_ns is not None and age_ns < _IMMEASURABLE_NS:
                delay_ns = recorded.now_ns - event.published_ns - age_ns
                measured.append(Aged(judged, name, event.source, age_ns, delay_ns))
        strange = None
        if len(measured) == len(_WHOSE) and measured[0].source == measured[1].source:
            one, other = self._in_order(*measured)
            if one.delay_ns != other.delay_ns:
                should_be_ns = other.age_ns + other.delay_ns - one.delay_ns
                strange = other.name, _shown(other.age_ns, recorded), str(should_be_ns)
            measured = [one]
        return strange, measured, [wrong for aged in measured for wrong in self._add(aged)]

    def end(self) -> list[tuple[Aged, int]]:
        """Those that are wrong although nothing came after them to tell."""
        return [late for falling in self._delays.values() for late in falling.end()]

    def _in_order(self, one: Aged, other: Aged) -> tuple[Aged, Aged]:
        """The one that is nearer to what is expected first."""
        falling = self._delays.get((one.of.decision.source, one.source))
        if falling is None or falling.expected_ns is None:
            return one, other
        expected_ns = falling.expected_ns
        nearer = abs(one.delay_ns - expected_ns) <= abs(other.delay_ns - expected_ns)
        return (one, other) if nearer else (other, one)

    def _add(self, aged: Aged) -> list[tuple[Aged, int]]:
        key = (aged.of.decision.source, aged.source)
        if key not in self._delays and len(self._delays) >= MAX_NAMED:
            del self._delays[next(iter(self._delays))]
        return self._delays.setdefault(key, Falling()).add(aged)


def _shown(age_ns: int | None, decision: ExecutionDecision) -> str:
    return f"{'none' if age_ns is None else age_ns} at now_ns {decision.now_ns}"
