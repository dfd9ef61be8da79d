"""Checks each published decision against what the simulated exchange really sent, without any of the product's logic.

It reads three things only: the audit file of the simulator, the bus as a plain subscriber heard it, and DESIGN's rule
of when a price may be used. `SLACK_NS` is what a busy machine may put between a message's publication and its arrival.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from pathlib import Path

from quotebus.bus import topics
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote, SymbolsAcknowledged, SymbolStatus
from tests.support.eventlog import EventLog
from tests.support.programs import eventually

SLACK_NS = 1_000_000_000
HEALTH_BOUND_NS = 3_000_000_000 + 100_000_000
"""The rule's three seconds, and the smallest delay seen from the source, which a consumer takes away."""
AGE_BOUND_NS = 60_000_000_000
_PRICE_STAYS = ("repeat_time", "backward_time", "skew_ms", "swapped_opcode")
"""Faults of the simulator that leave a price as it is; one that is older than the held quote is flagged besides."""
Sent = dict[tuple[str, int], set[tuple[float | None, float | None]]]
"""Symbol and exchange time to the prices that were sent for them."""


def judge(log: EventLog, audit: Path, *, heard_all: bool = True) -> Counter[str]:
    """Judge every decision heard so far; how many of each action. AssertionError names the first bad one.

    Where the broker was killed the log may have missed what a worker heard: with `heard_all` false a decision that
    names an unknown message is counted as `unjudged` instead, and a worker may have missed one health.
    """
    decisions = log.all(ExecutionDecision)
    quotes = {(q.source, q.seq, q.symbol): q for q in log.all(Quote)}
    in_order: dict[tuple[str, str], list[Quote]] = defaultdict(list)
    for each in sorted(quotes.values(), key=_number):
        if not each.flags & 8:
            in_order[each.symbol, each.source].append(each)
    # A node's order stream has a line and numbers of its own.
    healths = {
        (h.source, h.seq): h for h in log.all(ConnectionHealth, lambda health: not health.node.endswith(topics.ORDERS))
    }
    health_in_order = sorted(healths.values(), key=_published)
    heard_ns = {id(heard.event): heard.at_ns for heard in list(log.heard)}
    states = {(s.source, s.seq, s.symbol): s.state for s in log.all(SymbolStatus)}
    for ack in log.all(SymbolsAcknowledged):
        for row in ack.results:
            states[f"ack:{ack.source}", ack.seq, row.symbol] = row.state
    actions: Counter[str] = Counter()
    # What was heard comes first: a quote may be on the bus an instant before its line is in the file.
    sent = _sent(audit)
    limits = [d for d in decisions if d.action == "limit" and not _is_fallback(d)]
    named = {(q.symbol, q.exchange_ns) for d in limits if (q := quotes.get((*d.quote, d.symbol)))}
    if not named <= sent.keys():
        try:
            eventually(lambda: sent.update(_sent(audit)) or named <= sent.keys(), within_s=3)
        except AssertionError:
            missing = sorted(named - sent.keys())[:3]
            lines = [line for line in audit.read_text().splitlines() if any(str(t_ns) in line for _, t_ns in missing)]
            raise AssertionError(f"decided on, and never sent as good: {missing}, but {lines[:3]}") from None
    halts = read_halts(audit)
    for decision in decisions:
        check_halt(decision, halts)
        actions["collar" if _is_fallback(decision) else decision.action] += 1
        if decision.action != "limit" or _is_fallback(decision):
            assert decision.reasons, f"no reason: {decision}"
            halted = states.get((*decision.status, decision.symbol)) == "halted"
            assert not (halted and decision.action != "refuse"), f"an order while halted: {decision}"
            continue
        quote = quotes.get((*decision.quote, decision.symbol))
        health = healths.get(decision.health)
        state = states.get((*decision.status, decision.symbol))
        if not heard_all and (quote is None or health is None or state is None):
            actions["limit"] -= 1
            actions["unjudged"] += 1
            continue
        assert quote is not None, f"based on a quote that was never on the bus: {decision}"
        assert health is not None, f"based on a health that was never on the bus: {decision}"
        _check_price(decision, quote, sent)
        _check_line(decision, quote, health, health_in_order, heard_ns, missed=0 if heard_all else 1)
        assert state in ("live", "quiet"), f"not live but {state}: {decision}"
        followers = in_order[quote.symbol, quote.source]
        for newer in followers[bisect_right(followers, quote.seq, key=_number) :][:1]:
            was_there = _was_there(newer, decision, heard_ns)
            assert not was_there, f"a newer quote was there for over a second: {decision} {newer}"
    return actions


Halts = dict[str, list[tuple[int, int | None]]]
"""Symbol to the beginning and the end of each of its halts, by the exchange's own account."""


