"""A day reduced to what a page can show: columns that keep extremes, histograms on a logarithmic scale. Pure."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from math import floor, isnan, log10, nan


@dataclass(frozen=True, slots=True)
class Columns:
    """A span of time divided into the columns of a picture."""

    begin_ns: int
    end_ns: int
    count: int

    @property
    def width_ns(self) -> int:
        return max(1, -(-(self.end_ns - self.begin_ns + 1) // self.count))

    def of(self, at_ns: int) -> int:
        """The column of an instant; the nearest one outside the span."""
        return min(max((at_ns - self.begin_ns) // self.width_ns, 0), self.count - 1)

    def position(self, at_ns: int) -> float:
        """Where an instant is, in columns from the left."""
        return min(max((at_ns - self.begin_ns) / self.width_ns, 0.0), float(self.count))


class Extremes:
    """Lowest, highest and last value of each column, so that no peak is lost."""

    def __init__(self, count: int) -> None:
        self.low = array("d", [nan]) * count
        self.high = array("d", [nan]) * count
        self.last = array("d", [nan]) * count

    def add(self, column: int, value: float) -> None:
        if not self.low[column] <= value:  # also the first, since nothing compares with NaN
            self.low[column] = value
        if not self.high[column] >= value:
            self.high[column] = value
        self.last[column] = value

    def range(self, spare: float) -> tuple[float, float] | None:
        """Lowest and highest value, without the share `spare` of columns at either end; None without a value."""
        lows = sorted(value for value in self.low if not isnan(value))
        highs = sorted(value for value in self.high if not isnan(value))
        if not lows:
            return None
        left_out = int(len(lows) * spare)
        return lows[left_out], highs[len(highs) - 1 - left_out]


STEPS_PER_DECADE = 8


class LogHistogram:
    """Counts of positive values in logarithmic steps; values that are not above 0 are counted separately."""

    def __init__(self) -> None:
        self.steps: Counter[int] = Counter()
        self.not_positive = 0
        self.total = 0
        self.highest = 0.0

    def add(self, value: float) -> None:
        self.total += 1
        if value > 0:
            self.steps[floor(log10(value) * STEPS_PER_DECADE)] += 1
            self.highest = max(self.highest, value)
        else:
            self.not_positive += 1

    def quantile(self, share: float) -> float | None:
        """The upper edge of the step that holds the value at this share: at most a third too high."""
        wanted = share * self.total
        seen = self.not_positive
        if not self.total or seen >= wanted > 0:
            return 0.0 if self.total else None
        for step in sorted(self.steps):
            seen += self.steps[step]
            if seen >= wanted:
                return min(find_edge(step + 1), self.highest)
        return self.highest


def find_edge(step: int) -> float:
    """The lower edge of a step."""
    return float(10 ** (step / STEPS_PER_DECADE))
