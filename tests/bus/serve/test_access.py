"""Who may look: names, origins, tokens."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.serve.access import HEADERS, Door, Guesses
from quotebus.bus.serve.settings import ServeSettings

TOKEN = "a-token-of-some-length"
OPEN, GUARDED = Door("127.0.0.1", (), ""), Door("0.0.0.0", ("bus.example.org",), TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1:8768", "localhost", "[::1]:8768", "LOCALHOST:1"])
def test_names_of_this_machine_are_known(host: str) -> None:
    assert OPEN.knows_host(host)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8768", "[::1", "10.0.0.7", "a@b:c"]
)
def test_a_name_that_somebody_let_resolve_to_this_machine_is_refused(host: str) -> None:
    assert not OPEN.knows_host(host)


def test_a_name_that_was_given_is_known() -> None:
    assert GUARDED.knows_host("bus.example.org")
    assert not OPEN.knows_host("bus.example.org")


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, True),
        ({"Origin": "http://127.0.0.1:8768", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
    ],
)
def test_pages_of_others_get_nothing(headers: dict[str, str], known: bool) -> None:
    assert OPEN.knows_origin({"Host": "127.0.0.1:8768", **headers}) is known


def test_a_token_or_its_cookie_is_needed_where_there_is_one() -> None:
    assert OPEN.admits({}, "")
    for right in ({"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"bearer {TOKEN} "}):
        assert GUARDED.admits(right, "")
    assert GUARDED.admits({}, GUARDED.cookie())
    for wrong in ({}, {"Authorization": TOKEN}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {TOKEN}"}):
        assert not GUARDED.admits(wrong, "")
    assert not GUARDED.admits({}, TOKEN)
    assert not GUARDED.admits({}, Door("0.0.0.0", (), "another-token-of-ours").cookie())
    assert TOKEN not in GUARDED.cookie()


def test_wrong_tokens_are_limited() -> None:
    guesses = Guesses()
    for _ in range(10):
        assert guesses.is_allowed(0)
        guesses.add_wrong(0)
    assert not guesses.is_allowed(59 * NS_PER_S)
    assert guesses.is_allowed(61 * NS_PER_S)


def test_beyond_this_machine_a_token_is_needed() -> None:
    with pytest.raises(ValidationError, match="SERVE_TOKEN"):
        ServeSettings(serve_host="0.0.0.0")
    with pytest.raises(ValidationError, match="at least 16"):
        ServeSettings(serve_host="0.0.0.0", serve_token="short")
    assert ServeSettings(serve_host="0.0.0.0", serve_token=TOKEN).serve_host == "0.0.0.0"


def test_no_script_and_no_style_may_stand_in_a_page() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
