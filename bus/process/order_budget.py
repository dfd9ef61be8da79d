"""How many requests an account's broker is asked in a while: buckets, and the broker's own word before them. Pure.

Ten requests may come at once and three a second after them, so that no minute has more than 190 where 200 are allowed.
Of these 20 a minute are kept for cancels: everything else has a smaller bucket besides. What a node asks (symbols, a
clock, orders after a gap) goes only while half of that would be left for orders. Several hosts with one account have a
static share each. Times are UTC, since the numbers are shared between processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from quotebus.bus.clock import NS_PER_S

PER_MINUTE = 180
KEPT = 20
BURST, OTHERS_BURST = 10, 8
MINUTE_NS = 60 * NS_PER_S
MAX_HOLD_NS = MINUTE_NS
"""A broker that asks for more is asked again once a minute all the same: one wrong header must not end the work."""
FULL, OTHERS_FULL, HELD_UNTIL, OTHERS_HELD_UNTIL, NUMBERS = range(5)
"""The numbers of a budget: when each bucket is full again, and until when nothing, or only a cancel, may go."""


class RequestClass(Enum):
    """What a request is for, the most urgent first."""

    CANCEL = "cancel"
    ORDER = "order"
    """An order, and a question about one."""
    WATCH = "watch"
    """What a node wants to know; it can wait."""


@dataclass(frozen=True, slots=True)
class OrderBudget:
    """The budget of one host. `share`: its part of what the account may ask."""

    share: float = 1.0

    @property
    def burst(self) -> int:
        return max(1, round(BURST * self.share))

    @property
    def others_burst(self) -> int:
        return max(1, round(OTHERS_BURST * self.share))

    @property
    def refill_ns(self) -> int:
        """One more request every so long."""
        return int(MINUTE_NS / (PER_MINUTE * self.share))

    @property
    def others_refill_ns(self) -> int:
        return int(MINUTE_NS / ((PER_MINUTE - KEPT) * self.share))

    def take(self, numbers: list[int], now_ns: int, wanted: RequestClass) -> int:
        """Take one request: how many ns it has to wait; 0 when it may be made now, and is counted."""
        self._heal(numbers, now_ns)
        wait_ns = self._wait_ns(numbers, now_ns, wanted)
        if wait_ns > 0:
            return wait_ns
        numbers[FULL] += self.refill_ns
        numbers[OTHERS_FULL] += 0 if wanted is RequestClass.CANCEL else self.others_refill_ns
        return 0

    def left(self, numbers: list[int], now_ns: int) -> int:
        """How many requests other than cancels may be made now."""
        self._heal(numbers, now_ns)
        if now_ns < max(numbers[HELD_UNTIL], numbers[OTHERS_HELD_UNTIL]):
            return 0
        all_left = self.burst - -(-(numbers[FULL] - now_ns) // self.refill_ns)
        others_left = self.others_burst - -(-(numbers[OTHERS_FULL] - now_ns) // self.others_refill_ns)
        return max(0, min(all_left, others_left))

    def hold(self, numbers: list[int], for_ns: int, now_ns: int) -> None:
        """The broker said to come back later: nothing goes before, and then one request to see whether it may."""
        until_ns = now_ns + min(for_ns, MAX_HOLD_NS)
        if until_ns > numbers[HELD_UNTIL]:
            numbers[HELD_UNTIL] = until_ns
            numbers[FULL] = until_ns + (self.burst - 1) * self.refill_ns
            numbers[OTHERS_FULL] = until_ns + (self.others_burst - 1) * self.others_refill_ns

    def hold_others(self, numbers: list[int], for_ns: int, now_ns: int) -> None:
        """The broker has few requests left for this account: they are for cancels until so long from now."""
        numbers[OTHERS_HELD_UNTIL] = max(numbers[OTHERS_HELD_UNTIL], now_ns + min(for_ns, MAX_HOLD_NS))

    def _wait_ns(self, numbers: list[int], now_ns: int, wanted: RequestClass) -> int:
        left = self.others_burst // 2 if wanted is RequestClass.WATCH else 0  # for others, after this one
        free_ns = max(numbers[HELD_UNTIL], numbers[FULL] - (self.burst - left - 1) * self.refill_ns)
        if wanted is not RequestClass.CANCEL:
            others_ns = numbers[OTHERS_FULL] - (self.others_burst - left - 1) * self.others_refill_ns
            free_ns = max(free_ns, others_ns, numbers[OTHERS_HELD_UNTIL])
        return free_ns - now_ns

    def _heal(self, numbers: list[int], now_ns: int) -> None:
        """A bucket can be empty at most, a hold a minute long: more comes from a clock that has been set back."""
        for index in (HELD_UNTIL, OTHERS_HELD_UNTIL):
            if numbers[index] > now_ns + MAX_HOLD_NS:
                numbers[index] = 0
        for index, burst, refill_ns in (
            (FULL, self.burst, self.refill_ns), (OTHERS_FULL, self.others_burst, self.others_refill_ns),
        ):  # fmt: skip
            most_ns = max(now_ns, numbers[HELD_UNTIL]) + burst * refill_ns
            numbers[index] = min(max(numbers[index], now_ns), most_ns)


def read_wait_ns(headers: Mapping[str, str], utc_ns: int) -> int | None:
    """How long headers ask to wait: `Retry-After` in seconds, else `X-RateLimit-Reset` in epoch seconds, else None.

    Names of headers in small letters.
    """
    after, reset = headers.get("retry-after", "").strip(), headers.get("x-ratelimit-reset", "").strip()
    if _is_whole(after):
        return int(after) * NS_PER_S
    if _is_whole(reset):
        return max(NS_PER_S, int(reset) * NS_PER_S - utc_ns)
    return None


def is_nearly_used_up(headers: Mapping[str, str], share: float = 1.0) -> bool:
    """Whether headers say that hardly more is left for this account than what is kept for cancels."""
    left = headers.get("x-ratelimit-remaining", "").strip()
    limit = headers.get("x-ratelimit-limit", "").strip()
    most = int(limit) if _is_whole(limit) else PER_MINUTE + KEPT
    return _is_whole(left) and int(left) * (PER_MINUTE + KEPT) <= most * KEPT * share


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12
