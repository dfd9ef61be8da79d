"""The account's key and secret: read when the file that holds them has changed, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.pricing.credentials import AccountCredentials
from quotebus.pricing.settings import PricingSettings


def write(key: str, secret: str) -> None:
    Path(".env.new").write_text(f"PRICING_API_KEY={key}\nPRICING_API_SECRET={secret}\n")
    os.replace(".env.new", ".env")


class Reader:
    def __init__(self) -> None:
        self.reads = 0
        self.error = False

    def __call__(self) -> PricingSettings:
        self.reads += 1
        if self.error:
            raise ConfigError("half written")
        return PricingSettings()


@pytest.fixture(autouse=True)
def _only_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("PRICING_", "APCA_"))]:
        monkeypatch.delenv(name)


def test_new_keys_are_used_at_the_next_attempt_and_an_unchanged_file_is_not_read() -> None:
    write("first", "one")
    reader = Reader()
    credentials = AccountCredentials(PricingSettings(), reader)
    assert [credentials() for _ in range(5)] == [("first", "one")] * 5
    assert reader.reads == 1, "what changed between the settings and now would not be seen otherwise"
    write("other", "two")
    assert [credentials() for _ in range(5)] == [("other", "two")] * 5
    assert reader.reads == 2


def test_keys_of_the_same_length_written_in_place_are_seen() -> None:
    write("first", "one")
    credentials = AccountCredentials(PricingSettings(), Reader())
    assert credentials() == ("first", "one")
    with Path(".env").open("r+") as file:
        file.write("PRICING_API_KEY=later")
    os.utime(".env", ns=(1, 1))
    assert credentials() == ("later", "one")


def test_a_file_that_cannot_be_used_leaves_the_old_keys_until_it_can() -> None:
    write("first", "one")
    reader = Reader()
    credentials = AccountCredentials(PricingSettings(), reader)
    assert credentials() == ("first", "one")
    write("other", "two")
    reader.error = True
    assert [credentials(), credentials()] == [("first", "one")] * 2
    reader.error = False
    assert credentials() == ("other", "two"), "read again, though it has not changed since"


def test_without_a_file_the_environment_is_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICING_API_KEY", "key")
    monkeypatch.setenv("PRICING_API_SECRET", "secret")
    credentials = AccountCredentials(PricingSettings(), Reader())
    assert credentials() == ("key", "secret")
    assert not Path(".env").exists()
    write("file", "wins not over the environment")
    assert credentials() == ("key", "secret")
