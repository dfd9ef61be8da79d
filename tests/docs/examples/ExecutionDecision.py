from quotebus import BusClient, ExecutionDecision, now_ns

with BusClient(name="my-worker") as bus:
    bus.request(["SPY"], wait_s=5)
    verdict = bus.assess("SPY")
    decision = ExecutionDecision(
        client="my-worker",
        decision_id="my-worker-1",
        now_ns=now_ns(),
        symbol="SPY",
        side="buy",
        qty=1.0,
        action="limit" if verdict.usable else "refuse",
        limit_price=verdict.quote.mid if verdict.usable and verdict.quote else None,
        reasons=tuple(map(str, verdict.reasons)),
        quote=(verdict.quote.source, verdict.quote.seq) if verdict.quote else ("", 0),
        health=(verdict.health.source, verdict.health.seq) if verdict.health else ("", 0),
        status=verdict.standing.reference if verdict.standing else ("", 0),
        config_hash="",
    )
    print(bus.publish(decision))
