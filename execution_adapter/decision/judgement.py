"""One decision: from a verdict and the settings it depends on to the event that tells of it. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from quotebus.bus.book import Verdict
from quotebus.bus.events import Event, ExecutionDecision, Reference
from quotebus.execution_adapter.decision.action import decide


@dataclass(frozen=True)
class Judgement:
    """The settings a decision depends on beside the messages. `text` is what is published and `hash` names it."""

    fallback: str
    max_age_ns: int

    @cached_property
    def text(self) -> str:
        return json.dumps({"fallback": self.fallback, "max_age_ns": self.max_age_ns}, separators=(",", ":"))

    @cached_property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @classmethod
    def read(cls, text: str) -> Judgement | None:
        """What `text` said; None when it is no such text."""
        try:
            read = json.loads(text)
        except (ValueError, RecursionError):
            return None
        match read:
            case {"fallback": str(fallback), "max_age_ns": int(max_age_ns)}:
                return cls(fallback, max_age_ns)
        return None


@dataclass(frozen=True, slots=True)
class Order:
    """What an order would be for: the worker's side of a decision."""

    client: str
    decision_id: str
    symbol: str
    side: str
    qty: float


def decision(order: Order, verdict: Verdict, judgement: Judgement, now_ns: int) -> ExecutionDecision:
    """The decision on `order` at `now_ns` UTC, with everything that is needed to make it once more."""
    choice = decide(verdict, order.side, judgement.fallback)
    return told(
        order, choice.action, order.qty, choice.limit_price, choice.reasons, verdict, (judgement.hash, judgement.text),
        now_ns,
    )  # fmt: skip


def told(
    order: Order,
    action: str,
    qty: float,
    limit_price: float | None,
    reasons: tuple[str, ...],
    verdict: Verdict,
    config: tuple[str, str],
    now_ns: int,
) -> ExecutionDecision:
    """The event that tells of an action on `verdict`, with everything it rests on; `config` is its hash and text."""
    return ExecutionDecision(
        client=order.client,
        decision_id=order.decision_id,
        now_ns=now_ns,
        symbol=order.symbol,
        side=order.side,
        qty=qty,
        action=action,
        limit_price=limit_price,
        reasons=reasons,
        quote=reference(verdict.quote),
        health=reference(verdict.health),
        status=verdict.standing.reference if verdict.standing else ("", 0),
        config_hash=config[0],
        quote_age_ns=verdict.age_ns,
        health_age_ns=verdict.health_age_ns,
        config=config[1],
    )


def reference(event: Event | None) -> Reference:
    """How a decision names a message; `("", 0)` for none."""
    return (event.source, event.seq) if event else ("", 0)
