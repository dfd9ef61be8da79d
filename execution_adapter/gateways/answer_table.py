"""What a broker's refusal means: one table, by HTTP status first, then by text. Pure.

Alpaca's codes are used again for other texts, and their first digits need not be the HTTP status, so they decide
nothing. The first row that fits is the answer. Tests are made from the rows, each from its `example`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum

from quotebus.execution_adapter.orders.order import Request, Until


class AnswerMeaning(StrEnum):
    """What an answer says of the request."""

    LATER = "later"
    """It had no effect, and may be made again after `until`."""
    NEVER = "never"
    """It had no effect, and would be refused again."""
    EXISTS = "exists"
    """An order has this client order id: it is there, and must be looked up."""
    READ = "read"
    """The order is not where the request takes it to be: it must be read."""
    UNKNOWN = "unknown"
    """It may or may not have had an effect: only looking the order up will tell."""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One kind of answer. `text` is a pattern in the message, in small letters; empty fits every one.

    `field` names a number in the body that must not be 0. `said`: the body is the broker's own JSON with a message.
    """

    request: Request
    statuses: Container[int]
    text: str
    meaning: AnswerMeaning
    source: str
    example: tuple[int, Mapping[str, object]]
    until: Until = Until.TRIES
    field: str = ""
    said: bool = True


_LATER, _NEVER, _EXISTS, _READ, _UNKNOWN = AnswerMeaning
_SERVER = range(500, 600)
_REFUSED = (400, 403, 409, 422)
_NOTES = "REST notes, checked with curl"
_BODIES = "error bodies in other clients"
_PLACING = "Alpaca: Placing Orders"
_LIMITS = "Alpaca: Market Data reference; rate limits of its broker skill"


def _place(
    statuses: Container[int], text: str, meaning: AnswerMeaning, source: str, example: tuple[int, str],
    until: Until = Until.TRIES, field: str = "", *, said: bool = True, **fields: object,
) -> AnswerRow:  # fmt: skip
    status, message = example
    body = {"message": message, **fields} if message else {}
    return AnswerRow(Request.PLACE, statuses, text, meaning, source, (status, body), until, field, said)


PLACE_ROWS: tuple[AnswerRow, ...] = (
    _place(_REFUSED, r"client.?order.?id.*(unique|exist|already|duplicate)|duplicate.*client.?order.?id",
           _EXISTS, f"{_NOTES}; also after the first order was canceled, and reported as 409",
           (422, "client_order_id must be unique")),
    _place(range(400, 500), "too many requests|rate limit", _LATER, f"{_LIMITS}; a proxy's own status",
           (429, "rate limit exceeded"), Until.TIME),
    _place((401,), "", _NEVER, f"{_NOTES}: until the keys change",
           (401, "request is not authorized"), said=False),
    _place((403,), "insufficient qty available", _LATER, "error bodies that users quote",
           (403, "insufficient qty available for order (requested: 10, available: 6)"), Until.SHARES, "held_for_orders",
           held_for_orders="4", related_orders=["a"]),
    _place((403,), "insufficient qty available", _NEVER, f"{_BODIES}: nothing is held back, there are no more",
           (403, "insufficient qty available for order (requested: 10, available: 6)"), held_for_orders="0"),
    _place((403,), "insufficient buying power", _LATER,
           f"{_NOTES}: open orders hold it back, and sales bring it a moment after their fills",
           (403, "insufficient buying power"), Until.POWER, buying_power="10", cost_basis="100"),
    _place((403, 422), "wash trade", _LATER,
           "Alpaca's broker skill: bracket, oco and trailing orders are exempt",
           (403, "potential wash trade detected. use complex orders"), Until.ORDER, existing_order_id="a",
           reject_reason="opposite side limit order exists"),
    _place((403,), r"short|not authori[sz]ed|unauthori[sz]ed|liquidation|restricted|blocked|suspended|not permitted",
           _NEVER, f"{_NOTES}, {_BODIES}", (403, "account is not allowed to short")),
    _place((403,), r"fraction|cost basis|notional", _NEVER, f"{_NOTES}, {_BODIES}",
           (403, 'asset "SPY" is not fractionable')),
    _place((403,), "pattern day trad", _NEVER, f"{_NOTES}: before July 2026",
           (403, "trade denied due to pattern day trading protection")),
    _place((400, 422), "", _NEVER, f"{_PLACING}; {_BODIES}: a field, a price, the asset, the session",
           (422, "invalid limit_price 100.001. sub-penny increment does not fulfill minimum pricing criteria")),
    _place((404,), "", _NEVER, f"{_BODIES}: a path or an asset that is not there", (404, "endpoint not found")),
    _place((429,), "", _LATER, _LIMITS, (429, ""), Until.TIME, said=False),
    _place((408, 409), "", _UNKNOWN, "RFC 9110: the server did not wait for the request, or did half of it",
           (408, ""), said=False),
    _place(range(400, 500), "", _LATER, "nobody's own words, as from a proxy: a few times",
           (403, ""), said=False),
    _place(_SERVER, "", _UNKNOWN, f"{_LIMITS}: look it up, then send it again under the same id",
           (504, ""), said=False),
    _place(range(1000), "", _UNKNOWN, "no answer of this protocol", (302, ""), said=False),
)  # fmt: skip


def _cancel(
    statuses: Container[int], meaning: AnswerMeaning, source: str, example: int, until: Until = Until.TRIES
) -> AnswerRow:
    return AnswerRow(Request.CANCEL, statuses, "", meaning, source, (example, {}), until, said=False)


CANCEL_ROWS: tuple[AnswerRow, ...] = (
    _cancel((429,), _LATER, _LIMITS, 429, Until.TIME),
    _cancel((408, 409), _UNKNOWN, "RFC 9110", 408),
    _cancel(range(400, 500), _READ, "Alpaca: not open any more, not sent yet, or not shown yet", 422),
    _cancel(range(1000), _UNKNOWN, "Alpaca's broker skill: look it up", 504),
)
ROWS = (*PLACE_ROWS, *CANCEL_ROWS)


def find_row(request: Request, status: int, body: Mapping[str, object]) -> AnswerRow:
    """The row of an answer that is no success. `body`: its JSON object, empty when it has none."""
    message = str(body.get("message") or "").lower()
    for row in PLACE_ROWS if request is Request.PLACE else CANCEL_ROWS:
        if status not in row.statuses or (row.said and not message) or not re.search(row.text, message):
            continue
        if not row.field or _is_some(body.get(row.field)):
            return row
    raise ValueError(f"no HTTP status: {status}")


def _is_some(value: object) -> bool:
    try:
        return float(str(value)) > 0
    except ValueError:
        return False
