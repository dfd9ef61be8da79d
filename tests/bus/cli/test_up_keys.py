"""`quotebus up` over TCP with keys: each program under its own, made where there is none, and nobody admitted anew."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quotebus import BusClient, BusSettings
from quotebus.bus.cli.keys import run as run_keys
from quotebus.bus.cli.up_keys import PROGRAMS, UpKeys
from quotebus.bus.transport.zeromq.key_folder import KeyFolder, read_pair
from tests.bus.cli.test_up import kill_and_see_another, since
from tests.support.programs import Program, run

KEYS = {f"{role}-{name}" for role, name in PROGRAMS.values()}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where nobody gets in without a key: `BUS_PLAIN_LOOPBACK` is not said."""
    return {
        "BUS_URL": "tcp://127.0.0.1:0",
        "BUS_KEYS_DIR": str(tmp_path / "keys"),
        "SIMULATOR_PORT": "0",
        "SIMULATOR_CONTROL_PORT": "0",
        "PRICING_LOCK_DIR": str(tmp_path),
        "EXECUTION_INTERVAL_S": "0.2",
        "SERVE_PORT": "0",
    }


@pytest.fixture
def up(environment: dict[str, str]) -> Iterator[Program]:
    program = Program("quotebus", "up", "--serve", "yes", environment=environment)
    try:
        program.line(" limit ")
        yield program
    finally:
        program.stop()


def test_every_program_works_under_a_key_of_its_own_also_when_started_again(
    up: Program, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up.line(
        f"quotebus up: made keys in {tmp_path / 'keys'}: node-pricing, worker-execution, observer-page; for a program"
    )
    up.line("quotebus serve: http://127.0.0.1:")
    keys = tmp_path / "keys"
    assert {path.stem for path in keys.glob("*.key")} == KEYS | {"broker"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUS_KEYS_DIR", environment["BUS_KEYS_DIR"])
    assert run_keys(["new", "worker", "strat"]) == 0
    words = up.line("quotebus broker: publish").split()
    urls = {f"bus_{kind}_url": words[words.index(kind) + 1] for kind in ("publish", "subscribe", "request")}
    with BusClient(BusSettings(**urls, bus_key_file="worker-strat.key"), name="desk") as client:  # type: ignore[arg-type]
        assert client.name == "strat-desk"
        assert client.request(["MSFT"], wait_s=30)["MSFT"].usable
    position = len(up.lines)
    for name, command in (("worker", "execution-worker"), ("pricing", "pricing-node"), ("broker", "broker")):
        kill_and_see_another(up, name, command)
    since(up, position, "worker", " limit ")
    assert not [line for line in up.lines if "the key of" in line or "does not admit" in line]


def test_the_next_time_it_takes_the_keys_that_are_there(environment: dict[str, str], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    assert set(UpKeys(keys).made) == KEYS
    before = {path.name: path.read_text() for path in keys.iterdir()}
    arguments = ("--keys", environment.pop("BUS_KEYS_DIR"), "--for", "6")
    status, printed = run("quotebus", "up", *arguments, environment=environment)
    assert status == 0, printed
    assert " limit " in printed
    assert "made keys" not in printed
    assert {path.name: path.read_text() for path in keys.iterdir()} == before


def _leave(_: Path) -> None: ...


def _open_to_all(keys: Path) -> None:
    keys.chmod(0o777)


def _show_secret(keys: Path) -> None:
    (keys / "node-pricing.key").chmod(0o644)


def _take_back(keys: Path) -> None:
    (keys / "worker-execution.pub").unlink()


def _carry_away(keys: Path) -> None:
    (keys / "worker-execution.key").unlink()


def _swap(keys: Path) -> None:
    other = UpKeys(keys.parent / "others")
    for name in ("node-pricing.key", "node-pricing.pub"):
        (keys / name).write_text((keys.parent / "others" / name).read_text())
    assert other.made


def _take_name(keys: Path) -> None:
    for ending in ("key", "pub"):
        (keys / f"worker-execution.{ending}").rename(keys / f"observer-execution.{ending}")


@pytest.mark.parametrize(
    ("change", "settings", "says"),
    [
        (_open_to_all, {}, "others can add keys"),
        (_show_secret, {}, "it must be 0600"),
        (_take_back, {}, "does not admit this key; remove both worker-execution.key and worker-execution.pub, and"),
        (_carry_away, {}, "the secret of a key that is admitted is not here: bring it, or remove both"),
        (_swap, {}, "does not admit this key"),
        (_take_name, {}, "observer-execution has this name"),
        (_leave, {"BUS_URL": "ipc://quotebus"}, "BUS_KEYS_DIR: keys are for tcp://; with them say --bus tcp://"),
        (_leave, {"BUS_URL": "nats://127.0.0.1:1"}, "BUS_KEYS_DIR: keys are for tcp://"),
        (
            _leave,
            {"BUS_KEYS_DIR": "", "BUS_KEY_FILE": "k"},
            "BUS_KEY_FILE: each program needs a key of its own: --keys FOLDER",
        ),
        (_leave, {"BUS_KEYS_DIR": ""}, "BUS_URL: without keys every user of this machine gets in"),
        (_leave, {"BUS_KEYS_DIR": "/proc/no/keys"}, "cannot make this folder"),
    ],
)
def test_what_is_not_in_order_is_one_line_and_starts_nothing(
    environment: dict[str, str], tmp_path: Path, change: Callable[[Path], None], settings: dict[str, str], says: str
) -> None:
    UpKeys(tmp_path / "keys")
    change(tmp_path / "keys")
    status, printed = run("quotebus", "up", "--for", "3", environment={**environment, **settings})
    assert status == 78
    lines = [line for line in printed.splitlines() if "decisions only" not in line]
    assert len(lines) == 1, printed
    assert says in lines[0]


def test_no_key_is_admitted_anew(tmp_path: Path) -> None:
    UpKeys(tmp_path)
    pair = read_pair(tmp_path / "worker-execution.key")
    for ending in ("key", "pub"):
        (tmp_path / f"worker-execution.{ending}").unlink()
    again = UpKeys(tmp_path)
    assert again.made == ["worker-execution"]
    assert pair.public not in KeyFolder(tmp_path).read_admitted().programs
    assert again.environment_of("exchange") == {}
