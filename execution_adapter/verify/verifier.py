"""Derives the decisions of a capture again, from the messages they name. Pure.

The verdict and the decision come from the worker's own functions, given the quote, health and status that a decision
names, its `now_ns`, the ages it measured and the settings it published. Only what no message carries is taken from the
recording: whether the worker's request was answered, whether its reader kept up, and a halt from before its first
decision. Where an intent stood (`Situation`) is checked against what the capture shows of it, see `history`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.book import Unusable, make_standing
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, decode_gap
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    AckRow,
    ConnectionHealth,
    Event,
    ExecutionDecision,
    HaltKnowledge,
    OrderUpdate,
    Quote,
    Reference,
    SymbolsAcknowledged,
    SymbolStatus,
    TradeIntent,
)
from quotebus.bus.halts import KnownHalts
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.execution_adapter.decision.assessment import grade_price
from quotebus.execution_adapter.decision.choose import Decision, choose
from quotebus.execution_adapter.decision.event import Basis, decision_event
from quotebus.execution_adapter.decision.limit_price import find_sides
from quotebus.execution_adapter.verify.ages import Aged, Ages, Judged
from quotebus.execution_adapter.verify.history import Contradiction, History
from quotebus.execution_adapter.verify.losses import ACK, Losses, Missing, WaitingMissing
from quotebus.execution_adapter.verify.messages import KEPT, MAX_NAMED, MessageIndex
from quotebus.execution_adapter.verify.rebuild import RecordedState, rebuild_verdict

_KINDS = ("quote.", "health.", "symbol.", "symbols.acknowledged.", "decision.", "intent.", "order.")
_COMPARED = ("action", "qty", "limit_price", "reasons", "quote", "health", "status", "config_hash", "decided_by")
_NOWHERE: Reference = ("", 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that does not come out the same: `field`, what was recorded and what was derived."""

    sequence: int
    decision: ExecutionDecision
    field: str
    recorded: str
    recomputed: str


@dataclass(slots=True)
class Findings:
    """How many decisions there were and how many agree; `before`: how many name messages the capture cannot have."""

    decisions: int = 0
    agree: int = 0
    before: int = 0
    undecodable: int = 0
    as_recorded: Counter[str] = field(default_factory=Counter)
    """By name, how often part of a state was taken as recorded because the capture does not show it."""
    differences: int = 0
    first: Difference | None = None


