"""Why a symbol's price may or may not be used: who asks for it, what each rule says, what would change it. Pure.

The judgement is that of `bus.book`, as in every client. A tap sends no requests, so it never receives a quote that was
published before it started: then it cannot tell, and says what it does know.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from quotebus.bus.book import Unusable, Verdict
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.events import Cause, ConnectionState, Flag, HaltKnowledge, SymbolState
from quotebus.bus.interest import ABSENT, ask_for_near
from quotebus.bus.process.units import format_clock, format_duration, format_instant
from quotebus.bus.tap.snapshot import ConnectionLine, make_line
from quotebus.bus.tap.usability import (
    Usability,
    convert_to_node_ns,
    judge_price,
    list_reasons,
    measure_announced_age_ns,
)
from quotebus.bus.tap.view import KnownStatus, View
from quotebus.bus.tap.why.meanings import (
    CAUSES,
    HALTS,
    LINE_STATES,
    NO_CHANGE,
    REASONS,
    SUSPECT,
    SYMBOL_STATES,
    Meaning,
)

_SELF_EXPLAINING = frozenset(
    {ConnectionState.STREAMING, ConnectionState.IDLE, ConnectionState.STANDBY, ConnectionState.STOPPED}
)
"""States whose cause adds nothing to what they mean."""


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """One rule against the price: its name, the rule, the facts (`here`), and what would change them."""

    name: str
    rule: str
    here: str
    change: str


@dataclass(frozen=True, slots=True)
class Requester:
    """A client that holds a lease on the symbol, or requests one; `answered` is empty until a node has answered."""

    client: str
    priority: int
    lease_left_ns: int | None
    asked_ago_ns: int | None
    symbols: int | None
    channels: tuple[str, ...]
    answered: str
    holds: bool


@dataclass(frozen=True, slots=True)
class LastQuote:
    """The newest quote received."""

    bid_price: float | None
    bid_size: float | None
    ask_price: float | None
    ask_size: float | None
    spread: float | None
    age_ns: int | None
    source: str
    seq: int
    connection: int
    flags: tuple[str, ...]
    exchange_ns: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything `why` reports. `announced_*`: the newest quote as announced by the node, received here or not."""

    symbol: str
    now_ns: int
    answer: Usability
    remark: str
    reasons: tuple[BrokenRule, ...]
    max_age_ns: int
    quote: LastQuote | None
    announced_seq: int
    announced_ago_ns: int | None
    state: str
    state_cause: str
    state_means: str
    state_for_ns: int | None
    state_change: str
    halt: str
    halt_evidence: str
    halt_means: str
    halt_change: str
    venue_says: str
    line: ConnectionLine | None
    line_means: str
    line_change: str
    askers: tuple[Requester, ...]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain values, for JSON."""
        return asdict(self)


def explain(view: View, symbol: str, now_ns: int) -> Explanation:
    """Judge at `now_ns` as a client of `symbol` would that has received what this tap has received."""
    verdict = view.book.assess(symbol, now_ns)
    known = view.known.get(symbol)
    announced_ago_ns = None if known is None else measure_announced_age_ns(view, verdict, known, now_ns)
    given = judge_price(view, verdict, now_ns)
    shown_line = _line(view, verdict, now_ns)
    state, cause = (verdict.standing.state, verdict.standing.cause) if verdict.standing else ("", "")
    meaning, change = SYMBOL_STATES.get(SymbolState(state), ("", "")) if state in list(SymbolState) else ("", "")
    means, line_change = _explain_line(shown_line)
    return Explanation(
        symbol=symbol,
        now_ns=now_ns,
        answer=given,
        remark=_remark(view, verdict, given),
        reasons=tuple(_reason(reason, view, verdict, now_ns) for reason in list_reasons(view, verdict, now_ns)),
        max_age_ns=view.max_age_ns,
        quote=_quote(verdict),
        announced_seq=known.last_quote_seq if known is not None else 0,
        announced_ago_ns=announced_ago_ns,
        state=state,
        state_cause=cause,
        state_means=meaning,
        state_for_ns=None if known is None else convert_to_node_ns(view, verdict, known, now_ns) - known.since_ns,
        state_change=_add_change(change, _find_cause(cause)),
        halt=verdict.halt,
        halt_evidence=_find_evidence(view, verdict),
        halt_means=HALTS[verdict.halt].means,
        halt_change=HALTS[verdict.halt].change,
        venue_says=_describe_asset(verdict, known, now_ns, view),
        line=shown_line,
        line_means=means,
        line_change=line_change,
        askers=tuple(_askers(view, symbol, known, now_ns)),
    )


def _describe_asset(verdict: Verdict, known: KnownStatus | None, now_ns: int, view: View) -> str:
    """What the venue's list of symbols says of it, and when it said so; empty where it says nothing."""
    asset = None if verdict.standing is None else verdict.standing.asset
    if asset is None:
        return ""
    absent = verdict.standing is not None and verdict.standing.cause in ABSENT
    orders = "takes orders" if asset.tradable else "takes no orders for it"
    parts = ["does not have it" + ask_for_near(asset.near) if absent else orders]
    parts += [f"price step {asset.tick}"] if asset.tick else []
    parts += [f"quantity step {asset.lot}"] if asset.lot else []
    if asset.read_ns is not None and known is not None:
        age_ns = convert_to_node_ns(view, verdict, known, now_ns) - asset.read_ns
        parts.append(f"as read {format_duration(max(0, age_ns))} ago")
    return ", ".join(parts)


