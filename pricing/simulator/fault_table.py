"""Every fault that the simulator knows, with what its value may be and what it does. Pure.

The meaning begins with when the fault acts:

- standing: true (or a number, a status, symbols) holds until false or null lifts the fault;
- counted: an integer n acts on the next n occasions, and the fault is lifted then; true acts on every occasion;
- at once: acts on the connections that are open at that moment, and is not kept.

To add a fault: one row here, one question (`on`, `take`, `value`, `symbols`) where it acts, one row in the README.
"""

from __future__ import annotations

from dataclasses import dataclass

from quotebus.pricing.simulator import fault_values as values
from quotebus.pricing.simulator.fault_values import Reader


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: how its value is read (ValueError for a bad one), what it does, and whether it is kept in the plan."""

    name: str
    read: Reader
    meaning: str
    at_once: bool = False


CONNECT = (
    Fault("refuse", values.flag, "standing: TCP connects are refused; open connections stay open"),
    Fault("black_hole", values.flag, "standing: TCP connects get no answer; open connections stay open"),
    Fault("reset", values.flag, "standing: TCP is accepted and reset at once; open connections stay open"),
    Fault("silent", values.times, "counted: TCP is accepted, the HTTP upgrade gets no answer; lifted: it is answered"),
    Fault("tls_wrong", values.flag, "standing: new TLS connections are shown the second certificate"),
    Fault("tls_1_0", values.flag, "standing: new TLS connections are offered TLS 1.0 only"),
    Fault("http_status", values.status, "standing: the HTTP upgrade is answered with this status"),
    Fault("retry_after_s", values.number(0, 86_400, "seconds"),
          "standing: the Retry-After header of an http_status answer"),
    Fault("long_header", values.times, "counted: the answer to the HTTP upgrade has a header line of 1 MiB"),
)  # fmt: skip
PROTOCOL = (
    Fault("no_greeting", values.times, "counted: no 'connected' message after the upgrade"),
    Fault("auth_fail", values.times, "counted: every key is answered with 402"),
    Fault("auth_error", values.code_times, "standing, or counted as [code, n]: auth is answered with this error"),
    Fault("drop_auth", values.times, "counted: auth gets no answer"),
    Fault("close_after_auth", values.times, "counted: the connection is closed (FIN) right after 'authenticated'"),
    Fault("symbol_limit", values.whole(0, 1_000_000, "a number"),
          "standing: replaces --symbol-limit; 0 means no limit"),
    Fault("subscribe_error", values.code_times,
          "standing, or counted as [code, n]: subscribe changes nothing and is answered with this error"),
    Fault("error", values.code, "at once: all open connections get this error", at_once=True),
    Fault("slow_client", values.flag, "at once: all open connections get error 407 and are closed", at_once=True),
    Fault("close_after_error", values.times,
          "counted: the connection is closed (FIN) after an auth_error, subscribe_error or error"),
    Fault("close_code", values.close_code,
          "at once: all open connections get a WebSocket close frame with this code, then FIN", at_once=True),
    Fault("drop_ack", values.times, "counted: subscribe and unsubscribe take effect but are not acknowledged"),
    Fault("late_ack_ms", values.milliseconds, "standing: acknowledgements are delayed by this much; data is not"),
    Fault("ack_missing", values.symbols, "standing: acknowledgements omit these symbols, and they do not tick"),
    Fault("ack_extra", values.symbols, "standing: acknowledgements also list these symbols, which were not requested"),
)  # fmt: skip
LINE = (
    Fault("mute", values.symbols_or_all,
          "standing: the streams send no market data, of these symbols or at all; pings, requests, injected quotes and "
          "REST data still work"),
    Fault("no_pong", values.flag, "standing: pings are not answered"),
    Fault("mute_symbol", values.symbols, "standing: these symbols do not tick"),
    Fault("flood", values.number(1, 10_000, "a multiple of the rate"), "standing: ticks come at this multiple of it"),
    Fault("latency_ms", values.milliseconds, "standing: everything is sent this much later, in the same order"),
    Fault("slicer_ms", values.number(0.1, 60_000, "milliseconds"), "standing: one byte every so many milliseconds"),
    Fault("throttle_bytes_s", values.whole(1, 1_000_000_000, "bytes per second"),
          "standing: at most this many bytes per second on each connection"),
    Fault("half_open", values.times, "true: open connections are sent nothing and what they send is not read; "
          "n: the next n connections too, after their first acknowledgement; lifted: they go on"),
    Fault("half_open_new", values.flag, "standing: new connections go half-open after their first acknowledgement"),
    Fault("half_frame", values.times, "as half_open, but half of a data frame is sent first"),
    Fault("cut", values.cut, "rst or fin: all open connections end at once; "
          "n: the next n connections are reset after their first data frame"),
    Fault("cut_mid_frame", values.how_times,
          "standing, or counted as [how, n]: half of a data frame is sent, then RST or FIN"),
)  # fmt: skip
FRAMES = (
    Fault("garbage", values.times, "counted: a data frame holds random bytes"),
    Fault("bad_utf8", values.times, "counted: a data frame is text that is not UTF-8"),
    Fault("wrong_opcode", values.times, "counted: a data frame has the reserved opcode 3"),
    Fault("swapped_opcode", values.times, "counted: a data frame has the text opcode for binary, or the reverse"),
    Fault("reserved_bits", values.times, "counted: a data frame has a reserved bit set"),
    Fault("masked", values.times, "counted: a data frame is masked, as only client frames may be"),
    Fault("huge_frame", values.times,
          "counted: a data frame claims 2**40 bytes and starts sending them; lifted: such connections are reset"),
    Fault("huge_message", values.times,
          "counted: a data frame is the first fragment of an endless message; lifted: such connections are reset"),
)  # fmt: skip
RECORDS = (
    Fault("wrong_types", values.symbols_or_all, "standing: one field of each record has a value of the wrong type"),
    Fault(
        "wrong_extras",
        values.symbols_or_all,
        "standing: one field besides symbol, prices, sizes and time is null or of the wrong type",
    ),
    Fault("missing_fields", values.symbols_or_all, "standing: one field of each record is missing"),
    Fault("duplicate_keys", values.symbols_or_all, "standing: each record has one price twice, with different values"),
    Fault("unknown_type", values.symbols_or_all, "standing: records have an unknown message type T"),
    Fault("nan", values.symbols_or_all, "standing: the bid, or a trade's price, is NaN"),
    Fault("infinite", values.symbols_or_all, "standing: the ask, or a trade's price, is infinite"),
    Fault("negative", values.symbols_or_all, "standing: the bid, or a trade's price, is below zero"),
    Fault("zero_bid", values.symbols_or_all, "standing: there is no bid: its price and size are 0"),
    Fault("crossed", values.symbols_or_all, "standing: bid and ask are swapped"),
    Fault("locked", values.symbols_or_all, "standing: bid and ask are equal"),
    Fault("huge_price", values.symbols_or_all, "standing: prices are 1e308"),
    Fault("size_zero", values.symbols_or_all, "standing: sizes are 0"),
    Fault("repeat_time", values.symbols_or_all, "standing: every record repeats the time of the previous one"),
    Fault("backward_time", values.symbols_or_all, "standing: every record is 1 ms older than the previous one"),
    Fault("skew_ms", values.skew, "standing: exchange timestamps are off by this much; negative is behind"),
)
REST = (
    Fault("rest_status", values.code_times, "standing, or counted as [status, n]: REST requests get this status"),
    Fault("rest_html", values.times,
          "counted: an answer with status 429 or 5xx has an HTML body, as from a proxy in between"),
    Fault("rest_limit", values.whole(0, 1_000_000, "requests"),
          "standing: replaces --rest-limit, the order requests a minute for each key; 0 means no limit"),
    Fault("rest_retry_after_s", values.whole(0, 86_400, "seconds"),
          "standing: answers with status 429 and 503 have a Retry-After header"),
    Fault("rest_no_rate_headers", values.flag, "standing: answers have no X-RateLimit headers"),
    Fault("rest_auth_fail", values.times, "counted: a REST request is rejected as unauthorized (401)"),
    Fault("rest_delay_ms", values.milliseconds, "standing: REST answers are delayed by this much; their effect is not"),
    Fault("rest_drop_reply", values.times, "counted: a POST, PATCH or DELETE takes effect but gets no answer"),
    Fault("rest_cut_reply", values.times,
          "counted: a POST, PATCH or DELETE takes effect but gets RST instead of an answer"),
    Fault("rest_late_status", values.code_times,
          "standing, or counted as [status, n]: a POST, PATCH or DELETE takes effect but is answered with this status"),
    Fault("duplicate_status", values.code,
          "standing: a client_order_id that was used before gets this status instead of 422"),
    Fault("order_hidden_ms", values.milliseconds,
          "standing: look-ups do not find a new order (404, left out of lists) for this long after its acceptance; "
          "lifted: they find it"),
    Fault("order_status_word", values.word, "standing: REST and updates show open orders with this status"),
    Fault("position_late_ms", values.milliseconds, "standing: positions show each fill this much later"),
    Fault("buying_power", values.number(0, 1e12, "dollars"), "standing: the account has this much buying power"),
    Fault("qty_held", values.amounts,
          "standing: so many shares of each of these symbols are held back by orders that are not shown"),
    Fault("asset_unknown", values.symbols_or_all, "standing: the broker has no such assets"),
    Fault("asset_inactive", values.symbols_or_all, "standing: these assets are inactive"),
    Fault("not_tradable", values.symbols_or_all, "standing: orders in these symbols are refused"),
    Fault("not_fractionable", values.symbols_or_all,
          "standing: orders for fractions and for dollars in these symbols are refused"),
    Fault("not_shortable", values.symbols_or_all, "standing: orders to sell these symbols short are refused"),
    Fault("wash_allowed", values.flag,
          "standing: orders that could meet an open order of the other side are not refused"),
)  # fmt: skip
ORDERS = (
    Fault("order_refuse", values.code_times, "standing, or counted as [status, n]: a new order gets this HTTP status"),
    Fault("order_reject", values.times, "counted: a new order is accepted and then rejected"),
    Fault("order_ack_ms", values.milliseconds, "standing: new orders and replacements stay pending_new this long"),
    Fault("order_cancel_ms", values.milliseconds, "standing: cancels stay pending_cancel this long"),
    Fault("cancel_reject", values.times, "counted: a cancel is accepted and then rejected"),
    Fault("replace_reject", values.times, "counted: a replacement is accepted and then rejected"),
    Fault("fill_after_cancel", values.times, "counted: an order is filled after its cancel was accepted"),
    Fault("fill_partial", values.flag, "standing: each fill is at most half of what remains, and never the last share"),
    Fault("fill_ms", values.milliseconds, "standing: each fill is delayed by this much"),
)
UPDATES = (
    Fault("update_lost", values.times, "counted: an order update is never sent"),
    Fault("update_duplicate", values.times, "counted: an order update is sent twice"),
    Fault("update_reorder", values.times, "counted: an order update is sent after the next one, or after 0.5 s"),
    Fault(
        "update_late_ms",
        values.milliseconds,
        "standing: each order update is delayed by its own draw, so updates may overtake one another",
    ),
    Fault("update_null", values.times, "counted: an update with null data is sent before the next one"),
)
STREAM = (
    Fault("stream_http_status", values.status, "standing: the upgrade of an order stream is answered with this status"),
    Fault("stream_auth_fail", values.times, "counted: an order stream's keys are answered with unauthorized"),
    Fault("stream_drop_auth", values.times, "counted: an order stream's auth gets no answer"),
    Fault("stream_drop_ack", values.times, "counted: listen takes effect but is not acknowledged"),
    Fault("stream_error", values.code, "at once: all open order streams get an error, then FIN", at_once=True),
    Fault("stream_cut", values.cut,
          "rst or fin: all open order streams end at once; n: the next n are reset after their first update"),
    Fault("stream_cut_mid_frame", values.how_times,
          "standing, or counted as [how, n]: half of an update is sent, then RST or FIN"),
    Fault("stream_half_open", values.times,
          "true: open order streams are sent nothing; n: the next n too, after their first acknowledgement"),
    Fault("stream_bad_utf8", values.times, "counted: an order update is text that is not UTF-8"),
    Fault("stream_latency_ms", values.milliseconds, "standing: everything on order streams is sent this much later"),
)  # fmt: skip

GROUPS = (CONNECT, PROTOCOL, LINE, FRAMES, RECORDS, REST, ORDERS, UPDATES, STREAM)
FAULTS: dict[str, Fault] = {fault.name: fault for group in GROUPS for fault in group}
FRAME_FAULTS = tuple(fault.name for fault in FRAMES)
RECORD_FAULTS = tuple(fault.name for fault in RECORDS)
