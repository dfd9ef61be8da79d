"""What a client says of a symbol: what is the matter with the client itself, then the book's judgement. Pure."""

from __future__ import annotations

from dataclasses import replace

from quotebus.bus.consumer import Consumer
from quotebus.bus.interest import SymbolResult
from quotebus.bus.verdict import Reasons, Unusable, Verdict


def assess(consumer: Consumer, symbol: str, at_ns: int, *, behind: bool = False) -> Verdict:
    """The judgement on a price. `behind`: not all that has come was read."""
    verdict = consumer.book.assess(symbol, at_ns)
    own: list[Unusable] = []
    if symbol not in consumer.interest.results:
        own.append(Unusable.NOT_REQUESTED)
    else:
        if consumer.interest.conflict_since_ns is not None:
            own.append(Unusable.CLIENT_CONFLICT)
        if not consumer.confirmed:
            own.append(Unusable.UNCONFIRMED)
    if behind:
        own.append(Unusable.READER_BEHIND)
    return replace(verdict, reasons=Reasons((*own, *verdict.reasons))) if own else verdict


def judge_results(consumer: Consumer, at_ns: int) -> dict[str, SymbolResult]:
    """What is known of every symbol of the last request, each with the reasons against its price."""
    return {symbol: judge_result(consumer, result, at_ns) for symbol, result in consumer.interest.all_results().items()}


def judge_result(consumer: Consumer, result: SymbolResult, at_ns: int) -> SymbolResult:
    """The result with the reasons against its price."""
    return replace(result, reasons=assess(consumer, result.symbol, at_ns).reasons)


def has_arrived(consumer: Consumer, symbol: str, at_ns: int) -> bool:
    """Whether waiting for this symbol is of no use any more: it is usable, or waiting will not make it so."""
    result = consumer.interest.results.get(symbol)
    if result is None or (result.acknowledged and result.hopeless):
        return True
    return assess(consumer, symbol, at_ns).usable
