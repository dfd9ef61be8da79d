"""The control endpoint: paths and JSON bodies to calls on the exchange."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from quotebus.pricing.simulator.encoding import BINARY_OPCODE, TEXT_OPCODE, is_unicode
from quotebus.pricing.simulator.exchange import Exchange
from quotebus.pricing.simulator.http_control import HttpError, HttpRequest
from quotebus.pricing.simulator.records import Quote, Trade, TradingStatus
from quotebus.pricing.simulator.statuses import EVENTS, word_status
from quotebus.pricing.simulator.trading.market_hours import SESSIONS
from quotebus.pricing.simulator.trading.order import OF_AN_EXECUTION, TRANSITIONS


def _check_unicode(text: str) -> str:
    if not is_unicode(text):
        raise ValueError("a lone surrogate is not text")
    return text


Number = Annotated[int, Field(strict=True, ge=-(1 << 63), lt=1 << 64)] | Annotated[float, Field(strict=True)]
Text = Annotated[str, AfterValidator(_check_unicode)]
Symbol = Annotated[Text, Field(min_length=1, max_length=32)]
Word = Annotated[Text, Field(max_length=1024)]
UtcNs = Annotated[int, Field(strict=True, ge=0, lt=1 << 63)]


class Body(BaseModel):
    """Base of all bodies: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class RateBody(Body):
    """Quotes per second over all symbols; 0: as fast as the clients read."""

    rate: float = Field(ge=0, le=10_000_000, allow_inf_nan=False)


class QuoteBody(Body):
    """A quote, values verbatim."""

    symbol: Symbol
    bid: Number
    ask: Number
    bid_size: Number = 100
    ask_size: Number = 100
    bid_exchange: Word = "V"
    ask_exchange: Word = "V"
    tape: Word | None = None
    t_ns: UtcNs | None = None


class TradeBody(Body):
    """A trade, values verbatim."""

    symbol: Symbol
    price: Number
    size: Number = 100
    id: Annotated[int, Field(strict=True, ge=0, lt=1 << 63)] = 1
    exchange: Word = "V"
    tape: Word | None = None
    t_ns: UtcNs | None = None


class StatusBody(Body):
    """A trading status, values verbatim."""

    symbol: Symbol
    code: Word
    message: Word = ""
    reason_code: Word = ""
    reason: Word = ""
    tape: Word | None = None
    t_ns: UtcNs | None = None


class EventBody(Body):
    """A halt, pause or resumption, with the codes and texts of the symbol's tape."""

    symbol: Symbol
    t_ns: UtcNs | None = None


class OrderEventBody(Body):
    """An event to force on an order; `order` is its id or its client_order_id."""

    order: Annotated[Text, Field(min_length=1, max_length=128)]
    event: Word
    reason: Word = ""


class ExecutionBody(Body):
    """The order whose last execution is taken back; `order` is its id or its client_order_id."""

    order: Annotated[Text, Field(min_length=1, max_length=128)]


class CorrectionBody(ExecutionBody):
    """What takes the place of an order's last execution."""

    qty: Annotated[Decimal, Field(gt=0, le=10_000_000, max_digits=24, decimal_places=9)]
    price: Annotated[Decimal, Field(gt=0, le=1_000_000_000, max_digits=24, decimal_places=9)]


class SessionBody(Body):
    """The market's session from now on."""

    session: Word


class RawBody(Body):
    """A frame's payload: either text, or binary in hexadecimal."""

    text: str | None = None
    hex: str | None = None


BodyT = TypeVar("BodyT", bound=Body)
_log = logging.getLogger(__name__)


