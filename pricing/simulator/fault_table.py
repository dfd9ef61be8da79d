"""Every fault that the simulator knows, with what its value may be and what it does. Pure.

The meaning begins with when the fault acts:

- standing: true (or a number, a status, symbols) holds until it is lifted with false or null;
- counted: an integer n hits the next n occasions and is gone then; true instead of n hits every one;
- at once: acts on the connections open at that moment, and is not kept.

To add a fault: one row here, one question (`on`, `take`, `value`, `symbols`) where it acts, one row in the README.
"""

from __future__ import annotations

from dataclasses import dataclass

from quotebus.pricing.simulator import fault_values as values
from quotebus.pricing.simulator.fault_values import Reader


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how its value is read (ValueError if it cannot be), what it does, whether it is kept."""

    name: str
    read: Reader
    meaning: str
    at_once: bool = False


CONNECT = (
    Fault("refuse", values.flag, "standing: TCP connects are refused; open connections live on"),
    Fault("black_hole", values.flag, "standing: TCP connects are neither accepted nor refused; open ones live on"),
    Fault("silent", values.times, "counted: TCP is accepted, the HTTP upgrade never answered; lifted: it is answered"),
    Fault("tls_wrong", values.flag, "standing: new TLS connections see the second certificate"),
    Fault("tls_1_0", values.flag, "standing: new TLS connections are offered TLS 1.0 and nothing newer"),
    Fault("http_status", values.status, "standing: the HTTP upgrade is answered with this status"),
    Fault("retry_after_s", values.number(0, 86_400, "seconds"),
          "standing: the Retry-After header that goes with http_status"),
    Fault("long_header", values.times, "counted: the answer to the HTTP upgrade has a header line of 1 MiB"),
)  # fmt: skip
PROTOCOL = (
    Fault("no_greeting", values.times, "counted: no 'connected' after the upgrade"),
    Fault("auth_fail", values.times, "counted: every key is answered with 402"),
    Fault("auth_error", values.code_times, "standing, or counted as [code, n]: auth is answered with this error"),
    Fault("drop_auth", values.times, "counted: auth is not answered at all"),
    Fault("close_after_auth", values.times, "counted: closed (FIN) right after 'authenticated'"),
    Fault("symbol_limit", values.whole(0, 1_000_000, "a number"),
          "standing: this limit instead of --symbol-limit; 0: none"),
    Fault("subscribe_error", values.code_times,
          "standing, or counted as [code, n]: subscribe changes nothing and is answered with this error"),
    Fault("error", values.code, "at once: this error to all open connections", at_once=True),
    Fault("slow_client", values.flag, "at once: 407 to all open connections, which are closed", at_once=True),
    Fault("close_after_error", values.times,
          "counted: closed (FIN) after an error of auth_error, subscribe_error or error"),
    Fault("close_code", values.close_code,
          "at once: a WebSocket close frame with this code to all open connections, then FIN", at_once=True),
    Fault("drop_ack", values.times, "counted: subscribe and unsubscribe take effect, but are not acknowledged"),
    Fault("late_ack_ms", values.milliseconds, "standing: acknowledgements come this much later, data goes on"),
    Fault("ack_missing", values.symbols, "standing: these symbols are left out of acknowledgements and do not tick"),
    Fault("ack_extra", values.symbols, "standing: acknowledgements list these too, though nobody asked"),
)  # fmt: skip
LINE = (
    Fault("mute", values.flag, "standing: no data; pings, requests and injected quotes still work"),
    Fault("mute_symbol", values.symbols, "standing: these symbols do not tick"),
    Fault("flood", values.number(1, 10_000, "how many times the rate,"), "standing: this many times the rate"),
    Fault("latency_ms", values.milliseconds, "standing: everything is sent this much later, order kept"),
    Fault("slicer_ms", values.number(0.1, 60_000, "milliseconds"), "standing: one byte in so many milliseconds"),
    Fault("throttle_bytes_s", values.whole(1, 1_000_000_000, "bytes a second"),
          "standing: at most this many bytes a second on each connection"),
    Fault("half_open", values.times, "true: open connections get no byte, what they send is not read; "
          "n: so do the next n connections after their first acknowledgement; lifted: they go on"),
    Fault("half_open_new", values.flag, "standing: new connections go half-open after their first acknowledgement"),
    Fault("half_frame", values.times, "as half_open, but with the first half of a data frame sent before"),
    Fault("cut", values.cut, "rst or fin: ends all connections at once; "
          "n: the next n connections are reset after their first data frame"),
    Fault("cut_mid_frame", values.how_times,
          "standing, or counted as [how, n]: half of a data frame is sent, then RST or FIN"),
)  # fmt: skip
FRAMES = (
    Fault("garbage", values.times, "counted: a data frame holds random bytes"),
    Fault("bad_utf8", values.times, "counted: a data frame is text that is no UTF-8"),
    Fault("wrong_opcode", values.times, "counted: a data frame has the reserved opcode 3"),
    Fault("swapped_opcode", values.times, "counted: a data frame says text for binary, or binary for text"),
    Fault("reserved_bits", values.times, "counted: a data frame has a reserved bit set"),
    Fault("masked", values.times, "counted: a data frame is masked, as only a client's may be"),
    Fault("huge_frame", values.times,
          "counted: a data frame claims 2**40 bytes, which begin to come; lifted: such connections are reset"),
    Fault("huge_message", values.times,
          "counted: a data frame is the first of endless fragments; lifted: such connections are reset"),
)  # fmt: skip
RECORDS = (
    Fault("wrong_types", values.symbols_or_all, "standing: a field of each record has a value of another type"),
    Fault("missing_fields", values.symbols_or_all, "standing: a field of each record is missing"),
    Fault("duplicate_keys", values.symbols_or_all, "standing: a price comes twice in each record, with two values"),
    Fault("unknown_type", values.symbols_or_all, "standing: records have a T that does not exist"),
    Fault("nan", values.symbols_or_all, "standing: the bid, or a trade's price, is not a number"),
    Fault("infinite", values.symbols_or_all, "standing: the ask, or a trade's price, is infinite"),
    Fault("negative", values.symbols_or_all, "standing: the bid, or a trade's price, is below zero"),
    Fault("zero_bid", values.symbols_or_all, "standing: there is no bid, its price and size are 0"),
    Fault("crossed", values.symbols_or_all, "standing: bid and ask change places"),
    Fault("locked", values.symbols_or_all, "standing: bid and ask are the same"),
    Fault("huge_price", values.symbols_or_all, "standing: prices are 1e308"),
    Fault("size_zero", values.symbols_or_all, "standing: sizes are 0"),
    Fault("repeat_time", values.symbols_or_all, "standing: every record has the time of the one before"),
    Fault("backward_time", values.symbols_or_all, "standing: every record is 1 ms older than the one before"),
    Fault("skew_ms", values.skew, "standing: the exchange's clock is off by this much; negative is behind"),
)
REST = (
    Fault("rest_status", values.code_times, "standing, or counted as [status, n]: REST requests get this status"),
    Fault("rest_auth_fail", values.times, "counted: a REST request is not authorized (401)"),
    Fault("rest_delay_ms", values.milliseconds, "standing: REST answers come this much later; what they say is done"),
    Fault("rest_drop_reply", values.times, "counted: a request that changed something is never answered"),
    Fault("rest_cut_reply", values.times, "counted: a request that changed something gets RST for an answer"),
)
ORDERS = (
    Fault("order_refuse", values.code_times, "standing, or counted as [status, n]: a new order gets this HTTP status"),
    Fault("order_reject", values.times, "counted: a new order is taken in and then rejected"),
    Fault("order_ack_ms", values.milliseconds, "standing: new orders and replacements begin to work this much later"),
    Fault("order_cancel_ms", values.milliseconds, "standing: a cancel takes effect this much later"),
    Fault("cancel_reject", values.times, "counted: a cancel is taken in and then rejected"),
    Fault("replace_reject", values.times, "counted: a replacement is taken in and then rejected"),
    Fault("fill_after_cancel", values.times, "counted: an order whose cancel was taken in is filled before it"),
    Fault("fill_partial", values.flag, "standing: an order gets at most half of what is left, never the last share"),
    Fault("fill_ms", values.milliseconds, "standing: fills come this much later, the first and each next one"),
)
UPDATES = (
    Fault("update_lost", values.times, "counted: an order update is never sent"),
    Fault("update_duplicate", values.times, "counted: an order update is sent twice"),
    Fault("update_reorder", values.times, "counted: an order update is sent after the next one, or 0.5 s later"),
    Fault("update_late_ms", values.milliseconds, "standing: order updates come this much later, each by itself"),
    Fault("update_null", values.times, "counted: an update whose data is null comes before the next one"),
)
STREAM = (
    Fault("stream_http_status", values.status, "standing: the upgrade of an order stream is answered with this status"),
    Fault("stream_auth_fail", values.times, "counted: an order stream's keys are unauthorized"),
    Fault("stream_drop_auth", values.times, "counted: an order stream's auth is not answered"),
    Fault("stream_drop_ack", values.times, "counted: listen takes effect, but is not acknowledged"),
    Fault("stream_error", values.code, "at once: an error to all open order streams, then FIN", at_once=True),
    Fault("stream_cut", values.cut,
          "rst or fin: ends all order streams at once; n: the next n are reset after their first update"),
    Fault("stream_cut_mid_frame", values.how_times,
          "standing, or counted as [how, n]: half of an update is sent, then RST or FIN"),
    Fault("stream_half_open", values.times,
          "true: open order streams get no byte; n: so do the next n after their first acknowledgement"),
    Fault("stream_latency_ms", values.milliseconds, "standing: everything on order streams is sent this much later"),
)  # fmt: skip

GROUPS = (CONNECT, PROTOCOL, LINE, FRAMES, RECORDS, REST, ORDERS, UPDATES, STREAM)
FAULTS: dict[str, Fault] = {fault.name: fault for group in GROUPS for fault in group}
FRAME_FAULTS = tuple(fault.name for fault in FRAMES)
RECORD_FAULTS = tuple(fault.name for fault in RECORDS)
