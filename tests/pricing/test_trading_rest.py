"""The venue's list of symbols, one symbol and the clock, from a server that says what it is told to; the kept file."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import msgspec
import pytest

from quotebus.bus.clock import utc_ns
from quotebus.pricing import trading_rest
from quotebus.pricing.asset_file import AssetFile
from quotebus.pricing.asset_list import Asset, AssetList, OrderTerms, read_assets
from quotebus.pricing.commands import Asked
from quotebus.pricing.sessions import read_clock
from quotebus.pricing.trading_budget import TradingBudget
from quotebus.pricing.trading_rest import FRESH_NS, AssetRead, AssetsRead, ClockRead, TradingAnswer, TradingRest
from tests.pricing.test_venue_rest import SECRET, Venue, serve
from tests.support.programs import eventually

LIST = [
    {"symbol": "SPY", "status": "active", "tradable": True, "attributes": ["has_options"]},
    {"symbol": "IBM", "status": "active", "tradable": False, "fractionable": False},
    {"symbol": "A/B", "tradable": True, "price_increment": "0.000100", "min_trade_increment": 100.0},
    {"symbol": "GONE", "status": "inactive", "tradable": False},
]
TERMS = {"SPY": OrderTerms(True), "IBM": OrderTerms(False, None, "1"), "A/B": OrderTerms(True, "0.0001", "100")}


@pytest.fixture
def venue() -> Iterator[Venue]:
    yield from serve()


class Reader:
    def __init__(self, url: str, folder: Path) -> None:
        self.answers: Queue[TradingAnswer] = Queue()
        budget = TradingBudget(url, folder, 1, lambda: ("key", SECRET))
        self.rest = TradingRest(url, folder, None, lambda: ("key", SECRET), self.answers.put, budget)

    def ask(self, what: Asked, symbol: str = "") -> TradingAnswer:
        self.rest.put((what, symbol))
        return self.answers.get(timeout=10)


@pytest.fixture
def reader(venue: Venue, tmp_path: Path) -> Reader:
    return Reader(f"http://127.0.0.1:{venue.server_port}", tmp_path)


def test_the_list_is_read_and_kept(venue: Venue, reader: Reader, tmp_path: Path) -> None:
    venue.value = json.dumps(LIST).encode()
    answer = reader.ask(Asked.LIST)
    assert isinstance(answer, AssetsRead)
    assert answer.assets is not None
    assert answer.assets.terms == TERMS
    assert 0 <= utc_ns() - answer.assets.read_ns < 10**10
    [path] = [path for path, _ in venue.asked]
    assert path == "/v2/assets?status=active&asset_class=us_equity"
    again = Reader(reader.rest.url, tmp_path).ask(Asked.LIST)
    assert isinstance(again, AssetsRead)
    assert again.assets == answer.assets
    assert len(venue.asked) == 1, "a list of today is not asked for again"


def test_an_old_list_counts_until_the_new_one_is_there(venue: Venue, reader: Reader, tmp_path: Path) -> None:
    AssetFile(tmp_path, reader.rest.url).write(AssetList({"OLD": OrderTerms(True)}, utc_ns() - FRESH_NS - 1))
    venue.value = json.dumps(LIST).encode()
    first, second = reader.ask(Asked.LIST), reader.answers.get(timeout=10)
    assert isinstance(first, AssetsRead)
    assert isinstance(second, AssetsRead)
    assert first.assets is not None
    assert second.assets is not None
    assert (set(first.assets.terms), set(second.assets.terms)) == ({"OLD"}, {"SPY", "IBM", "A/B"})


@pytest.mark.parametrize(
    ("status", "value", "why"),
    [
        (403, b"{}", "HTTP 403"),
        (404, b"{}", "no list of symbols there"),
        (200, b"[]", "no list of symbols there"),
        (200, b'{"message":"?"}', "of another shape"),
        (200, b'[{"name":"no symbol"}]', "not an asset"),
        (200, b"<html>", "of another shape"),
    ],
)
def test_what_is_no_list_is_said(venue: Venue, reader: Reader, status: int, value: bytes, why: str) -> None:
    venue.status, venue.value = status, value
    assert reader.ask(Asked.LIST) == AssetsRead(None, why)


def test_one_symbol(venue: Venue, reader: Reader) -> None:
    venue.value = json.dumps(LIST[3]).encode()
    gone = Asset("GONE", is_active=False, terms=OrderTerms(False))
    assert reader.ask(Asked.ASSET, "A/B") == AssetRead("A/B", gone)
    assert venue.asked[-1][0] == "/v2/assets/A%2FB"
    venue.status = 404
    assert reader.ask(Asked.ASSET, "APPL") == AssetRead("APPL", None)
    venue.status = 503
    assert reader.ask(Asked.ASSET, "APPL") == AssetRead("APPL", None, "HTTP 503")


@pytest.mark.parametrize(
    ("phases", "session"),
    [
        ({"NYSE": "core"}, "regular"),
        ({"NYSE": "pre", "BOATS": "core"}, "pre"),
        ({"NYSE": "post"}, "post"),
        ({"NYSE": "lunch"}, "closed"),
        ({"NYSE": "closed", "BOATS": "closed"}, "closed"),
        ({"NYSE": "closed", "BOATS": "core"}, "overnight"),
        ({"NYSE": "siesta"}, None),
        ({"BOATS": "core"}, None),
        ({}, None),
    ],
)
def test_the_clock(venue: Venue, reader: Reader, phases: dict[str, str], session: str | None) -> None:
    rows = [{"market": {"acronym": name}, "phase": phase} for name, phase in phases.items()]
    venue.value = json.dumps({"clocks": rows}).encode()
    answer = reader.ask(Asked.CLOCK)
    assert isinstance(answer, ClockRead)
    assert (answer.session, bool(answer.why)) == (session, session is None)


ODD: tuple[object, ...] = (None, True, 0, -1, 1.5, "", "core", "closed", [], ["core"], {}, {"acronym": "NYSE"})


def test_no_type_of_value_anywhere_in_a_clock_ends_anything_or_makes_a_session() -> None:
    """In each place each type, and a market that is said to be in two phases."""
    good: dict[str, object] = {"market": {"acronym": "NYSE"}, "phase": "core"}
    assert read_clock({"clocks": [good]}) == read_clock({"clocks": [good, dict(good)]}) == "regular"
    for odd in ODD:
        assert read_clock(odd) is read_clock({"clocks": odd}) is read_clock({"clocks": [odd]}) is None
        assert read_clock({"clocks": [{**good, "market": odd}]}) in (None, "regular")
        assert read_clock({"clocks": [{"market": {"acronym": odd}, "phase": "core"}]}) is None
        said = read_clock({"clocks": [{**good, "phase": odd}]})
        assert (said is not None) == (odd in ("core", "closed"))
        assert read_clock({"clocks": [good, {**good, "phase": odd}]}) == ("regular" if odd == "core" else None)
        assert read_clock({"clocks": [good, {"market": {"acronym": odd}, "phase": odd}]}) == "regular"


def test_a_reader_goes_on_after_an_error_of_ours(venue: Venue, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(_: object) -> None:
        raise TypeError

    with monkeypatch.context() as patch:
        patch.setattr(trading_rest, "read_clock", fall)
        patch.setattr(threading, "excepthook", lambda _: None)
        assert reader.ask(Asked.CLOCK) == ClockRead(None, "the read ended unexpectedly")
        eventually(lambda: not reader.rest._reading)
    venue.value = b'{"clocks":[{"market":{"acronym":"NYSE"},"phase":"core"}]}'
    answer = reader.ask(Asked.CLOCK)
    assert isinstance(answer, ClockRead)
    assert answer.session == "regular"


@pytest.mark.parametrize("value", [b"[]", b'{"clocks":3}', b'{"clocks":[1,{"market":2},{"market":{}}]}'])
def test_what_is_no_clock(venue: Venue, reader: Reader, value: bytes) -> None:
    venue.value = value
    assert reader.ask(Asked.CLOCK) == ClockRead(None, "not a clock")


def test_without_an_address_every_question_is_answered(tmp_path: Path) -> None:
    reader = Reader("", tmp_path)
    assert reader.ask(Asked.LIST) == AssetsRead(None, "no address of the venue's REST data")
    assert reader.ask(Asked.ASSET, "SPY") == AssetRead("SPY", None, "no address of the venue's REST data")
    assert reader.ask(Asked.CLOCK) == ClockRead(None, "no address of the venue's REST data")


# the file


def test_a_file_of_another_hand_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "quotebus.pricing")
    file = AssetFile(tmp_path, "http://a")
    assert file.read() is None
    assets = AssetList(TERMS, 5)
    file.write(assets)
    assert file.read() == assets
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.path.chmod(0o666)
    assert file.read() is None
    assert "others may write it" in caplog.text
    file.path.unlink()
    (tmp_path / "elsewhere").write_text("{}")
    file.path.symlink_to(tmp_path / "elsewhere")
    assert file.read() is None
    file.write(assets)
    assert file.read() == assets, "a link is replaced, not followed"
    assert (tmp_path / "elsewhere").read_text() == "{}"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":2,"read_ns":1,"groups":[[]]}'])
def test_a_damaged_file_is_told_and_no_list(tmp_path: Path, content: bytes) -> None:
    file = AssetFile(tmp_path, "http://a")
    file.write(AssetList(TERMS, 5))
    file.path.write_bytes(content)
    assert file.read() is None
    assert file.failures == 1


def test_a_file_of_another_version_is_no_list_and_no_failure(tmp_path: Path) -> None:
    file = AssetFile(tmp_path, "http://a")
    file.path.write_bytes(b'{"version":1,"read_ns":1,"tradable":["SPY"],"not_tradable":[]}')
    file.path.chmod(0o600)
    assert file.read() is None
    assert file.failures == 0


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = AssetFile(tmp_path / "nowhere", "http://a")
    file.write(AssetList(TERMS, 5))
    assert file.failures == 1


@pytest.mark.parametrize(
    "odd", [None, True, 0, -1, "0", "-0.01", "", "tick", "NaN", "Infinity", [], {}, "1e-40", 1e300]
)
def test_a_step_that_is_none_is_not_said_and_costs_the_list_nothing(odd: object) -> None:
    row = {"symbol": "SPY", "price_increment": odd, "min_trade_increment": odd, "fractionable": odd}
    rows = [msgspec.Raw(json.dumps(each).encode()) for each in (row, LIST[0])]
    assert read_assets(rows) == {"SPY": OrderTerms(True)}


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("APPL", ["AAPL", "APP"]),
        ("SYP", ["SPY"]),
        ("SPYY", ["SPY"]),
        ("QQ", ["QQQ"]),
        ("BRKB", ["BRK.B"]),
        ("ZZZZZ", []),
    ],
)
def test_near_symbols(typed: str, near: list[str]) -> None:
    assets = AssetList(dict.fromkeys(("AAPL", "APP", "SPY", "QQQ", "BRK.B"), OrderTerms(True)), 1)
    assert assets.find_near(typed) == near
