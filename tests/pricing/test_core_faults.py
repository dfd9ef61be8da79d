"""Hours of random faults and wishes in seconds: no exception, health every second, and afterwards everything heals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, ConnectionHealth
from quotebus.pricing.demand import admit
from quotebus.pricing.subscription_set import SIDE_CHANNELS, STATUSES
from tests.support.core_rig import CoreRig
from tests.support.seeds import seeds
from tests.support.upstream import QT

SYMBOLS = [f"S{number}" for number in range(12)]
CLIENTS = "abcdef"
CODES = [400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 500, 999]


def wish(rig: CoreRig) -> None:
    rng = rig.rng
    symbols = rng.sample([*SYMBOLS, "*", "bad"], rng.choice([0, 0, 1, 2, 5, 12]))
    rig.ask(
        rng.choice(CLIENTS), *symbols, priority=rng.randrange(-2, 3), ttl_ms=rng.choice([1_000, 5_000, 60_000]),
        channels=rng.choice([("quotes",), ("trades",), QT]),
    )  # fmt: skip


def mischief(rig: CoreRig) -> None:
    """One random thing that may happen to a node."""
    rng, upstream, symbol = rig.rng, rig.upstream, rig.rng.choice([*SYMBOLS, "X"])
    match rng.randrange(20):
        case 0 | 1 | 2 | 3 | 4:
            wish(rig)
        case 5 | 6:
            rig.quote(symbol, good=rng.random() < 0.7)
        case 7:
            rig.status(symbol, rng.choice("HPQT23Z"))
        case 8:
            rig.trade(symbol)
        case 9:
            rig.lose(rng.choice([Cause.RESET, Cause.CLOSED, Cause.PROTOCOL, Cause.TOO_BIG]))
        case 10 if rng.random() < 0.7:
            rig.error(rng.choice(CODES))
        case 11 if rng.random() < 0.7:
            rig.dials = not rig.dials
        case 12:
            rig.answers = not rig.answers
        case 13:
            rig.alive = not rig.alive
        case 14:
            rig.hears = rng.random() < 0.7
        case 15 if rig.dialling:
            rig.refuse_dial(rng.choice([Cause.DNS, Cause.TLS, Cause.HTTP_429]), for_operator=rng.random() < 0.2)
        case 16:
            upstream.limit = rng.choice([None, None, 0, 3, 8])
            upstream.poisoned = frozenset(rng.sample(SYMBOLS, rng.choice([0, 0, 1, 3])))
            upstream.no_statuses = rng.random() < 0.2
            upstream.no_lulds = rng.random() < 0.2
            upstream.moody = rng.choice([0, 0, 0.3])
        case 17 if rng.random() < 0.3:
            source = rng.choice(["pricing-000001", "pricing-ffffff"])
            state = rng.choice(["idle", "streaming", "standby"])
            rig.hear(source, state, times=rng.choice([1, 2]))
        case 18 if rng.random() < 0.2:
            rig.core.on_lock(rng.random() < 0.7, rig.now_ns)
            rig.settle()
        case 10 if rng.random() < 0.3:
            rig.shared.lag_ns = rng.choice([0, 0, NS_PER_S, 9 * NS_PER_S])
            rig.step()
        case 11 if rng.random() < 0.5:
            rig.venue_ahead_s = rng.choice([None, 0.0, 0.0, 5.0])
            rig.step()
        case 19:
            rig.shared.last_byte_ns = rig.now_ns
            rig.core.on_record(rig.upstream.answer(), rig.now_ns)
            rig.settle()
        case _:
            rig.step()


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds(2))
def test_an_hour_of_faults_and_then_all_is_well(seed: int) -> None:
    rig = CoreRig(limit=[None, 10, 4][seed % 3], linger_s=5, quiet_s=3, seed=seed)
    for _ in range(4_000):
        mischief(rig)
        rig.run(rig.rng.choice([0.01, 0.3, 2, 20]))
        if len(rig.events) > 1_000_000:
            raise AssertionError("says far too much")
    times = [at for at, event in rig.events if isinstance(event, ConnectionHealth)]
    assert max(b - a for a, b in pairwise(times)) <= NS_PER_S
    assert {"idle", "connecting", "authenticating", "streaming", "suspect", "backing_off", "standby", "refused"} <= {
        health.state for health in rig.all(ConnectionHealth)
    }
    heal(rig)


def heal(rig: CoreRig) -> None:
    """All faults end; within two minutes the line streams what is wanted and nothing else, and every symbol is live."""
    rig.dials = rig.answers = rig.alive = rig.hears = True
    rig.shared.lag_ns = 0
    upstream = rig.upstream
    upstream.limit, upstream.poisoned, upstream.moody = None, frozenset(), 0
    upstream.no_statuses = upstream.no_lulds = False
    rig.core.on_lock(True, rig.now_ns)
    rig.settle()
    rig.run(10)
    for client in CLIENTS:
        rig.ask(client, ttl_ms=120_000)
    rig.run(70)
    rig.ask("a", *SYMBOLS[:6], ttl_ms=120_000, channels=QT)
    rig.ask("b", *SYMBOLS[4:9], ttl_ms=120_000, priority=1)
    rig.run(65)
    assert rig.health().state == "streaming", rig.health()
    admitted = admit(rig.core.demand.wanted, rig.core._identity.symbol_limit, rig.core.allocation.last)
    data = {(channel, symbol) for symbol, wish in admitted.items() for channel in wish.channels}
    for symbol in admitted:
        rig.status(symbol, "T")
    assert {entry for entry in upstream.entries if entry[0] not in SIDE_CHANNELS} == data
    everything = rig.core.reconciler.subscriptions.all_statuses
    for along in SIDE_CHANNELS:
        expected = {"*"} if along == STATUSES and everything else set(admitted)
        assert {symbol for channel, symbol in upstream.entries if channel == along} == expected
    for symbol in admitted:
        rig.quote(symbol)
    states = {symbol: rig.core.symbols.state(symbol) for symbol in rig.core.demand.wanted}
    assert states == {symbol: "live" if symbol in admitted else "evicted" for symbol in rig.core.demand.wanted}
    assert rig.health().detail == ""
