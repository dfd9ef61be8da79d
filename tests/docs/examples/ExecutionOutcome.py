from quotebus import BusClient, ExecutionOutcome

with BusClient(name="strategy") as bus:
    result = bus.execute("SPY", "sell", "all", answer_s=1)
    if result.outcome is ExecutionOutcome.UNANSWERED:
        print("no worker:", ", ".join(result.reasons))
    else:
        print(result.outcome, result.filled)
