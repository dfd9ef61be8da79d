"""Makes the decisions of a capture once more, from the messages they name. Pure.

The judgement and the decision are the worker's own functions, fed with the quote, health and status that a decision
names, at its `now_ns`, with the ages it measured and the settings it published. Taken as given is only what no message
tells: whether the worker's request was answered, whether its reader kept up, and a halt from before its first decision.
Where an intent stood (`Situation`) is held against what the capture tells of it, see `history`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.book import Book, Unusable, Verdict
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, Gap, decode_gap
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    AckRow,
    ConnectionHealth,
    Event,
    ExecutionDecision,
    OrderUpdate,
    Quote,
    Reference,
    SymbolsAcknowledged,
    SymbolState,
    SymbolStatus,
    TradeIntent,
)
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.execution_adapter.decision.assessment import grade_price
from quotebus.execution_adapter.decision.choose import Decision, choose
from quotebus.execution_adapter.decision.event import Basis, decision_event
from quotebus.execution_adapter.verify.ages import Aged, Ages, Judged
from quotebus.execution_adapter.verify.history import History, Strange
from quotebus.execution_adapter.verify.messages import KEPT, MAX_NAMED, Named

_GIVEN = (Unusable.NOT_REQUESTED, Unusable.UNCONFIRMED, Unusable.READER_BEHIND)
_KINDS = ("quote.", "health.", "symbol.", "symbols.acknowledged.", "decision.", "intent.", "order.")
_COMPARED = ("action", "qty", "limit_price", "reasons", "quote", "health", "status", "config_hash")
_ACK = "ack:"
_NOWHERE: Reference = ("", 0)
_TRADED = (SymbolState.LIVE, SymbolState.QUIET)


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision that does not come out the same: `field`, what is recorded and what was found."""

    sequence: int
    decision: ExecutionDecision
    field: str
    recorded: str
    recomputed: str


@dataclass(slots=True)
class Outcome:
    """How many decisions there were, how many agree; `before`: how many name messages that the capture cannot have."""

    decisions: int = 0
    agree: int = 0
    before: int = 0
    undecodable: int = 0
    as_recorded: Counter[str] = field(default_factory=Counter)
    """How often something of an intent's state was taken as recorded, since the capture does not tell it."""
    differences: int = 0
    first: Difference | None = None


@dataclass(frozen=True, slots=True)
class _Stood:
    """A symbol's state as one message told it; `halted_at` is the message that told of a halt not known to be over."""

    event: SymbolStatus | SymbolsAcknowledged
    state: str
    halted_at: int | None


@dataclass(frozen=True, slots=True)
class _Missing:
    """What a decision names, in its field `name`, and is not kept."""

    sequence: int
    decision: ExecutionDecision
    name: str
    reference: Reference
    topic: str
    early: bool