class ControlApi:
    """Answers control requests. HttpError with a reason for one that it does not understand."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._routes: Mapping[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "/state"): self._state,
            ("GET", "/counters"): self._counters,
            ("GET", "/faults"): self._meanings,
            ("GET", "/halts"): self._halts,
            ("POST", "/faults"): self._change_faults,
            ("DELETE", "/faults"): self._lift_faults,
            ("POST", "/rate"): self._rate,
            ("POST", "/quote"): self._quote,
            ("POST", "/trade"): self._trade,
            ("POST", "/status"): self._status,
            **{("POST", f"/{event}"): partial(self._event, event) for event in EVENTS},
            ("POST", "/raw"): self._raw,
            ("POST", "/order_event"): self._order_event,
            ("POST", "/bust"): self._bust,
            ("POST", "/correct"): self._correct,
            ("POST", "/session"): self._session,
        }

    def answer(self, request: HttpRequest) -> object:
        """The JSON value that answers a request."""
        _log.debug("control: %.16s %.64s", request.method, request.path)
        route = self._routes.get((request.method, request.path))
        if route is not None:
            return route(request.body)
        if any(path == request.path for _, path in self._routes):
            raise HttpError(405, f"{request.method[:16]} is not allowed here")
        raise HttpError(404, "no such path")

    def _state(self, _: bytes) -> object:
        return self._exchange.state()

    def _halts(self, _: bytes) -> object:
        return self._exchange.halts.listing()

    def _counters(self, _: bytes) -> object:
        return self._exchange.counters()

    def _meanings(self, _: bytes) -> object:
        return self._exchange.fault_meanings()

    def _change_faults(self, body: bytes) -> object:
        try:
            return {"faults": self._exchange.change_faults(_object(body))}
        except ValueError as error:
            raise HttpError(400, str(error)) from None

    def _lift_faults(self, _: bytes) -> object:
        self._exchange.lift_faults()
        return {"faults": {}}

    def _rate(self, body: bytes) -> object:
        rate = _read(RateBody, body).rate
        self._exchange.set_rate(rate)
        return {"rate": rate}

    def _quote(self, body: bytes) -> object:
        given = _read(QuoteBody, body)
        return self._reply(
            self._exchange.inject(
                Quote(
                    given.symbol, given.bid_exchange, given.bid, given.bid_size, given.ask_exchange, given.ask,
                    given.ask_size, self._tape(given.symbol, given.tape), self._t_ns(given.symbol, given.t_ns),
                )
            )
        )  # fmt: skip

    def _trade(self, body: bytes) -> object:
        given = _read(TradeBody, body)
        return self._reply(
            self._exchange.inject(
                Trade(
                    given.symbol, given.id, given.exchange, given.price, given.size,
                    self._tape(given.symbol, given.tape), self._t_ns(given.symbol, given.t_ns),
                )
            )
        )  # fmt: skip

    def _status(self, body: bytes) -> object:
        given = _read(StatusBody, body)
        return self._reply(
            self._exchange.inject(
                TradingStatus(
                    given.symbol, given.code, given.message, given.reason_code, given.reason,
                    self._tape(given.symbol, given.tape), self._t_ns(given.symbol, given.t_ns),
                )
            )
        )  # fmt: skip

    def _event(self, event: str, body: bytes) -> object:
        given = _read(EventBody, body)
        tape = self._tape(given.symbol, None)
        t_ns = self._t_ns(given.symbol, given.t_ns)
        return self._reply(self._exchange.inject(TradingStatus(given.symbol, *word_status(event, tape), tape, t_ns)))

    def _raw(self, body: bytes) -> object:
        given = _read(RawBody, body)
        if (given.text is None) == (given.hex is None):
            raise HttpError(400, "give either text or hex")
        if given.text is not None:
            return self._reply(self._exchange.inject_raw(TEXT_OPCODE, given.text.encode("utf-8", "surrogatepass")))
        try:
            payload = bytes.fromhex(given.hex or "")
        except ValueError:
            raise HttpError(400, "hex: not hexadecimal digits") from None
        return self._reply(self._exchange.inject_raw(BINARY_OPCODE, payload))

    def _order_event(self, body: bytes) -> object:
        given = _read(OrderEventBody, body)
        if given.event not in TRANSITIONS or given.event in OF_AN_EXECUTION:
            raise HttpError(400, "event: unknown, or of an execution, which the market, /bust and /correct make")
        with _told():
            self._exchange.brokerage.force_event(given.order, given.event, given.reason)
        return {"event": given.event}

    def _bust(self, body: bytes) -> object:
        with _told():
            self._exchange.brokerage.bust(_read(ExecutionBody, body).order)
        return {"event": "trade_bust"}

    def _correct(self, body: bytes) -> object:
        given = _read(CorrectionBody, body)
        with _told():
            self._exchange.brokerage.correct(given.order, given.qty, given.price)
        return {"event": "trade_correct"}

    def _session(self, body: bytes) -> object:
        session = _read(SessionBody, body).session
        if session not in SESSIONS:
            raise HttpError(400, f"session: one of {', '.join(SESSIONS)}")
        self._exchange.brokerage.set_session(session)
        return {"session": session}

    def _tape(self, symbol: str, tape: str | None) -> str:
        return self._exchange.broadcast.market(symbol).profile.tape if tape is None else tape

    def _t_ns(self, symbol: str, t_ns: int | None) -> int:
        return self._exchange.time_ns(symbol) if t_ns is None else t_ns

    def _reply(self, receivers: int) -> object:
        return {"sent_to": receivers}


@contextmanager
def _told() -> Iterator[None]:
    """A ValueError becomes the answer to the request."""
    try:
        yield
    except ValueError as error:
        raise HttpError(400, str(error)) from None


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise HttpError(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise HttpError(400, "the body is not a JSON object")
    return value


def _read(kind: type[BodyT], body: bytes) -> BodyT:
    try:
        return kind.model_validate(_object(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise HttpError(400, f"{name}: {first['msg']}") from None