def _find_evidence(view: View, verdict: Verdict) -> str:
    """What is known of a halt rests on this; empty where nothing is known."""
    known, standing = view.book.halts.find(verdict.symbol), verdict.standing
    if verdict.halt is HaltKnowledge.HALTED and known is not None:
        kind, exchange_ns, source = known.kind, known.exchange_ns, f" from {known.source}"
    elif standing is not None and verdict.halt is standing.halt:
        kind, exchange_ns, source = standing.halt_kind, standing.halt_exchange_ns, ""
    else:
        return ""
    when = "" if exchange_ns is None else f", exchange time {format_instant(exchange_ns)}"
    return f"by {kind}{source}{when}" if kind else ""


def is_settled(view: View, symbol: str) -> bool:
    """Whether listening longer adds nothing: the line, the symbol's state and its newest quote are known."""
    health, known = view.book.health, view.known.get(symbol)
    if health is None or known is None or known.source != health.source:
        return False
    quote = view.book.quotes.get(symbol)
    if health.state != ConnectionState.STREAMING:
        return True
    return known.last_quote_seq == 0 or (quote is not None and quote.source == health.source)


def _remark(view: View, verdict: Verdict, given: Usability) -> str:
    if given is Usability.YES:
        known = view.known.get(verdict.symbol)
        return "" if known is None or known.claims else "no client holds it now: one must request it first"
    if given is Usability.UNKNOWN and verdict.standing is None:
        return "its state has not been received yet; a node repeats that of every wanted symbol within 10 s"
    if given is Usability.UNKNOWN:
        return (
            "its newest quote was published before this tap started; no other rule is against it, and clients "
            "that hold that quote can judge it"
        )
    if verdict.symbol in view.replayed.quotes and verdict.symbol not in view.book.quotes:
        return "only a replay publishes this symbol, and a replayed price is never usable"
    if verdict.standing is None and verdict.health is not None and not any(ask.wants for ask in view.asks.values()):
        return "this tap has heard no request for it; a client must request it first"
    if verdict.health is None and not view.bus.messages:
        return "nothing was received: are a broker and a node running?"
    return ""


def _reason(reason: Unusable, view: View, verdict: Verdict, now_ns: int) -> BrokenRule:
    rule, change = REASONS[reason]
    health, quote, standing = verdict.health, verdict.quote, verdict.standing
    here = ""
    if reason is Unusable.HEALTH_SILENT and health is not None:
        silent_ns = view.book.age_ns(health, now_ns)
        here = f"{health.node} was last heard {format_duration(silent_ns)} ago; it was {health.state}"
    elif reason is Unusable.NOT_STREAMING and health is not None:
        here = f"{health.node} is {health.state} ({health.cause})"
        if (cause := _find_cause(health.cause)) is not None and health.state not in _SELF_EXPLAINING:
            here += f", {CAUSES[cause].means}"
    elif reason is Unusable.NO_STATUS and standing is not None:
        here = f"its state {standing.state} is from {standing.source}"
    elif reason in (Unusable.NOT_LIVE, Unusable.HALTED) and standing is not None:
        here = f"it is {standing.state} ({standing.cause})"
    elif reason is Unusable.NO_QUOTE and (known := view.known.get(verdict.symbol)) and known.last_quote_seq:
        here = f"#{known.last_quote_seq} was published before this tap started"
    elif reason is Unusable.OTHER_SOURCE and quote is not None:
        here = f"quote from {quote.source}, health from {health.source if health else 'no node'}"
    elif reason is Unusable.OTHER_CONNECTION and quote is not None and health is not None:
        here = f"the quote came over connection {quote.connection}, the line is now on {health.connection}"
    elif reason is Unusable.LOST_NEWER and quote is not None:
        known = view.known.get(verdict.symbol)
        here = f"#{known.last_quote_seq if known else '?'} was announced, #{quote.seq} was received"
    elif reason is Unusable.TOO_OLD:
        known, age_ns = view.known.get(verdict.symbol), verdict.age_ns
        if age_ns is None and known is not None:
            age_ns = measure_announced_age_ns(view, verdict, known, now_ns)
        here = f"{format_duration(age_ns)} old, the limit is {format_duration(view.max_age_ns)}"
    elif reason.name in Flag.__members__ and quote is not None:
        here = f"flags {quote.flags}"
    return BrokenRule(str(reason), rule, here, change)


