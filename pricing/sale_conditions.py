"""What a trade's sale conditions say: whether it may set the last price, and whether it proves trading. Pure.

Source: the sale conditions of the consolidated tape (CTS) and of UTP (UTDF), column "last", and Alpaca's market data
FAQ. The strictest member of a trade's list decides; what is not in the table sets and proves nothing. What proves
trading follows from what a condition means: late, averaged, derived or contingent trades say nothing about now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

OFF_EXCHANGE = "D"
"""The code of trades reported from outside the exchanges, up to 10 s after they were made and not marked as late."""


class Proof(IntEnum):
    """What a trade proves of a symbol that may be halted, the weakest first."""

    NONE = 0
    EXTENDED = 1
    """That it trades, in extended hours only."""
    REGULAR = 2
    """That it trades, once the trade is so much newer than the halt that it cannot be from before."""
    REOPENING = 3
    """That trading has just resumed."""


@dataclass(frozen=True, slots=True)
class SaleCondition:
    """One code as it is used on `tapes`."""

    code: str
    tapes: str
    meaning: str
    sets_last: bool
    proof: Proof = Proof.NONE


_TABLE = (
    SaleCondition(" ", "ABCO", "regular", True, Proof.REGULAR),
    SaleCondition("@", "ABCO", "regular", True, Proof.REGULAR),
    SaleCondition("E", "AB", "automatic execution", True, Proof.REGULAR),
    SaleCondition("F", "ABC", "intermarket sweep", True, Proof.REGULAR),
    SaleCondition("5", "ABCO", "reopening", True, Proof.REOPENING),
    SaleCondition("O", "ABCO", "opening", True, Proof.REGULAR),
    SaleCondition("6", "ABC", "closing", True),
    SaleCondition("X", "ABC", "cross, periodic auction", True),
    SaleCondition("K", "ABC", "rule 127 or 155", True),
    SaleCondition("Y", "C", "yellow flag", True),
    SaleCondition("S", "C", "split", True),
    SaleCondition("A", "C", "acquisition", True),
    SaleCondition("D", "C", "distribution", True),
    SaleCondition("1", "C", "stopped", True),
    SaleCondition("B", "C", "bunched", True),
    SaleCondition("B", "AB", "average price", False),
    SaleCondition("T", "ABCO", "extended hours", True, Proof.EXTENDED),
    SaleCondition("U", "ABCO", "extended hours, out of sequence", False),
    SaleCondition("I", "ABCO", "odd lot", False),
    SaleCondition("L", "ABC", "sold last, late", False),
    SaleCondition("Z", "ABC", "sold, out of sequence", False),
    SaleCondition("G", "C", "bunched sold, late", False),
    SaleCondition("P", "ABCO", "prior reference price", False),
    SaleCondition("4", "ABC", "derivatively priced", False),
    SaleCondition("W", "CO", "average price", False),
    SaleCondition("H", "ABC", "price variation", False),
    SaleCondition("C", "ABCO", "cash", False),
    SaleCondition("N", "ABCO", "next day", False),
    SaleCondition("R", "ABCO", "seller", False),
    SaleCondition("V", "ABC", "contingent", False),
    SaleCondition("7", "ABC", "qualified contingent", False),
    SaleCondition("M", "ABC", "official close", False),
    SaleCondition("Q", "ABC", "official open", False),
    SaleCondition("9", "ABC", "corrected close", False),
)
"""`T` sets the last price: in the regular session there are no such trades, and outside it all are."""

_ON_ANY_TAPE = frozenset(row.code for row in _TABLE if row.sets_last) - {"B"}
_ON_TAPE_C = frozenset({"B"})
"""Bunched; on tapes A and B it is an average price."""
_PROOFS: dict[tuple[str, str], Proof] = {(row.code, tape): row.proof for row in _TABLE for tape in row.tapes}


def sets_last(conditions: Iterable[str], tape: str) -> bool:
    """Whether a trade with these conditions may set the last price. A venue without conditions has only such trades."""
    return all(code in _ON_ANY_TAPE or (tape == "C" and code in _ON_TAPE_C) for code in conditions)


def find_proof(conditions: Iterable[str], tape: str, exchange: str, *, extended_hours: bool = False) -> Proof:
    """What a trade proves of a symbol that may be halted. Without conditions, or on an unknown tape, nothing."""
    if exchange == OFF_EXCHANGE:
        return Proof.NONE
    found = [_PROOFS.get((code, tape), Proof.NONE) for code in conditions]
    if not found or Proof.NONE in found:
        return Proof.NONE
    if Proof.EXTENDED in found and not extended_hours:
        return Proof.NONE
    return Proof.REOPENING if Proof.REOPENING in found else Proof.REGULAR