class Verifier:
    """Reads a capture's messages in file order."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self._named = Named()
        self._began: dict[str, int] = {}
        self._halted_at: dict[str, int] = {}
        self._ages = Ages()
        self._history = History(self.outcome.as_recorded)
        self._unheard: list[_Missing] = []
        self._gaps: deque[Gap] = deque(maxlen=KEPT)
        self._sequence = self._begin_ns = -1
        self._newest: dict[str, int] = {}

    def run(self, entries: Iterable[Captured]) -> Outcome:
        """Verify every decision among these; with the recorder's notes, what was lost on the way is no difference."""
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
                    self.outcome.undecodable += 1
                    continue
                self._take(event, captured)
        self._settle()
        self._blame(self._ages.end())
        return self.outcome

    def _settle(self) -> None:
        """Judge what had to wait: a capture may begin with a decision, and only then tell of what came before it."""
        for missing in self._unheard:
            self._miss(missing)
        self._unheard = []

    def _on_hole(self) -> None:
        """Messages are not there: a file is damaged, or another recording begins. What follows from all is unknown."""
        self._settle()
        self._named.on_hole()
        self._began.clear()
        self._halted_at.clear()
        self._history = History(self.outcome.as_recorded)

    def _take(self, event: Event, captured: Captured) -> None:
        sequence = captured.sequence
        match event:
            case ExecutionDecision():
                self._judge(event, sequence, early=captured.received_ns - self._begin_ns <= HEALTH_SILENCE_NS)
            case Quote():
                self._named.keep(event.source, f"quote.{event.symbol}", event.seq, event)
                self._history.on_quote(event)
            case ConnectionHealth():
                self._named.keep(event.source, "health", event.seq, event)
                self._history.on_health(event)
            case OrderUpdate():
                self._history.on_order(event)
            case TradeIntent():
                self._history.on_wish(event)
            case SymbolStatus():
                stood = self._stand(event, event.symbol, event.state, sequence)
                self._named.keep(event.source, f"symbol.{event.symbol}", event.seq, stood)
            case SymbolsAcknowledged():
                self._take_acknowledged(event, sequence)

    def _take_acknowledged(self, ack: SymbolsAcknowledged, sequence: int) -> None:
        for row in ack.results:
            alone = msgspec.structs.replace(ack, results=(_without_quote(row),))
            stood = self._stand(alone, row.symbol, row.state, sequence)
            self._named.keep(f"{_ACK}{ack.source}", f"symbol.{row.symbol}", ack.seq, stood)
            if row.last_quote is not None:
                try:
                    quote = codec.decode_payload("quote", row.last_quote)
                except UndecodableMessage:
                    continue
                if isinstance(quote, Quote) and quote.symbol == row.symbol:
                    self._named.keep(quote.source, f"quote.{row.symbol}", quote.seq, quote)
                    self._history.on_quote(quote)

    def _stand(self, event: SymbolStatus | SymbolsAcknowledged, symbol: str, state: str, sequence: int) -> _Stood:
        """A known halt goes on until a state says otherwise."""
        if state == SymbolState.HALTED and len(self._halted_at) < MAX_NAMED:
            self._halted_at.setdefault(symbol, sequence)
        elif state in _TRADED:
            self._halted_at.pop(symbol, None)
        return _Stood(event, state, self._halted_at.get(symbol))

    # one decision

    def _judge(self, recorded: ExecutionDecision, sequence: int, *, early: bool) -> None:
        """`early`: of the first three seconds after the capture's beginning, or after a hole."""
        self.outcome.decisions += 1
        self._follow(recorded)
        if len(self._began) < MAX_NAMED:
            self._began.setdefault(recorded.source, sequence)
        for name, reference, topic in (
            ("quote", recorded.quote, f"quote.{recorded.symbol}"),
            ("health", recorded.health, "health"),
            ("status", recorded.status, f"symbol.{recorded.symbol}"),
        ):
            try:
                if reference != _NOWHERE:
                    self._named.find(reference, topic)
            except KeyError:
                missing = _Missing(sequence, recorded, name, reference, topic, early)
                if not self._named.knows(reference[0]) and len(self._unheard) < KEPT:
                    self._unheard.append(missing)
                else:
                    self._miss(missing)
                return
        basis = Basis.read(recorded.config)
        if basis is None:
            self._differ(sequence, recorded, "config", repr(recorded.config[:80]), "no settings to judge by")
            return
        judged = Judged(sequence, recorded)
        quote, health = self._based_on(recorded)
        strange, measured, wrong = self._ages.judge(judged, quote, health)
        strange = self._blame(wrong, judged) or strange
        try:
            if strange is None:
                strange = self._strange_state(recorded, basis, health, measured)
            recomputed = self._decide(recorded, basis)
        except (ArithmeticError, ValueError):  # numbers that no worker has
            self._differ(sequence, recorded, "config", repr(recorded.config[:80]), "no settings to judge by")
            return
        if strange is not None:
            self._differ(sequence, recorded, *strange)
            return
        if recomputed is None:
            self._differ(sequence, recorded, "action", recorded.action, "nothing was to be decided")
            return
        for name in _COMPARED:
            one, other = getattr(recorded, name), getattr(recomputed, name)
            if one != other:
                self._differ(sequence, recorded, name, _shown(one), _shown(other))
                return
        judged.agreed = True
        self.outcome.agree += 1

    def _follow(self, recorded: ExecutionDecision) -> None:
        """A worker whose numbers begin anew has been started again under its name, as in a second replay."""
        if recorded.seq <= self._newest.get(recorded.source, 0):
            self._blame(self._ages.forget(recorded.source))
            self._history = History(self.outcome.as_recorded)
        if recorded.source in self._newest or len(self._newest) < MAX_NAMED:
            self._newest[recorded.source] = recorded.seq

    def _based_on(self, recorded: ExecutionDecision) -> tuple[Quote | None, ConnectionHealth | None]:
        quote = self._kept_one(recorded.quote, f"quote.{recorded.symbol}")
        health = self._kept_one(recorded.health, "health")
        return quote if isinstance(quote, Quote) else None, health if isinstance(health, ConnectionHealth) else None

    def _kept_one(self, reference: Reference, topic: str) -> object:
        return None if reference == _NOWHERE else self._named.find(reference, topic)

    def _blame(self, wrong: Iterable[tuple[Aged, int]], judging: Judged | None = None) -> Strange | None:
        """Count earlier decisions whose ages later ones contradict; what is strange about the one being judged."""
        strange = None
        for aged, delay_ns in wrong:
            if aged.of is judging:
                strange = aged.strange(delay_ns)
            elif aged.of.agreed:
                aged.of.agreed = False
                self.outcome.agree -= 1
                self._differ(aged.of.sequence, aged.of.decision, *aged.strange(delay_ns))
        return strange

    def _miss(self, missing: _Missing) -> None:
        """A message that is not there is from before the capture began, was in a hole, or never was."""
        elsewhere = self._named.may_be_elsewhere(missing.reference, missing.topic)
        if elsewhere or self._may_have_gone(missing) or self._noted(missing):
            self.outcome.before += 1
        else:
            source, seq = missing.reference
            self._differ(missing.sequence, missing.decision, missing.name, f"{source}#{seq}", "no such message")

    def _may_have_gone(self, missing: _Missing) -> bool:
        """Whether a source that was never heard may be a node that went before: one that is there says its health."""
        source, decision = missing.reference[0].removeprefix(_ACK), missing.decision
        if self._named.knows(missing.reference[0]):
            return False
        if source == decision.health[0]:
            age_ns = decision.health_age_ns
            return missing.early or age_ns is None or age_ns > HEALTH_SILENCE_NS
        return (Unusable.OTHER_SOURCE if missing.name == "quote" else Unusable.NO_STATUS) in decision.reasons

    def _note(self, captured: Captured) -> None:
        try:
            gap = decode_gap(captured.payload)
        except UndecodableMessage:
            self.outcome.undecodable += 1
            return
        self._gaps.append(gap)

    def _noted(self, missing: _Missing) -> bool:
        """Whether the recorder noted the message as lost."""
        source, seq = missing.reference
        acknowledged = source.startswith(_ACK)
        topic = f"{topics.ACKNOWLEDGED}." if acknowledged else missing.topic
        return any(
            gap.publisher == source.removeprefix(_ACK)
            and (gap.topic.startswith(topic) if acknowledged or topic == "health" else gap.topic == topic)
            and (gap.first_seq == 0 or gap.first_seq <= seq < gap.first_seq + gap.count)
            for gap in self._gaps
        )

    def _decide(self, recorded: ExecutionDecision, basis: Basis) -> ExecutionDecision | None:
        """The decision made once more; None when nothing was to be decided."""
        settings, situation, side = basis.settings, basis.state, recorded.side
        tactics, verdict = settings.tactics, self._look(recorded, settings.max_age_ns)
        assessment = grade_price(verdict, side, situation.qty, settings.limits, situation.past, tactics.lot)
        choice = choose(assessment, side, situation, tactics, settings.policies)
        if choice is None:
            return None
        decision = Decision(choice, side, assessment, situation, recorded.now_ns)
        return decision_event(decision, recorded.client, recorded.decision_id, settings, recorded.now_ns)

    def _look(self, recorded: ExecutionDecision, max_age_ns: int) -> Verdict:
        """A book that holds exactly what the decision names, judged as the worker judged its own."""
        book, now_ns = Book(max_age_ns=max_age_ns), recorded.now_ns
        if recorded.status != _NOWHERE:
            stood = self._named.find(recorded.status, f"symbol.{recorded.symbol}")
            assert isinstance(stood, _Stood)
            if self._was_halted(stood, recorded):
                book.on_status(_halted(recorded.symbol))
            if isinstance(stood.event, SymbolStatus):
                book.on_status(stood.event)
            else:
                book.on_acknowledged(stood.event)
        for reference, topic, age_ns in (
            (recorded.health, "health", recorded.health_age_ns),
            (recorded.quote, f"quote.{recorded.symbol}", recorded.quote_age_ns),
        ):
            if reference == _NOWHERE:
                continue
            event = self._named.find(reference, topic)
            assert isinstance(event, (ConnectionHealth, Quote))
            # Received so that its age, less the smallest delay, is what the worker measured.
            book.on_message(event, event.published_ns if age_ns is None else now_ns - age_ns)
            if isinstance(event, Quote):
                book.on_quote(event)
            else:
                book.on_health(event)
        verdict = book.assess(recorded.symbol, now_ns)
        given = tuple(reason for reason in _GIVEN if reason in recorded.reasons)
        return replace(verdict, reasons=(*given, *verdict.reasons))

    def _was_halted(self, stood: _Stood, recorded: ExecutionDecision) -> bool:
        """Whether a halt was known that the named state says nothing about."""
        if stood.state in _TRADED or stood.state == SymbolState.HALTED:
            return False
        heard = stood.halted_at is not None and self._began.get(recorded.source, stood.halted_at) < stood.halted_at
        return heard or Unusable.HALTED in recorded.reasons

    def _strange_state(
        self, recorded: ExecutionDecision, basis: Basis, health: ConnectionHealth | None, measured: Iterable[Aged]
    ) -> Strange | None:
        """What of an intent's state the capture contradicts."""
        delay_ns = next((aged.delay_ns for aged in measured if aged.source == recorded.health[0]), 0)
        return self._history.strange(recorded, basis.state, basis.settings.tactics.grace_ns, health, delay_ns)

    def _differ(self, sequence: int, recorded: ExecutionDecision, name: str, one: str, other: str) -> None:
        self.outcome.differences += 1
        if self.outcome.first is None or sequence < self.outcome.first.sequence:
            self.outcome.first = Difference(sequence, recorded, name, one, other)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _without_quote(row: AckRow) -> AckRow:
    return msgspec.structs.replace(row, last_quote=None)


def _halted(symbol: str) -> SymbolStatus:
    return SymbolStatus(
        symbol=symbol, state=SymbolState.HALTED, cause="", since_ns=0, clients=(), last_quote_ns=None, last_quote_seq=0
    )