def _quote(verdict: Verdict) -> LastQuote | None:
    quote = verdict.quote
    if quote is None:
        return None
    return LastQuote(
        bid_price=quote.bid_price,
        bid_size=quote.bid_size,
        ask_price=quote.ask_price,
        ask_size=quote.ask_size,
        spread=quote.spread,
        age_ns=verdict.age_ns,
        source=quote.source,
        seq=quote.seq,
        connection=quote.connection,
        flags=tuple((flag.name or "").lower() for flag in Flag if quote.flags & flag),
        exchange_ns=quote.exchange_ns,
    )


def _line(view: View, verdict: Verdict, now_ns: int) -> ConnectionLine | None:
    health = verdict.health
    if health is None:
        return None
    _, heard_ns = view.healths.get(health.node + " " + health.source, (health, now_ns))
    return make_line(health, heard_ns, view.book, now_ns)


def _explain_line(shown: ConnectionLine | None) -> Meaning:
    """What the line's state and cause mean, and what would change them."""
    if shown is None:
        return REASONS[Unusable.NO_HEALTH]
    if shown.silent:
        return REASONS[Unusable.HEALTH_SILENT]
    if shown.state not in list(ConnectionState):
        return Meaning("this tap does not know that state", "")
    state, cause = ConnectionState(shown.state), _find_cause(shown.cause)
    if state in _SELF_EXPLAINING:
        return LINE_STATES[state]
    if state is ConnectionState.SUSPECT and cause in SUSPECT:
        return SUSPECT[cause]
    means, change = LINE_STATES[state]
    if shown.retry_in_ns is not None:
        change += f"; next try in {format_duration(max(0, shown.retry_in_ns))}"
    if cause is not None:
        means = f"{CAUSES[cause].means}; {means}"
    return Meaning(means, _add_change(change, cause))


def _add_change(change: str, cause: Cause | None) -> str:
    """What would change a state, with what its cause calls for."""
    more = "" if cause is None else CAUSES[cause].change
    if change == NO_CHANGE or not more or more == change:
        return change
    return f"{change}; for that: {more}" if change else more


def _find_cause(cause: str) -> Cause | None:
    return Cause(cause) if cause in list(Cause) else None


def _askers(view: View, symbol: str, known: KnownStatus | None, now_ns: int) -> list[Requester]:
    """Leases as the node publishes them, then requests that no node has turned into a lease."""
    asks = {client: ask for client, ask in view.asks.items() if ask.wants and view.focus == symbol}
    found: list[Requester] = []
    for claim in known.claims if known is not None else ():
        ask = asks.pop(claim.client, None)
        left_ns = claim.lease_left_ms * NS_PER_MS - (now_ns - known.heard_ns if known is not None else 0)
        found.append(
            Requester(
                client=claim.client,
                priority=claim.priority,
                lease_left_ns=max(0, left_ns),
                asked_ago_ns=now_ns - ask.heard_ns if ask else None,
                symbols=ask.symbols if ask else None,
                channels=ask.channels if ask else (),
                answered=ask.answered if ask else "",
                holds=True,
            )
        )
    found += (
        Requester(
            client=ask.client,
            priority=ask.priority,
            lease_left_ns=None,
            asked_ago_ns=now_ns - ask.heard_ns,
            symbols=ask.symbols,
            channels=ask.channels,
            answered=ask.answered,
            holds=False,
        )
        for ask in asks.values()
    )
    return sorted(found, key=lambda asker: (-asker.priority, asker.client))


def format_when(explanation: Explanation) -> str:
    """The instant of the answer, for a heading."""
    return f"{format_clock(explanation.now_ns)}Z"
