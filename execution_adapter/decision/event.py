"""What a decision depends on besides the messages it names, as text, and the event that records it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.events import ACCEPTED_CLASSES, Event, ExecutionDecision, Reference
from quotebus.execution_adapter.decision.assessment import Limits
from quotebus.execution_adapter.decision.choose import Decision, Situation
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.tactics import Tactics


class DecisionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting that a decision depends on. `hash` identifies them."""

    max_age_ns: int
    tactics: Tactics
    limits: Limits
    fallback: Policy
    fallbacks: dict[str, Policy]
    """By `SYMBOL:side`, or `SYMBOL:` for both sides."""
    band: Decimal
    memory_ns: int
    accept: tuple[str, ...] = tuple(sorted(ACCEPTED_CLASSES))
    """The classes of feeds that are decided on."""

    @classmethod
    def of(
        cls,
        max_age_ns: int,
        tactics: Tactics,
        policies: Policies,
        limits: Limits,
        accept: Collection[str] = ACCEPTED_CLASSES,
    ) -> DecisionSettings:
        return cls(
            max_age_ns=max_age_ns,
            tactics=tactics,
            limits=limits,
            fallback=policies.default,
            fallbacks={f"{symbol}:{side}": policy for (symbol, side), policy in (policies.particular or {}).items()},
            band=policies.band,
            memory_ns=policies.memory_ns,
            accept=tuple(sorted(accept)),
        )

    @property
    def policies(self) -> Policies:
        particular = {}
        for target, policy in self.fallbacks.items():
            symbol, _, side = target.rpartition(":")
            particular[symbol, side] = policy
        return Policies(self.fallback, particular, self.band, self.memory_ns)

    @property
    def hash(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Basis:
    """The settings and the situation of one decision. `text` is what is published."""

    kind: str
    settings: DecisionSettings
    state: Situation

    @classmethod
    def of(cls, settings: DecisionSettings, situation: Situation) -> Basis:
        return cls(_kind(situation), settings, situation)

    @property
    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Basis | None:
        """Parse a published `text`; None when it is not one."""
        try:
            basis = msgspec.json.decode(text, type=cls)
        except DECODE_ERRORS:
            return None
        return basis if basis.kind == _kind(basis.state) else None


def decision_event(
    decision: Decision, client: str, decision_id: str, settings: DecisionSettings, now_ns: int
) -> ExecutionDecision:
    """The event that records a decision made at `now_ns` UTC, with everything it depends on."""
    choice, verdict = decision.choice, decision.assessment.verdict
    return ExecutionDecision(
        client=client,
        decision_id=decision_id,
        now_ns=now_ns,
        symbol=verdict.symbol,
        side=decision.side,
        qty=float(choice.qty),
        action=choice.action,
        limit_price=None if choice.limit_price is None else float(choice.limit_price),
        reasons=choice.reasons,
        quote=_refer_to(verdict.quote),
        health=_refer_to(verdict.health),
        status=verdict.standing.reference if verdict.standing else ("", 0),
        config_hash=settings.hash,
        quote_age_ns=verdict.age_ns,
        health_age_ns=verdict.health_age_ns,
        config=Basis.of(settings, decision.situation).text,
        decided_by=choice.decided_by,
    )


def _kind(situation: Situation) -> str:
    return "intent" if situation.intent_id else "symbol"


def _refer_to(event: Event | None) -> Reference:
    return (event.source, event.seq) if event else ("", 0)
