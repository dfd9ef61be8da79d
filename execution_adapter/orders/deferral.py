"""When an order that the broker refused for now may be placed again. Pure.

The broker's own word counts: a time that it named, or another order that must be over first, which is asked about at
growing intervals. Without a word the pause doubles from one second to a minute, and differs from intent to intent.
"""

from __future__ import annotations

import hashlib

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.order import FINAL, Answer, NotFound, QueryOrder, Refused, Report, Status, Until

FIRST_NS = NS_PER_S
LONGEST_NS = 60 * NS_PER_S
"""A broker that asks for more is asked once a minute all the same: one wrong header must not end an intent."""
POWER_NS = 5 * NS_PER_S
"""The longest pause while other intents of this worker hold buying power back, or will bring some."""
BLOCKS_NS = 2 * LONGEST_NS
"""An order of which nothing was heard for so long is no longer believed to be in the way."""
OVER = FINAL | {Status.REPLACED}


def compute_pause_ns(name: str, number: int) -> int:
    """The pause after so many refusals before this one: 1 s, 2 s, 4 s … 60 s, shortened by up to a half by name."""
    share = int.from_bytes(hashlib.sha256(f"{name}/{number}".encode()).digest()[:4]) / (1 << 33)
    return int(min(LONGEST_NS, FIRST_NS << min(number, 30)) * (1 - share))


class Deferral:
    """The wait of one intent between a refusal and its next order."""

    def __init__(self, intent_id: str, now_ns: int) -> None:
        self.reason = ""
        self._intent_id = intent_id
        self._due_ns = now_ns
        self._refusals = 0
        self._blocker = ""
        self._questions = 0
        self._asked_ns = self._seen_ns = now_ns

    def take(self, refused: Refused, pause_ns: int, now_ns: int) -> None:
        """Wait after a refusal; `pause_ns` where a few tries are all that is of use."""
        self.reason, self._blocker, self._questions = refused.reason, "", 0
        self._asked_ns = self._seen_ns = now_ns
        if refused.until is Until.TRIES:
            self._due_ns = now_ns + pause_ns
            return
        if refused.until in (Until.ORDER, Until.SHARES):
            self._blocker = refused.order_id
        pause_ns = compute_pause_ns(self._intent_id, self._refusals)
        if refused.until is Until.POWER:  # what it waits for is this worker's own doing, and soon over
            pause_ns = min(pause_ns, POWER_NS)
        self._refusals += 1
        self._due_ns = now_ns + min(LONGEST_NS, pause_ns if refused.wait_ns is None else refused.wait_ns)

    def pause(self, pause_ns: int, now_ns: int) -> None:
        """Wait for so long."""
        self._blocker, self._due_ns = "", now_ns + pause_ns

    def end(self) -> None:
        """An order was taken: the next refusal is the first again."""
        self._refusals, self._blocker, self.reason = 0, "", ""

    def waits(self, now_ns: int) -> bool:
        """Whether nothing may be placed yet."""
        is_blocked = bool(self._blocker) and now_ns - self._seen_ns < BLOCKS_NS
        return is_blocked or now_ns < self._due_ns

    def ask(self, now_ns: int) -> list[QueryOrder]:
        """The question for the order in the way, when it is time for it."""
        if not self._blocker:
            return []
        if now_ns - self._asked_ns < compute_pause_ns(self._intent_id, self._refusals - 1 + self._questions):
            return []
        self._questions, self._asked_ns = self._questions + 1, now_ns
        return [QueryOrder(self._question_id, self._blocker)]

    def on_answer(self, answer: Answer, now_ns: int) -> bool:
        """Take an answer. True when it was one to the question for the order in the way, and about nothing else.

        An order that is not found may be hidden still, so the broker is tried again after a pause.
        """
        ours = getattr(answer, "client_order_id", "") == self._question_id
        is_over = isinstance(answer, Report) and self._blocker == answer.order_id and answer.status in OVER
        if ours and isinstance(answer, Report):
            self._seen_ns = now_ns
        if self._blocker and is_over:
            self._blocker, self._due_ns = "", now_ns
        elif self._blocker and ours and isinstance(answer, NotFound):
            self._blocker, self._due_ns = "", now_ns + compute_pause_ns(self._intent_id, self._refusals)
        return ours

    @property
    def _question_id(self) -> str:
        return f"{self._intent_id}-in-the-way"
