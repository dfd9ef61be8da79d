"""The thread that listens: owns the socket and the state, publishes a picture now and then, answers questions.

One thread touches the state, so nothing is locked. A question is a function, run between two batches of messages.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, Full, Queue
from typing import Any, TypeVar

from quotebus.bus.clock import NS_PER_MS, now_ns, seconds, utc_ns
from quotebus.bus.serve.settings import ServeSettings
from quotebus.bus.serve.state import PageState, Picture
from quotebus.bus.tap.message_reader import ReceivedFrame
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.tap_socket import TapSubscriber

GATHER_MS = 10
"""Messages are collected for this long: it wakes a hundred times a second at most."""
WAIT_MS = 50
MAX_QUESTIONS = 100
WORK_SHARE = 4
"""After a picture that took long, the next one waits so many times as long: listening comes first."""
AnswerT = TypeVar("AnswerT")


class BusFollower:
    """Start it with `start`; `publish` is called in its thread with every picture."""

    def __init__(self, settings: ServeSettings, publish: Callable[[PageState, Picture], None]) -> None:
        self._engine = open_engine(settings.bus_address)
        self._settings, self._publish = settings, publish
        self._questions: Queue[tuple[Callable[[PageState], Any], Future[Any]]] = Queue(MAX_QUESTIONS)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self.beat_ns = now_ns()
        """When the thread was last seen working."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(2)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def ask(self, question: Callable[[PageState], AnswerT]) -> Future[AnswerT]:
        """Run a function in the thread of the state. The future fails with TimeoutError when too many wait."""
        answer: Future[AnswerT] = Future()
        try:
            self._questions.put_nowait((question, answer))
        except Full:
            answer.set_exception(TimeoutError("too many questions wait"))
        return answer

    def _run(self) -> None:
        settings = self._settings
        subscriber = TapSubscriber(self._engine, [b""], gather_ms=GATHER_MS)
        state = PageState(str(settings.bus_address), utc_ns(), seconds(settings.serve_max_age_s))
        next_ns = 0
        try:
            while not self._ending.is_set():
                frames = subscriber.receive(WAIT_MS)
                at_ns = utc_ns()
                self.beat_ns = began_ns = now_ns()
                state.freshness.look(at_ns)
                state.take([ReceivedFrame(frame, at_ns) for frame in frames])
                self._answer(state)
                if now_ns() >= next_ns:
                    began_ns = now_ns()
                    self._publish(state, state.look(utc_ns(), subscriber.connected, subscriber.forged))
                    took_ns = now_ns() - began_ns
                    next_ns = began_ns + max(seconds(settings.serve_every_s), WORK_SHARE * took_ns)
        finally:
            subscriber.close()

    def _answer(self, state: PageState) -> None:
        deadline_ns = now_ns() + 20 * NS_PER_MS
        with contextlib.suppress(Empty):
            while now_ns() < deadline_ns:
                question, answer = self._questions.get_nowait()
                if answer.set_running_or_notify_cancel():
                    try:
                        answer.set_result(question(state))
                    except ValueError as error:
                        answer.set_exception(error)
