"""One plain event of each kind, and a way to make variants of it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, settings

from quotebus.bus import codec
from quotebus.bus.events import (
    AckRow,
    AssetFacts,
    Claim,
    ConnectionHealth,
    Counters,
    Event,
    ExecutionDecision,
    ExecutionOutcome,
    HaltClaim,
    IntentReport,
    OrderUpdate,
    Quote,
    RecorderHealth,
    ReportedOrder,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolStatus,
    Trade,
    TradeIntent,
)

EventT = TypeVar("EventT", bound=Event)

QUICK = settings(max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
"""Properties: no deadline of their own on a busy machine, and nothing kept between runs, which differ."""

SOURCE = "pricing-3f9c2a"
UTC_NS = 1_767_623_400_000_000_000
"""2026-01-05T14:30:00Z, when the samples were published."""
_ENVELOPE: dict[str, Any] = {"source": SOURCE, "seq": 7, "published_ns": UTC_NS}

QUOTE = Quote(
    **_ENVELOPE,
    symbol="SPY",
    bid_price=687.25,
    bid_size=3.0,
    ask_price=687.27,
    ask_size=2.0,
    bid_exchange="V",
    ask_exchange="V",
    conditions=("R",),
    tape="B",
    exchange_ns=UTC_NS - 1_200_000,
    received_ns=UTC_NS - 60_000,
    conflated=0,
    flags=0,
    connection=1,
)
TRADE = Trade(
    **_ENVELOPE,
    symbol="SPY",
    price=687.26,
    size=100.0,
    exchange="V",
    conditions=("@",),
    tape="B",
    trade_id=52983525029461,
    exchange_ns=UTC_NS - 1_200_000,
    received_ns=UTC_NS - 60_000,
    connection=1,
)
STATUS = SymbolStatus(
    **_ENVELOPE,
    symbol="SPY",
    state="live",
    cause="demand",
    since_ns=UTC_NS - 5_000_000_000,
    clients=(Claim("worker-1", 0, 9_800),),
    last_quote_ns=UTC_NS,
    last_quote_seq=7,
    halt="trading",
    halt_kind="status",
    halt_exchange_ns=UTC_NS - 1_800_000_000_000,
    rank=0,
    asset=AssetFacts(tradable=True, tick="0.01", read_ns=UTC_NS - 3_600_000_000_000),
)
HEALTH = ConnectionHealth(
    **_ENVELOPE,
    node="pricing",
    feed="iex",
    state="streaming",
    cause="demand",
    detail="",
    since_ns=UTC_NS - 5_000_000_000,
    connection=1,
    attempt=0,
    next_retry_ns=None,
    last_frame_ns=UTC_NS - 60_000,
    desired=1,
    acknowledged=1,
    live=1,
    gap_start_ns=None,
    gap_end_ns=None,
    lag_ns=1_140_000,
    feed_class="real_time",
    session="regular",
    domain="*,!*/*",
    rank=0,
)
REQUESTED = SymbolsRequested(
    source="worker-0b51d7",
    seq=1,
    published_ns=UTC_NS,
    client="worker-1",
    request_id="1",
    symbols=("SPY", "QQQ"),
    channels=("quotes",),
    priority=0,
    ttl_ms=15_000,
    snapshot=False,
    halts=(HaltClaim("QQQ", UTC_NS - 60_000_000_000),),
)
ACKNOWLEDGED = SymbolsAcknowledged(
    **_ENVELOPE,
    client="worker-1",
    request_id="1",
    results=(
        AckRow("SPY", "live", "demand", codec.encode(QUOTE).partition(b"\0")[2], 7),
        AckRow("QQQ", "pending", "demand", None, 0, asset=AssetFacts(tradable=False, lot="1", near=("QQQM",))),
    ),
    cause="demand",
    lease_ms=15_000,
    part=1,
    parts=1,
)
ORDER = OrderUpdate(
    **_ENVELOPE,
    alias="paper",
    event="partial_fill",
    order_id="o-1",
    client_order_id="c-1",
    symbol="SPY",
    side="buy",
    qty="10",
    filled_qty="2.5",
    price="687.26",
    exchange_ns=UTC_NS - 1_200_000,
    received_ns=UTC_NS - 60_000,
    status="partially_filled",
    execution_id="e-1",
    execution_qty="1.5",
    position_qty="102.5",
    filled_avg_price="687.25",
    replaced_by="",
    original='{"event":"partial_fill","order":{"id":"o-1"}}',
)
DECISION = ExecutionDecision(
    source="worker-0b51d7",
    seq=1,
    published_ns=UTC_NS,
    client="worker-1",
    decision_id="worker-1-1",
    now_ns=UTC_NS - 10_000,
    symbol="SPY",
    side="buy",
    qty=1.0,
    action="limit",
    limit_price=687.26,
    reasons=(),
    quote=(SOURCE, 7),
    health=(SOURCE, 7),
    status=(f"ack:{SOURCE}", 7),
    config_hash="52f674bc92e8",
    quote_age_ns=900_000,
    health_age_ns=900_000,
    config='{"fallback":"market","max_age_ns":60000000000}',
    decided_by="trading/good",
)
INTENT = TradeIntent(
    source="strategy-77aa10",
    seq=1,
    published_ns=UTC_NS,
    client="strategy",
    intent_id="strategy-1",
    symbol="SPY",
    side="sell",
    qty=5.0,
    urgency="normal",
    deadline_ns=UTC_NS + 60_000_000_000,
)
REPORT = IntentReport(
    source="worker-0b51d7",
    seq=2,
    published_ns=UTC_NS,
    client="strategy",
    intent_id="strategy-1",
    worker="worker-1",
    account="paper/",
    symbol="SPY",
    side="sell",
    qty="5",
    outcome=ExecutionOutcome.WORKING,
    state="resting",
    cause="new",
    filled="2",
    average_price="687.2600",
    arrival_price="687.26",
    orders=(ReportedOrder("qb-sell-77aa10c3d4e5-1", "o-1", "open", "2"),),
    reasons=(),
)
RECORDER = RecorderHealth(
    source="recorder-9d0e44",
    seq=1,
    published_ns=UTC_NS,
    name="all",
    state="recording",
    cause="demand",
    file="20260105T143000Z.mcap",
    messages=1_200,
    bytes=150_000,
    lost=0,
)
COUNTERS = Counters(
    source=SOURCE, seq=1, published_ns=UTC_NS, program="pricing-node", counters={"quotes_published": 1200, "gaps": 0}
)

SAMPLES: dict[str, Event] = {
    "symbols.requested": REQUESTED,
    "symbols.acknowledged": ACKNOWLEDGED,
    "quote": QUOTE,
    "trade": TRADE,
    "symbol": STATUS,
    "health": HEALTH,
    "order": ORDER,
    "decision": DECISION,
    "intent": INTENT,
    "report": REPORT,
    "recorder": RECORDER,
    "counters": COUNTERS,
}


def like(event: EventT, **changes: Any) -> EventT:
    """The sample with some fields changed."""
    return msgspec.structs.replace(event, **changes)
