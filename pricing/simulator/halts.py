"""Which symbols the exchange has halted, now and before: its own truth, whoever was told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from quotebus.pricing.simulator.records import TradingStatus

HALTING = ("2", "H", "P")
RESUMING = ("3", "T")
MOST_PAST = 100_000


@dataclass(slots=True)
class PastHalt:
    """A halt, in UTC nanoseconds. `ended_ns` is None while it lasts."""

    symbol: str
    began_ns: int
    ended_ns: int | None = None


class HaltHistory:
    """Takes every status that the exchange gives. `halted`: the symbols that are halted now."""

    def __init__(self) -> None:
        self.halted: dict[str, PastHalt] = {}
        self.past: list[PastHalt] = []

    def on_status(self, status: TradingStatus, utc_ns: int) -> str:
        """Note a status; what has begun by it, `halt` or `resume`, or nothing."""
        if status.code in HALTING and status.symbol not in self.halted:
            halt = self.halted[status.symbol] = PastHalt(status.symbol, utc_ns)
            self.past.append(halt)
            del self.past[: len(self.past) - MOST_PAST]
            return "halt"
        if status.code in RESUMING and (over := self.halted.pop(status.symbol, None)) is not None:
            over.ended_ns = utc_ns
            return "resume"
        return ""

    def listing(self) -> list[dict[str, object]]:
        """All halts, the oldest first, for display."""
        return [{"symbol": halt.symbol, "began_ns": halt.began_ns, "ended_ns": halt.ended_ns} for halt in self.past]
