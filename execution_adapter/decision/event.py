"""What a decision on an intent rests on beside the messages it names, as text, and the event that tells of it. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from quotebus.bus.book import Verdict
from quotebus.bus.events import ExecutionDecision
from quotebus.execution_adapter.decision.assessment import Limits
from quotebus.execution_adapter.decision.choose import Choice, Situation
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.judgement import Order, told
from quotebus.execution_adapter.decision.tactics import Tactics

KIND = "intent"


class WorkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting that a decision on an intent depends on. `hash` names them."""

    max_age_ns: int
    tactics: Tactics
    limits: Limits
    fallback: Policy
    fallbacks: dict[str, Policy]
    """By `SYMBOL:side`, or `SYMBOL:` for both sides."""
    band: Decimal
    memory_ns: int

    @classmethod
    def of(cls, max_age_ns: int, tactics: Tactics, policies: Policies, limits: Limits) -> WorkSettings:
        return cls(
            max_age_ns=max_age_ns,
            tactics=tactics,
            limits=limits,
            fallback=policies.default,
            fallbacks={f"{symbol}:{side}": policy for (symbol, side), policy in (policies.particular or {}).items()},
            band=policies.band,
            memory_ns=policies.memory_ns,
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
    settings: WorkSettings
    state: Situation

    @property
    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Basis | None:
        """What `text` said; None when it is no such text."""
        try:
            basis = msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, RecursionError):
            return None
        return basis if basis.kind == KIND else None


def event(order: Order, choice: Choice, price: Verdict, basis: Basis, now_ns: int) -> ExecutionDecision:
    """The event that tells of `choice` made at `now_ns` UTC on `price`."""
    limit_price = None if choice.limit_price is None else float(choice.limit_price)
    config = (basis.settings.hash, basis.text)
    return told(order, choice.action, float(choice.qty), limit_price, choice.reasons, price, config, now_ns)