class Verifier:
    """Reads a capture's messages in file order."""

    def __init__(self) -> None:
        self.findings = Findings()
        self._messages = MessageIndex()
        self._began: dict[str, int] = {}
        self._halts = KnownHalts()
        self._halted_at: dict[str, int] = {}
        self._ages = Ages()
        self._history = History(self.findings.as_recorded)
        self._waiting: list[Missing] = []
        self._unnoted = WaitingMissing(KEPT)
        self._losses = Losses(self._messages)
        self._sequence = self._begin_ns = -1
        self._newest: dict[str, int] = {}

    def run(self, entries: Iterable[Captured]) -> Findings:
        """Verify every decision among these. What the recorder noted as lost is not a difference."""
        for captured in entries:
            if captured.sequence != self._sequence + 1:
                self._on_hole()
                self._begin_ns = captured.received_ns
            self._sequence = captured.sequence
            if captured.topic == GAP_TOPIC:
                self._note(captured)
            elif captured.topic.startswith(_KINDS) and not captured.topic.endswith(topics.ORDERS):
                try:
                    event = captured.event()
                except UndecodableMessage:
                    self.findings.undecodable += 1
                    continue
                self._take(event, captured)
        self._judge_waiting()
        self._blame(self._ages.end())
        return self.findings

    def _judge_waiting(self) -> None:
        """Judge what had to wait: a capture may begin with a decision, and show only later what came before it."""
        for missing in self._waiting:
            self._miss(missing)
        for missing in self._unnoted.take_all():
            self._miss(missing, at_end=True)
        self._waiting = []

    def _on_hole(self) -> None:
        """Messages are missing: a file is damaged, or another recording begins. What follows from all of them is
        unknown.
        """
        self._judge_waiting()
        self._messages.on_hole()
        self._began.clear()
        self._halts, self._halted_at = KnownHalts(), {}
        self._history = History(self.findings.as_recorded)

    def _take(self, event: Event, captured: Captured) -> None:
        sequence = captured.sequence
        match event:
            case ExecutionDecision():
                self._judge(event, sequence, early=captured.received_ns - self._begin_ns <= HEALTH_SILENCE_NS)
            case Quote():
                self._keep(event.source, f"quote.{event.symbol}", event.seq, event)
                self._history.on_quote(event)
            case ConnectionHealth():
                self._keep(event.source, "health", event.seq, event)
                self._history.on_health(event)
            case OrderUpdate():
                self._history.on_order(event)
            case TradeIntent():
                self._history.on_intent(event)
            case SymbolStatus():
                state = self._make_state(event, event, sequence)
                self._keep(event.source, f"symbol.{event.symbol}", event.seq, state)
            case SymbolsAcknowledged():
                self._take_acknowledged(event, sequence)

    def _keep(self, source: str, topic: str, seq: int, message: object) -> None:
        self._messages.keep(source, topic, seq, message)
        for missing in self._unnoted.take_until(source, topic, seq):
            self._miss(missing)

    def _take_acknowledged(self, ack: SymbolsAcknowledged, sequence: int) -> None:
        for row in ack.results:
            alone = msgspec.structs.replace(ack, results=(_without_quote(row),))
            state = self._make_state(alone, row, sequence)
            self._keep(f"{ACK}{ack.source}", f"symbol.{row.symbol}", ack.seq, state)
            if row.last_quote is not None:
                try:
                    quote = codec.decode_payload("quote", row.last_quote)
                except UndecodableMessage:
                    continue
                if isinstance(quote, Quote) and quote.symbol == row.symbol:
                    self._keep(quote.source, f"quote.{row.symbol}", quote.seq, quote)
                    self._history.on_quote(quote)

    def _make_state(
        self, event: SymbolStatus | SymbolsAcknowledged, said: SymbolStatus | AckRow, sequence: int
    ) -> RecordedState:
        """The state in a message. A known halt goes on until there is newer evidence."""
        symbol, standing = said.symbol, make_standing(said, event.source, _NOWHERE)
        if len(self._halts) < MAX_NAMED or self._halts.find(symbol) is not None:
            self._halts.take(symbol, event.source, standing.halt, standing.halt_kind, standing.halt_exchange_ns)
        if self._halts.find(symbol) is None:
            self._halted_at.pop(symbol, None)
        else:
            self._halted_at.setdefault(symbol, sequence)
        halted = standing.halt is HaltKnowledge.HALTED
        return RecordedState(event, said.state, self._halted_at.get(symbol), halted)

    # one decision

    def _judge(self, recorded: ExecutionDecision, sequence: int, *, early: bool) -> None:
        """`early`: of the first three seconds after the capture's beginning, or after a hole."""
        self.findings.decisions += 1
        self._note_restart(recorded)
        if len(self._began) < MAX_NAMED:
            self._began.setdefault(recorded.source, sequence)
        for name, reference, topic in (
            ("quote", recorded.quote, f"quote.{recorded.symbol}"),
            ("health", recorded.health, "health"),
            ("status", recorded.status, f"symbol.{recorded.symbol}"),
        ):
            try:
                if reference != _NOWHERE:
                    self._messages.find(reference, topic)
            except KeyError:
                missing = Missing(sequence, recorded, name, reference, topic, early)
                if not self._messages.knows(reference[0]) and len(self._waiting) < KEPT:
                    self._waiting.append(missing)
                elif self._losses.explain(missing) or not self._unnoted.add(missing):
                    self._miss(missing)
                return
        basis = Basis.read(recorded.config)
        if basis is None:
            self._differ(sequence, recorded, "config", repr(recorded.config[:80]), "not readable as settings and state")
            return
        judged = Judged(sequence, recorded)
        quote, health = self._based_on(recorded)
        contradiction, measured, wrong = self._ages.judge(judged, quote, health)
        contradiction = self._blame(wrong, judged) or contradiction
        try:
            if contradiction is None:
                contradiction = self._contradict_state(recorded, basis, health, measured)
            recomputed = self._decide(recorded, basis, quote, health)
        except (ArithmeticError, ValueError):  # numbers that no worker has
            self._differ(sequence, recorded, "config", repr(recorded.config[:80]), "not readable as settings and state")
            return
        if contradiction is not None:
            self._differ(sequence, recorded, *contradiction)
            return
        if recomputed is None:
            self._differ(sequence, recorded, "action", recorded.action, "no decision was due")
            return
        for name in _COMPARED:
            one, other = getattr(recorded, name), getattr(recomputed, name)
            unnamed = name == "decided_by" and not one  # by a worker that did not say it
            if one != other and not unnamed:
                self._differ(sequence, recorded, name, _format(one), _format(other))
                return
        judged.agreed = True
        self.findings.agree += 1

    def _note_restart(self, recorded: ExecutionDecision) -> None:
        """A worker whose sequence numbers start again has been restarted under its name, as in a second replay."""
        if recorded.seq <= self._newest.get(recorded.source, 0):
            self._blame(self._ages.forget(recorded.source))
            self._history = History(self.findings.as_recorded)
        if recorded.source in self._newest or len(self._newest) < MAX_NAMED:
            self._newest[recorded.source] = recorded.seq

    def _based_on(self, recorded: ExecutionDecision) -> tuple[Quote | None, ConnectionHealth | None]:
        quote = self._find(recorded.quote, f"quote.{recorded.symbol}")
        health = self._find(recorded.health, "health")
        return quote if isinstance(quote, Quote) else None, health if isinstance(health, ConnectionHealth) else None

    def _find(self, reference: Reference, topic: str) -> object:
        return None if reference == _NOWHERE else self._messages.find(reference, topic)

    def _blame(self, wrong: Iterable[tuple[Aged, int]], judging: Judged | None = None) -> Contradiction | None:
        """Count earlier decisions whose ages later ones contradict; what contradicts the one being judged."""
        contradiction = None
        for aged, delay_ns in wrong:
            if aged.of is judging:
                contradiction = aged.contradict(delay_ns)
            elif aged.of.agreed:
                aged.of.agreed = False
                self.findings.agree -= 1
                self._differ(aged.of.sequence, aged.of.decision, *aged.contradict(delay_ns))
        return contradiction

    def _miss(self, missing: Missing, *, at_end: bool = False) -> None:
        """A message that is not there was sent before the capture began, or in a hole, or never. `at_end`: nothing more
        is heard of its topic.
        """
        if self._losses.explain(missing) or (at_end and self._losses.may_be_unnoted(missing)):
            self.findings.before += 1
        else:
            source, seq = missing.reference
            self._differ(missing.sequence, missing.decision, missing.name, f"{source}#{seq}", "no such message")

    def _note(self, captured: Captured) -> None:
        try:
            gap = decode_gap(captured.payload)
        except UndecodableMessage:
            self.findings.undecodable += 1
            return
        self._losses.on_gap(gap)

    def _decide(
        self, recorded: ExecutionDecision, basis: Basis, quote: Quote | None, health: ConnectionHealth | None
    ) -> ExecutionDecision | None:
        """The decision, derived again; None when none was due."""
        settings, situation, side, tactics = basis.settings, basis.state, recorded.side, basis.settings.tactics
        found = self._find(recorded.status, f"symbol.{recorded.symbol}")
        state = found if isinstance(found, RecordedState) else None
        halted = state is not None and self._was_halted(state, recorded)
        bounds = (settings.max_age_ns, settings.limits.exchange_refuse_ns)
        verdict = rebuild_verdict(recorded, state, health, quote, *bounds, settings.accept, halted=halted)
        sides = find_sides(quote, tactics.lot)
        assessment = grade_price(verdict, sides, side, situation.qty, settings.limits, situation.past)
        choice = choose(assessment, side, situation, tactics, settings.policies)
        if choice is None:
            return None
        decision = Decision(choice, side, assessment, situation, recorded.now_ns)
        return decision_event(decision, recorded.client, recorded.decision_id, settings, recorded.now_ns)

    def _was_halted(self, state: RecordedState, recorded: ExecutionDecision) -> bool:
        """Whether a halt was known that the named state does not mention."""
        if state.halted:
            return False
        reported = state.halted_at is not None and self._began.get(recorded.source, state.halted_at) < state.halted_at
        return reported or Unusable.HALTED in recorded.reasons

    def _contradict_state(
        self, recorded: ExecutionDecision, basis: Basis, health: ConnectionHealth | None, measured: Iterable[Aged]
    ) -> Contradiction | None:
        """What of an intent's state the capture contradicts."""
        delay_ns = next((aged.delay_ns for aged in measured if aged.source == recorded.health[0]), 0)
        return self._history.find_contradiction(
            recorded, basis.state, basis.settings.tactics.grace_ns, health, delay_ns
        )

    def _differ(self, sequence: int, recorded: ExecutionDecision, name: str, one: str, other: str) -> None:
        self.findings.differences += 1
        if self.findings.first is None or sequence < self.findings.first.sequence:
            self.findings.first = Difference(sequence, recorded, name, one, other)


def _format(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _without_quote(row: AckRow) -> AckRow:
    return msgspec.structs.replace(row, last_quote=None)
