"""The venue's REST data from a server that says what it is told to: rows, failures, bounds, and an idle reader."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing import rest_reader, venue_rest
from quotebus.pricing.rest_connection import RestFailed
from quotebus.pricing.venue_answers import Latest, make_path, read_rows
from quotebus.pricing.venue_rest import VenueAnswer, VenueRest
from tests.support.http_server import serving
from tests.support.programs import eventually

SECRET = "canary-secret"
QUOTE = {"t": "2026-01-05T14:30:00.000000005Z", "bp": 10.0, "bs": 100, "ap": 10.01, "as": 200, "c": ["R"]}
TRADE = {"t": "2026-01-05T14:30:01Z", "p": 10.5, "s": 3, "x": "V", "c": ["@", "I"], "z": "C", "i": 7}
AT_NS = 1_767_623_400 * NS_PER_S


class Venue(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.status, self.value = 200, b"{}"
        self.headers: dict[str, str] = {}
        self.drip = False
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Venue
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        venue = self.server
        venue.asked.append((self.path, dict(self.headers)))
        self.send_response(venue.status)
        for name, text in venue.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(venue.value)))
        self.end_headers()
        if venue.drip:
            while not venue.over.wait(0.05):
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
        self.wfile.write(venue.value)

    def log_message(self, *_: object) -> None:
        pass


def serve() -> Iterator[Venue]:
    server = Venue()
    with serving(server):
        yield server
        server.over.set()


@pytest.fixture
def venue() -> Iterator[Venue]:
    yield from serve()


class Reader:
    def __init__(self, url: str) -> None:
        self.answers: Queue[VenueAnswer] = Queue()
        self.rest = VenueRest(url, "iex", None, lambda: ("key", SECRET), self.answers.put)

    def ask(self, what: Latest = Latest.SNAPSHOTS, *symbols: str) -> VenueAnswer:
        self.rest.ask(what, symbols or ("A", "B"), 5)
        return self.answers.get(timeout=10)


@pytest.fixture
def reader(venue: Venue) -> Reader:
    return Reader(f"http://127.0.0.1:{venue.server_port}")


def is_idle() -> bool:
    return not any(thread.name == "venue-rest" for thread in threading.enumerate())


def test_a_snapshot_is_read_with_keys_in_headers_and_nothing_lives_on(venue: Venue, reader: Reader) -> None:
    assert is_idle()
    venue.value = json.dumps({"A": {"latestQuote": QUOTE, "latestTrade": TRADE}, "B": {"latestTrade": None}}).encode()
    answer = reader.ask()
    assert (answer.number, answer.why) == (5, "")
    quote, trade = answer.rows["A"].quote, answer.rows["A"].trade
    assert quote is not None
    assert trade is not None
    assert (quote.exchange_ns, quote.bid_price, quote.ask_size) == (AT_NS + 5, 10.0, 200)
    assert (trade.exchange_ns, trade.conditions, trade.exchange, trade.tape) == (AT_NS + NS_PER_S, ("@", "I"), "V", "C")
    assert answer.rows["B"] == type(answer.rows["B"])()
    path, headers = venue.asked[0]
    assert path == "/v2/stocks/snapshots?symbols=A%2CB&feed=iex"
    assert SECRET not in path
    assert headers["APCA-API-SECRET-KEY"] == SECRET
    eventually(is_idle, within_s=5)


def test_latest_quotes_and_trades(venue: Venue, reader: Reader) -> None:
    venue.value = json.dumps({"quotes": {"A": QUOTE}}).encode()
    quote = reader.ask(Latest.QUOTES).rows["A"].quote
    assert quote is not None
    assert quote.exchange_ns == AT_NS + 5
    venue.value = json.dumps({"trades": {"A": {**TRADE, "c": None, "x": None}}}).encode()
    trade = reader.ask(Latest.TRADES).rows["A"].trade
    assert trade is not None
    assert (trade.price, trade.conditions) == (10.5, ())
    assert [path.partition("?")[0] for path, _ in venue.asked] == [
        "/v2/stocks/quotes/latest",
        "/v2/stocks/trades/latest",
    ]


@pytest.mark.parametrize(
    ("status", "value", "why"),
    [
        (200, b"<html>", "not JSON"),
        (200, b"[" * 100_000, "not JSON"),
        (200, b"[]", "not an answer about snapshots"),
        (200, b'{"A": 5}', "not an answer about snapshots"),
        (200, b'{"A": {"latestQuote": {"t": "yesterday"}}}', "not an answer about snapshots"),
        (200, b'{"A": {"latestQuote": {"t": 5}}}', "not an answer about snapshots"),
        (200, b" " * (VenueRest.max_body_bytes + 1), f"an answer of more than {VenueRest.max_body_bytes} bytes"),
        (404, b"", "not an answer about snapshots"),
        (302, b"", "HTTP 302"),
        (403, b'{"message": "forbidden."}', "HTTP 403"),
        (500, b"", "HTTP 500"),
    ],
)
def test_what_is_no_answer_is_an_error_and_the_next_question_is_answered(
    venue: Venue, reader: Reader, status: int, value: bytes, why: str
) -> None:
    venue.status, venue.value = status, value
    assert reader.ask().why == why
    venue.status, venue.value = 200, b"{}"
    assert reader.ask().why == ""


def test_an_answer_that_drips_is_cut(venue: Venue, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VenueRest, "within_s", 0.3)
    venue.drip, venue.value = True, b" " * 1_000_000
    assert reader.ask().why != ""


def test_429_is_obeyed(venue: Venue, reader: Reader) -> None:
    venue.status, venue.headers = 429, {"Retry-After": "60"}
    assert reader.ask().why == "HTTP 429"
    assert reader.ask().why == "the budget of requests is used up"
    assert len(venue.asked) == 1


def test_more_than_the_budget_is_not_asked(venue: Venue, reader: Reader) -> None:
    answers = [reader.ask().why for _ in range(venue_rest.BURST + 1)]
    assert answers == [""] * venue_rest.BURST + ["the budget of requests is used up"]
    assert len(venue.asked) == venue_rest.BURST


def test_more_questions_than_may_wait_are_refused(venue: Venue, reader: Reader) -> None:
    venue.drip, venue.value = True, b"{}"
    for number in range(rest_reader.MOST_WAITING + 2):
        reader.rest.ask(Latest.SNAPSHOTS, ("A",), number)
        if number == 0:
            eventually(lambda: bool(venue.asked), within_s=5)
    assert reader.answers.get(timeout=5).why == "too many questions wait"
    reader.rest.abandon()
    venue.over.set()
    eventually(is_idle, within_s=10)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9", "https://127.0.0.1:9"])
def test_without_an_address_or_a_listener_there_is_no_answer_and_no_thread(url: str) -> None:
    answer = Reader(url).ask()
    assert answer.why in ("no address of the venue's REST data", "ConnectionRefusedError")
    assert not answer.rows
    eventually(is_idle, within_s=5)


def test_a_question_holds_at_most_100_symbols() -> None:
    path = make_path(Latest.QUOTES, tuple(f"S{number}" for number in range(500)), "sip")
    assert path.count("%2C") == 99


@pytest.mark.parametrize("answer", [None, 5, "text", {"quotes": None}, {"quotes": {"A": None}}, {"trades": {}}])
def test_an_answer_of_another_shape_is_an_error(answer: Any) -> None:
    with pytest.raises(RestFailed):
        read_rows(Latest.QUOTES, answer)
