"""The execution worker in a replay, as a program: sockets and printing around `replay_decisions`."""

from __future__ import annotations

import threading
from collections.abc import Callable

from quotebus.bus.book import Verdict
from quotebus.bus.clock import now_ns
from quotebus.bus.events import ExecutionDecision
from quotebus.bus.replay_scheduler import ReplayScheduler
from quotebus.bus.transport.replay_sockets import follow
from quotebus.execution_adapter.replay_decisions import StreamWorker
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.worker import HealthPrinter, format_decision


class ReplayWorker:
    """Decides at instants of the stream. `say` prints a line."""

    def __init__(self, settings: ExecutionSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._stopping = threading.Event()
        self._health = HealthPrinter(say)
        self._worker = StreamWorker(settings, self._show)
        self._scheduler = ReplayScheduler(self._worker.consumer, self._worker.interval_ns, self._worker.act)

    def stop(self) -> None:
        """End `run`; may be called from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Follow a replay until `stop`, then release the symbols."""
        settings = self._settings
        symbols, name = ", ".join(settings.symbols), settings.execution_client
        self._say(f"following a replay, decisions only, no orders are sent: {symbols} as {name}")
        follow(settings, self._worker.consumer, self._take, self._stopping.is_set)

    def _take(self, frames: list[bytes], received_ns: int) -> list[bytes]:
        said = self._scheduler.take(frames, received_ns)
        if not frames:
            complaint = self._worker.consumer.take_warning(now_ns())
            if complaint is not None:
                self._say(complaint)
        return said

    def _show(self, decision: ExecutionDecision, verdict: Verdict) -> None:
        self._health.show(verdict.health)
        self._say(format_decision(decision, verdict))