def read_halts(audit: Path) -> Halts:
    """The halts that the exchange began, whoever was told of them."""
    halts: Halts = defaultdict(list)
    written, _, _ = audit.read_text().rpartition("\n")
    for line in written.splitlines():
        if not line.startswith('{"exchange"'):
            continue
        record = json.loads(line)
        if record["event"] == "halt":
            halts[record["exchange"]].append((record["utc_ns"], None))
        else:
            began_ns, _ = halts[record["exchange"]].pop()
            halts[record["exchange"]].append((began_ns, record["utc_ns"]))
    return halts


def check_halt(decision: ExecutionDecision, halts: Halts, slack_ns: int = SLACK_NS) -> None:
    """In a symbol that the exchange has halted for `slack_ns` nothing is ordered but passive limits.

    Without a line nobody can know of a halt that began since: there a collar is what the decision table says.
    """
    if decision.action == "refuse":
        return
    blind = _is_fallback(decision) and not _LOST.isdisjoint(decision.reasons)
    passive = decision.action == "limit" and not _PASSIVE.isdisjoint(decision.reasons)
    for began_ns, ended_ns in halts.get(decision.symbol, ()):
        halted = began_ns + slack_ns <= decision.now_ns and (ended_ns is None or decision.now_ns < ended_ns)
        assert not halted or blind or passive, f"ordered while the exchange has halted it: {decision}"


_LOST = {"no_health", "health_silent", "not_streaming"}
_PASSIVE = {"aggression=0", "passive"}


def _is_fallback(decision: ExecutionDecision) -> bool:
    """A limit beyond the last good price, because there is none now."""
    return decision.action == "limit" and "collar" in decision.reasons


def _check_price(decision: ExecutionDecision, quote: Quote, sent: Sent) -> None:
    prices = sent.get((quote.symbol, quote.exchange_ns), set())
    assert (quote.bid_price, quote.ask_price) in prices, f"never sent: {quote}"
    assert quote.flags == 0, f"flagged: {quote}"
    assert quote.bid_price is not None
    assert quote.ask_price is not None
    assert decision.limit_price is not None
    assert quote.bid_price <= decision.limit_price <= quote.ask_price, f"outside the spread: {decision} {quote}"
    if decision.side == "buy":
        assert decision.limit_price < quote.ask_price, f"crosses: {decision} {quote}"
    else:
        assert decision.limit_price > quote.bid_price, f"crosses: {decision} {quote}"
    assert decision.now_ns - quote.published_ns <= AGE_BOUND_NS, f"too old: {decision} {quote}"


def _check_line(
    decision: ExecutionDecision,
    quote: Quote,
    health: ConnectionHealth,
    in_order: list[ConnectionHealth],
    heard_ns: dict[int, int],
    missed: int,
) -> None:
    """`missed`: how many healths a worker may have lost that the log has heard."""
    assert health.state == "streaming", f"line not streaming: {decision} {health}"
    assert (health.source, health.connection) == (quote.source, quote.connection), f"other line: {decision}"
    assert decision.now_ns - health.published_ns <= HEALTH_BOUND_NS, f"old health: {decision} {health}"
    for newer in in_order[bisect_right(in_order, health.published_ns, key=_published) :][missed : missed + 1]:
        was_there = _was_there(newer, decision, heard_ns)
        assert not was_there, f"a newer health was there for over a second: {decision} {newer}"


def _was_there(newer: Quote | ConnectionHealth, decision: ExecutionDecision, heard_ns: dict[int, int]) -> bool:
    """Whether the decision should have known of it. A node that is stopped between stamping and sending sends late."""
    published_long_ago = newer.published_ns < decision.now_ns - SLACK_NS
    return published_long_ago and heard_ns[id(newer)] < heard_ns[id(decision)] - SLACK_NS


def _number(quote: Quote) -> int:
    return quote.seq


def _published(health: ConnectionHealth) -> int:
    return health.published_ns


def _sent(audit: Path) -> Sent:
    sent: Sent = defaultdict(set)
    written, _, _ = audit.read_text().rpartition("\n")  # the last line may be under way
    for line in written.splitlines():
        record = json.loads(line)
        if record.get("fault") == "wrong_extras":
            fields = dict(record["written"])
            record = {"T": fields["T"], "symbol": fields["S"], "t_ns": fields["t"],
                      "bid": fields.get("bp"), "ask": fields.get("ap")}  # fmt: skip
        # One made wrong on purpose may not be decided on, unless only its time is, or what no price needs.
        if record.get("T") == "q" and record.get("fault", "repeat_time") in _PRICE_STAYS:
            sent[record["symbol"], record["t_ns"]].add((record["bid"], record["ask"]))
    return sent
