"""One field, three ways to set it; mistakes are one line that shows no secret; nothing leaves the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, field_validator

from quotebus.bus import settings as module
from quotebus.bus.address import IpcAddress, TcpAddress
from quotebus.bus.errors import EX_CONFIG, ConfigError
from quotebus.bus.process.loopback import is_loopback
from quotebus.bus.settings import CLIENT_NAME, BusSettings, LogSettings, load, parse

URL = "tcp://127.0.0.1:7001"


class Sample(BusSettings, LogSettings):
    """Settings with a number and a secret."""

    flag_prefix = "sample_"

    sample_number: int = Field(1, gt=0)
    sample_key: SecretStr = SecretStr("")

    @field_validator("sample_key")
    @classmethod
    def _good(cls, key: SecretStr) -> SecretStr:
        if "bad" in key.get_secret_value():
            raise ValueError("not a key")
        return key


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*map(str.upper, BusSettings.model_fields), "SAMPLE_NUMBER", "SAMPLE_KEY", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def test_the_default_is_a_folder_of_this_user() -> None:
    assert parse(BusSettings, [], "test").bus_address == IpcAddress("quotebus")


def test_the_three_endpoints_override_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, kind in enumerate(("PUBLISH", "SUBSCRIBE", "REQUEST")):
        monkeypatch.setenv(f"BUS_{kind}_URL", f"tcp://127.0.0.1:700{number}")
    monkeypatch.setenv("BUS_URL", "nats://127.0.0.1")
    monkeypatch.setenv("BUS_PLAIN_LOOPBACK", "yes")
    found = BusSettings().bus_address
    assert found == TcpAddress("tcp://127.0.0.1:7000", "tcp://127.0.0.1:7001", "tcp://127.0.0.1:7002")


@pytest.mark.parametrize("missing", ["PUBLISH", "SUBSCRIBE", "REQUEST"])
def test_two_of_the_three_are_a_mistake(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_PLAIN_LOOPBACK", "yes")
    for kind in {"PUBLISH", "SUBSCRIBE", "REQUEST"} - {missing}:
        monkeypatch.setenv(f"BUS_{kind}_URL", URL)
    with pytest.raises(ConfigError, match=f"needs BUS_{missing}_URL beside it"):
        parse(BusSettings, [], "test")


def test_loopback_without_keys_is_said_aloud_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--bus-url: without keys every user of this machine gets in"):
        parse(BusSettings, ["--bus-url", "tcp://127.0.0.1:5570"], "test")
    monkeypatch.setenv("BUS_PLAIN_LOOPBACK", "yes")
    found = parse(BusSettings, ["--bus-url", "tcp://127.0.0.1:5570"], "test").bus_address
    assert found == TcpAddress("tcp://127.0.0.1:5570", "tcp://127.0.0.1:5571", "tcp://127.0.0.1:5572")
    with pytest.raises(ConfigError, match="--bus-url: refused: not a loopback address"):
        parse(BusSettings, ["--bus-url", "tcp://192.0.2.1:5570"], "test")


def test_flag_beats_environment_beats_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("SAMPLE_NUMBER=2\n")
    assert parse(Sample, [], "test").sample_number == 2
    monkeypatch.setenv("SAMPLE_NUMBER", "3")
    assert parse(Sample, [], "test").sample_number == 3
    assert parse(Sample, ["--number", "4"], "test").sample_number == 4
    assert parse(Sample, ["--sample-number", "4"], "test").sample_number == 4, "the whole name is a flag too"


def test_levels_have_no_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    assert parse(Sample, ["--log-format", "Json"], "test").log_level == "warning"


def test_another_programs_log_level_does_not_trouble_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "of another program")
    assert BusSettings().bus_url == "ipc://quotebus"


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_NUMBER", "")
    assert parse(Sample, [], "test").sample_number == 1


@pytest.mark.parametrize(
    ("argv", "environment", "named", "given"),
    [
        (["--number", "seven"], {}, "--number: must be a whole number ", "'seven'"),
        (["--sample-number", "seven"], {}, "--sample-number: must be a whole number ", "'seven'"),
        (["--number", "8", "--sample-number=seven"], {"SAMPLE_NUMBER": "9"}, "--sample-number: must", "'seven'"),
        ([], {"SAMPLE_NUMBER": "-7"}, "SAMPLE_NUMBER", "'-7'"),
        ([], {"LOG_LEVEL": "loud"}, "LOG_LEVEL", "'loud'"),
        (["--log-format", "xml\x1b"], {}, "--log-format: must be text or json ", r"'xml\x1b'"),
        ([], {"BUS_PUBLISH_URL": "tcp://somewhere.example:1"}, "BUS_PUBLISH_URL", "'tcp://somewhere.example:1'"),
        ([], {"BUS_PUBLISH_URL": "tcp://me:canary@example.com:1"}, "BUS_PUBLISH_URL", ""),
        ([], {"BUS_PUBLISH_URL": "tcp://example.com:1/?key=canary"}, "BUS_PUBLISH_URL", ""),
        ([], {"SAMPLE_KEY": "canary-bad"}, "SAMPLE_KEY", ""),
        (["--no-such-flag=canary"], {}, "no such flag: --no-such-flag", ""),
        (["--api-sekret", "canary"], {}, "no such flag: --api-sekret", ""),
        (["--sample-numbr", "canary"], {}, "did you mean --number?", ""),
        (["--numbr", "canary"], {}, "did you mean --number?", ""),
        (["--num", "7"], {}, "did you mean --number?", ""),
        (["canary"], {}, "1 argument too many", ""),
        (["--number"], {}, "--number", ""),
    ],
)
def test_a_mistake_is_one_line_with_the_value_unless_it_may_be_a_secret(
    argv: list[str],
    environment: dict[str, str],
    named: str,
    given: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(Sample, argv, "the-program")
    assert ended.value.code == EX_CONFIG == 78
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("the-program: ")
    assert printed.err.count("\n") == 1
    assert named in printed.err
    assert printed.err.endswith(f"(given: {given})\n") or not given
    assert "canary" not in printed.err


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLE_KEY", "canary-secret")
    monkeypatch.setenv("SAMPLE_NUMBER", "x")
    with pytest.raises(ConfigError) as caught:
        parse(Sample, [], "test")
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"
    monkeypatch.delenv("SAMPLE_NUMBER")
    assert "canary" not in repr(parse(Sample, [], "test"))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError):
        BusSettings().bus_publish_url = URL  # type: ignore[misc]


@pytest.mark.parametrize("url", [URL, "tcp://localhost:1", "tcp://[::1]:1", "tcp://127.9.9.9:0"])
def test_endpoints_on_this_machine(url: str) -> None:
    settings = BusSettings(bus_publish_url=url, bus_subscribe_url=url, bus_request_url=url, bus_plain_loopback=True)
    assert settings.bus_address == TcpAddress(url, url, url)


@pytest.mark.parametrize(
    "url",
    [
        "tcp://0.0.0.0:5570",
        "tcp://*:5570",
        "tcp://10.0.0.1:5570",
        "tcp://example.com:5570",
        "tcp://127.0.0.1.example.com:5570",
        "tcp://[::]:5570",
        "tcp://eth0:5570",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:1/path",
        "udp://127.0.0.1:1",
        "127.0.0.1:1",
        "ipc://@x",
        "inproc://x",
    ],
)
def test_endpoints_that_leave_the_machine_or_are_none(url: str) -> None:
    with pytest.raises(ValueError):
        BusSettings(bus_publish_url=url, bus_subscribe_url=url, bus_request_url=url, bus_plain_loopback=True)


def test_loopback_is_told_without_a_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_loopback("[::1]")
    assert not is_loopback("localhost.example.com")
    assert not hasattr(module, "socket"), "no look-up can be made"


@pytest.mark.parametrize(
    ("name", "valid"), [("worker-1", True), ("a:b.c_d", True), ("x" * 64, True), ("x" * 65, False)]
)
def test_client_names(name: str, valid: bool) -> None:
    assert bool(CLIENT_NAME.match(name)) is valid
    assert not CLIENT_NAME.match(f"{name}\n")
    assert not CLIENT_NAME.match("")
