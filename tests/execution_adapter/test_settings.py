"""The worker's settings: one clear line for a mistake, and a hash that names what decisions depend on."""

from __future__ import annotations

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.bus.events import ACCEPTED_CLASSES, FeedClass
from quotebus.bus.settings import CLIENT_NAME, parse
from quotebus.execution_adapter.settings import ExecutionSettings
from tests.support.programs import run


def settings(*flags: str) -> ExecutionSettings:
    return parse(ExecutionSettings, flags, "execution-worker")


def test_symbols_are_upper_case_once_and_in_order() -> None:
    assert settings("--execution-symbols", "spy, QQQ,brk.b,SPY").symbols == ["SPY", "QQQ", "BRK.B"]


def test_default_client_name_is_one() -> None:
    assert CLIENT_NAME.match(settings().execution_client)


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--execution-symbols", "SP*Y"], "^--execution-symbols: "),
        (["--execution-symbols", ","], "^--execution-symbols: "),
        (["--execution-client", "a b"], "^--execution-client: "),
        (["--execution-gateway", "live"], "EXECUTION_GATEWAY"),
        (["--execution-qty", "0"], "^--execution-qty: must be a number of shares above 0 "),
        (["--execution-interval-s", "nan"], "^--execution-interval-s: must be a number of seconds above 0 "),
        (["--bus-request-url", "tcp://10.0.0.1:1"], "^--bus-request-url: "),
    ],
)
def test_bad_setting_is_named(flags: list[str], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        settings(*flags)


def test_hash_names_what_decisions_depend_on_and_nothing_else() -> None:
    one = settings()
    assert settings("--execution-symbols", "TSLA", "--execution-client", "other").config_hash == one.config_hash
    assert settings("--execution-fallback", "refuse").config_hash != one.config_hash
    assert settings("--execution-max-age-s", "5").config_hash != one.config_hash


def test_program_ends_with_78_and_one_line() -> None:
    status, printed = run("execution-worker", "--execution-symbols", "bad symbol!")
    assert status == 78
    assert printed.count("\n") == 1
    assert printed.startswith("execution-worker: --execution-symbols: ")


def test_policies_of_some_symbols_leave_the_default_to_its_own_setting() -> None:
    policies = settings("--fallback", "refuse", "--fallbacks", "SPY=collar").policies()
    assert (policies.of("SPY", "buy"), policies.of("QQQ", "buy")) == ("collar", "refuse")
    policies = settings("--fallback", "refuse", "--fallbacks", "market,SPY=collar").policies()
    assert (policies.of("SPY", "buy"), policies.of("QQQ", "buy")) == ("collar", "market")
    assert settings("--fallbacks", "SPY=collar").policies().of("QQQ", "sell") == "table"


REAL, DELAYED = FeedClass.REAL_TIME, FeedClass.DELAYED
ALL_BUT = set(ACCEPTED_CLASSES)


@pytest.mark.parametrize(
    ("flags", "accept"),
    [
        ([], ALL_BUT),
        (["--gateway", "simulator"], ALL_BUT),
        (["--gateway", "paper"], {REAL}),
        (["--gateway", "live", "--i-mean-live"], {REAL}),
        (["--gateway", "paper", "--accept", "delayed"], {DELAYED}),
        (["--gateway", "paper", "--accept", "real_time, delayed"], {REAL, DELAYED}),
        (["--accept", "indicative,unknown"], {FeedClass.INDICATIVE, FeedClass.UNKNOWN}),
        (["--gateway", "paper", "--clock", "stream"], ALL_BUT),
    ],
)
def test_a_broker_decides_on_real_prices_and_on_delayed_ones_by_name(flags: list[str], accept: set[FeedClass]) -> None:
    read = settings(*flags)
    assert read.accept == accept
    assert set(read.decision_settings(read.tactics()).accept) == accept


@pytest.mark.parametrize("gateway", [["--gateway", "paper"], ["--gateway", "live", "--i-mean-live"]])
@pytest.mark.parametrize("named", ["simulated", "test", "unknown", "indicative", "real_time,simulated"])
def test_no_setting_lets_a_broker_decide_on_other_prices(gateway: list[str], named: str) -> None:
    with pytest.raises(ConfigError, match=r"--accept: the gateway (paper|live) decides on real_time and delayed"):
        settings(*gateway, "--accept", named)


def test_a_word_that_is_no_class_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^--accept: any of real_time, delayed"):
        settings("--accept", "realtime")
