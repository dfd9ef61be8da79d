"""The class of a feed is part of every judgement, through the real programs."""

from __future__ import annotations

import pytest

from quotebus.bus.events import ExecutionDecision
from tests.support.programs import eventually
from tests.support.world import World


@pytest.mark.long
def test_delayed_prices_are_used_only_by_name(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node(PRICING_FEED_CLASS="delayed")
    plain, named = world.client("plain"), world.client("named", accept=["delayed"])
    named.request(["SPY"], wait_s=10)
    plain.request(["SPY"], wait_s=10)
    eventually(lambda: named.usable("SPY"))
    eventually(lambda: plain.assess("SPY").reasons == ("class_not_accepted",))
    with pytest.raises(ValueError, match="not a class of feeds: late"):
        world.client("wrong", accept=["late"])


def test_a_worker_with_a_brokers_gateway_orders_nothing_on_simulated_prices(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    log = world.log(b"decision.")
    worker = world.worker(
        EXECUTION_GATEWAY="paper",
        EXECUTION_API_KEY="key",
        EXECUTION_API_SECRET="canary-secret",
        EXECUTION_INTENTS="SPY buy 10 in 2s",
        EXECUTION_FALLBACK="market",
        EXECUTION_PATIENCE_S="0.5",
        EXECUTION_GRACE_S="1",
        EXECUTION_GIVE_UP_S="2",
        EXECUTION_JOURNAL_DIR=str(world.folder / "journal"),
    )
    decision, _ = log.wait(ExecutionDecision, lambda decision: decision.quote != ("", 0), within_s=20)
    assert decision.action == "refuse"
    assert "class_not_accepted" in decision.reasons
    assert worker.wait(30) == 3, "nothing was sent from here, so nothing is open, though no broker is there"
    assert not any("CHECK AT BROKER" in line for line in worker.lines)
    assert {decision.action for decision in log.all(ExecutionDecision)} == {"refuse"}
