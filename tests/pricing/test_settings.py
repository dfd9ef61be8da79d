"""Every setting by environment, flag and file; mistakes are one line without the secret; the README lists them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import BusSettings, LogSettings, parse
from quotebus.pricing.settings import PricingSettings

COMMON = {*BusSettings.model_fields, *LogSettings.model_fields}
README = (Path(__file__).parents[2] / "pricing" / "README.md").read_text()
SECRET = "canary-secret"
URL = "ws://127.0.0.1:1/v2/iex"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no `.env` of this machine reaches a test."""
    for name in (*PricingSettings.model_fields, "apca_api_key_id", "apca_api_secret_key"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def read(*flags: str) -> PricingSettings:
    return parse(PricingSettings, flags, "pricing-node")


def test_readme_lists_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(PRICING_\w+)` \| (.*?) \|", README, re.MULTILINE))
    fields = PricingSettings.model_fields.items()
    own = {name: field for name, field in fields if name not in COMMON and not name.startswith("execution_")}
    assert list(rows) == [name.upper() for name in own]
    for name, field in own.items():
        default = field.get_default()
        if default is False:
            assert rows[name.upper()] == "off"
        elif name == "pricing_lock_dir":
            assert rows[name.upper()] == "the system's temporary folder"
        elif not default or name.startswith("pricing_api"):
            assert rows[name.upper()] == "none", name
        else:
            assert rows[name.upper()] == f"`{default}`", name


def test_defaults_need_keys_or_an_upstream() -> None:
    with pytest.raises(ConfigError, match="set PRICING_API_KEY and PRICING_API_SECRET, or PRICING_UPSTREAM_URL"):
        read()
    assert read("--pricing-upstream-url", URL).upstream_url == URL


def test_alpacas_own_variables_and_the_address_made_from_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    settings = read("--pricing-feed", "sip")
    assert settings.upstream_url == "wss://stream.data.alpaca.markets/v2/sip"
    assert settings.pricing_api_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


def test_env_file_is_read_and_a_flag_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(f"PRICING_UPSTREAM_URL={URL}\nPRICING_LINGER_S=7\nPRICING_QUIET_S=5\n")
    monkeypatch.setenv("PRICING_LINGER_S", "8")
    settings = read("--pricing-quiet-s", "9")
    assert (settings.pricing_linger_s, settings.pricing_quiet_s) == (8, 9)


@pytest.mark.parametrize(
    ("flags", "feed", "feed_class"),
    [
        (("--upstream-url", "wss://stream.data.alpaca.markets/v2/delayed_sip"), "delayed_sip", "delayed"),
        (("--upstream-url", "wss://example.com/v2/sip"), "sip", "unknown"),
        (("--upstream-url", "wss://example.com/v2/sip", "--feed", "sip"), "sip", "unknown"),
        (("--upstream-url", "wss://example.com/v2/sip", "--feed-class", "delayed"), "sip", "delayed"),
        (("--upstream-url", "wss://example.com/"), "unknown", "unknown"),
        (("--upstream-url", "wss://example.com/", "--feed", "mine"), "mine", "unknown"),
        (("--upstream-url", URL), "iex", "simulated"),
        (("--upstream-url", URL, "--feed-class", "real_time"), "iex", "real_time"),
        (("--upstream-url", "ws://127.0.0.1:1/v2/delayed_sip"), "delayed_sip", "simulated"),
        (("--api-key", "k", "--api-secret", SECRET), "iex", "real_time"),
        (("--api-key", "k", "--api-secret", SECRET, "--feed", "overnight"), "overnight", "indicative"),
    ],
)
def test_feed_and_class_follow_the_address(flags: tuple[str, ...], feed: str, feed_class: str) -> None:
    settings = read(*flags)
    assert (settings.feed, settings.feed_class) == (feed, feed_class)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--upstream-url", "ws://127.0.0.1:1/v2/sip", "--feed", "iex"),
         "PRICING_FEED says iex, but PRICING_UPSTREAM_URL is of the feed sip"),
        (("--upstream-url", "wss://stream.data.alpaca.markets/v1beta1/boats", "--feed", "overnight"),
         "PRICING_FEED says overnight, but PRICING_UPSTREAM_URL is of the feed boats"),
        (("--upstream-url", "wss://stream.data.alpaca.markets/v2/delayed_sip", "--feed-class", "real_time"),
         "PRICING_FEED_CLASS says real_time, but the upstream's feed is delayed"),
        (("--api-key", "k", "--api-secret", SECRET, "--feed", "otc"),
         "known are iex, sip, delayed_sip, boats, overnight, test; any other needs PRICING_UPSTREAM_URL"),
    ],
)  # fmt: skip
def test_a_label_that_contradicts_the_address_is_a_mistake(flags: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(*flags)


@pytest.mark.parametrize("missing", ["PRICING_API_KEY", "PRICING_API_SECRET"])
def test_half_a_pair_of_keys_is_a_mistake(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {"PRICING_API_KEY", "PRICING_API_SECRET"} - {missing}:
        monkeypatch.setenv(name, SECRET)
    with pytest.raises(ConfigError, match="go together") as caught:
        read("--pricing-upstream-url", URL)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PRICING_UPSTREAM_URL", "http://127.0.0.1/v2/iex"),
        ("PRICING_UPSTREAM_URL", "127.0.0.1:80"),
        ("PRICING_UPSTREAM_URL", "ws://"),
        ("PRICING_UPSTREAM_URL", "ws://127.0.0.1:99999/"),
        ("PRICING_UPSTREAM_URL", "ws://example.com/v2/iex"),
        ("PRICING_UPSTREAM_URL", "ws://localhost.example.com/"),
        ("PRICING_UPSTREAM_URL", f"wss://me:{SECRET}@example.com/"),
        ("PRICING_NODE", "a.b"),
        ("PRICING_NODE", "x" * 33),
        ("PRICING_FEED", "../sip"),
        ("PRICING_SYMBOL_LIMIT", "-1"),
        ("PRICING_QUIET_S", "0"),
        ("PRICING_LINGER_S", "nan"),
        ("PRICING_CONFLATION", "sometimes"),
        ("PRICING_UPSTREAM_ENCODING", "xml"),
        ("BUS_PUBLISH_URL", "tcp://192.0.2.1:5570"),
    ],
)
def test_mistakes_name_the_setting_as_it_was_given_and_never_a_secret(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = f"--{name.lower().replace('_', '-')}"
    arguments = ["--pricing-upstream-url", URL] if name != "PRICING_UPSTREAM_URL" else []
    with pytest.raises(ConfigError) as by_flag:
        read(*arguments, f"{flag}={value}")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as by_variable:
        read(*arguments)
    for text, named in ((str(by_flag.value), flag), (str(by_variable.value), name)):
        assert text.startswith(f"{named}: ")
        assert "\n" not in text
        assert SECRET not in text


@pytest.mark.parametrize(
    ("upstream", "given", "url", "feed"),
    [
        ("", "", "https://data.alpaca.markets", "iex"),
        ("wss://stream.data.alpaca.markets/v2/sip", "", "https://data.alpaca.markets", "sip"),
        ("wss://stream.data.sandbox.alpaca.markets/v2/iex", "", "https://data.sandbox.alpaca.markets", "iex"),
        ("ws://127.0.0.1:8765/v2/iex", "", "", "iex"),
        ("ws://127.0.0.1:8765/v2/iex", "http://127.0.0.1:8766", "http://127.0.0.1:8766", "iex"),
        ("wss://[::1]:8765/v2/delayed_sip", "http://[::1]:9/", "http://[::1]:9", "delayed_sip"),
        ("wss://stream.data.alpaca.markets/v2/test", "https://data.example.com", "", ""),
        ("wss://proxy.example.com/v2/iex", "", "", "iex"),
        ("wss://proxy.example.com/v2/iex", "https://data.example.com/", "https://data.example.com", "iex"),
        ("wss://stream.data.alpaca.markets:8443/v2/iex", "", "", "iex"),
    ],
)
def test_the_rest_data_belongs_to_the_upstream(
    upstream: str, given: str, url: str, feed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    settings = read(f"--upstream-url={upstream}", f"--data-url={given}")
    assert (settings.data_url, settings.data_feed) == (url, feed)


@pytest.mark.parametrize("upstream", ["ws://127.0.0.1:8765/v2/iex", "wss://localhost/v2/iex", "ws://[::1]:1/"])
def test_keys_go_to_no_port_of_this_machine_that_nobody_named(upstream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a local address may be a proxy of the real venue; whoever listens on the next port is not part of it."""
    monkeypatch.setenv("APCA_API_KEY_ID", "id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    settings = read("--upstream-url", upstream)
    assert (settings.data_url, settings.order_rest_url) == ("", "")
    with pytest.raises(ConfigError, match="PRICING_ORDER_REST_URL: an order stream on this machine needs it"):
        read("--upstream-url", upstream, "--order-stream")
    settings = read("--upstream-url", upstream, "--order-stream", "--order-rest-url", "http://127.0.0.1:7")
    assert settings.order_rest_url == "http://127.0.0.1:7"


@pytest.mark.parametrize("upstream", ["", "wss://stream.data.alpaca.markets/v2/sip", "wss://proxy.example.com/v2/iex"])
def test_the_keys_of_an_upstream_elsewhere_go_to_no_rest_address_on_this_machine(
    upstream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "id")
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    with pytest.raises(ConfigError, match="PRICING_DATA_URL is on this machine, but the upstream is not"):
        read(f"--upstream-url={upstream}", "--data-url", "http://127.0.0.1:8766")


def test_the_rest_data_is_not_asked_in_clear_on_another_machine() -> None:
    with pytest.raises(ConfigError, match=r"^--data-url: refused: http:// would carry"):
        read("--upstream-url", URL, "--data-url", "http://data.example.com")


@pytest.mark.parametrize("url", ["ws://localhost:1/", "ws://[::1]:1/", "wss://example.com/v2/sip"])
def test_keys_travel_in_clear_only_within_this_machine(url: str) -> None:
    assert read("--pricing-upstream-url", url).upstream_url == url


@pytest.mark.parametrize(
    ("flags", "prove"),
    [
        (("--feed=iex", "--api-key=k", "--api-secret=s"), True),
        (("--feed=delayed_sip", "--api-key=k", "--api-secret=s"), False),
        (("--feed=overnight", "--api-key=k", "--api-secret=s"), False),
        (("--feed=test", "--api-key=k", "--api-secret=s"), True),
        (("--upstream-url=ws://127.0.0.1:1/v2/iex",), True),
        (("--upstream-url=ws://127.0.0.1:1/v1beta1/overnight", "--feed-class=indicative"), False),
        (("--upstream-url=ws://127.0.0.1:1/v2/sip", "--feed-class=delayed"), False),
        (("--upstream-url=wss://example.com/v2/iex",), False),
        (("--upstream-url=wss://example.com/v2/iex", "--feed-class=real_time"), True),
    ],
)
def test_only_trades_in_time_and_of_a_known_class_prove_a_price(flags: tuple[str, ...], prove: bool) -> None:
    assert parse(PricingSettings, flags, "pricing-node").trades_prove == prove


SIMULATED = {"PRICING_UPSTREAM_URL": "ws://127.0.0.1:8765/v2/iex", "EXECUTION_ORDERS_URL": "http://127.0.0.1:8766/v2"}
FAR = {"EXECUTION_GATEWAY": "simulator", "EXECUTION_ORDERS_URL": "http://far.example"}
KEYS = {"APCA_API_KEY_ID": "id", "APCA_API_SECRET_KEY": SECRET}


@pytest.mark.parametrize(
    ("environment", "kept", "account", "rest"),
    [
        ({**SIMULATED, **FAR}, False, "paper", ""),
        ({**KEYS}, False, "paper", "https://paper-api.alpaca.markets"),
        ({**KEYS, "EXECUTION_GATEWAY": "none"}, False, "paper", "https://paper-api.alpaca.markets"),
        ({**KEYS, "EXECUTION_GATEWAY": "paper"}, True, "paper", "https://paper-api.alpaca.markets"),
        ({**KEYS, "EXECUTION_GATEWAY": "live"}, True, "live", "https://api.alpaca.markets"),
        ({**KEYS, "EXECUTION_GATEWAY": "paper", "PRICING_ORDER_STREAM": "no"}, False, "paper", None),
        ({**KEYS, "EXECUTION_GATEWAY": "paper", "EXECUTION_API_KEY": "another"}, False, "paper", None),
        ({**KEYS, "EXECUTION_GATEWAY": "simulator"}, False, "paper", None),
        ({**SIMULATED}, False, "paper", ""),
        ({**SIMULATED, "EXECUTION_GATEWAY": "simulator"}, True, "paper", "http://127.0.0.1:8766"),
        ({**SIMULATED, "EXECUTION_GATEWAY": "simulator", "EXECUTION_ORDERS_URL": ""}, False, "paper", ""),
        (
            {**SIMULATED, "EXECUTION_GATEWAY": "simulator", "EXECUTION_ORDERS_URL": "http://far.example"},
            False,
            "paper",
            "",
        ),
        ({**SIMULATED, "EXECUTION_GATEWAY": "paper"}, False, "paper", ""),
    ],
)
def test_the_order_stream_is_kept_where_orders_are_placed(
    environment: dict[str, str], kept: bool, account: str, rest: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = read()
    assert (settings.keeps_order_stream, settings.order_account) == (kept, account)
    assert rest is None or settings.order_rest_url == rest


@pytest.mark.parametrize("ending", ["", "/", "/v2", "/v2/", "//"])
def test_rest_addresses_are_taken_with_and_without_the_version(ending: str) -> None:
    settings = read(
        "--upstream-url", URL, f"--order-rest-url=http://127.0.0.1:7{ending}", f"--data-url=http://127.0.0.1:8{ending}"
    )
    assert (settings.order_rest_url, settings.data_url) == ("http://127.0.0.1:7", "http://127.0.0.1:8")
