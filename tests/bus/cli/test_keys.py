"""`quotebus keys`: makes, lists and takes back; a mistake is one line and 78."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from quotebus.bus.cli.keys import run
from quotebus.bus.transport.zeromq.key_folder import KeyFolder, read_pair


@pytest.fixture(autouse=True)
def _where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_KEYS_DIR", "keys")


def test_new_list_revoke(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "worker", "strat"]) == 0
    assert "subscribe, request. Its secret key is in worker-strat.key" in capsys.readouterr().out
    assert run(["new", "node", "pricing", "--out", "mine.key"]) == 0
    for path in (Path("worker-strat.key"), Path("mine.key"), Path("keys/broker.key")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path("keys").stat().st_mode) == 0o700
    pair, broker = read_pair(Path("worker-strat.key")), read_pair(Path("keys/broker.key"))
    assert pair.broker == broker.public
    assert KeyFolder(Path("keys")).read_admitted().programs[pair.public] == pair.program
    printed = capsys.readouterr().out
    assert run(["list"]) == 0
    printed += capsys.readouterr().out
    assert pair.secret.decode() not in printed
    assert printed.splitlines()[-1].split()[:2] == ["worker", "strat"]
    assert run(["revoke", "strat"]) == 0
    assert pair.public not in KeyFolder(Path("keys")).read_admitted().programs
    assert read_pair(Path("keys/broker.key")) == broker, "the broker's key is never made anew"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["new", "boss", "x"], "the role must be"),
        (["new", "worker", "a-b"], "no hyphen"),
        (["new", "worker", "../x"], "the name of a key"),
        (["new", "observer", "strat"], "worker-strat has this name"),
        (["new", "worker"], "new node|worker|observer NAME"),
        (["revoke", "nobody"], "no key of this name"),
        (["revoke", "../worker-strat"], "no key of this name"),
        (["sing"], "new node|worker|observer NAME"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["new", "worker", "strat"]) == 0
    with pytest.raises(SystemExit) as ended:
        run(words)
    told = capsys.readouterr().err
    assert (ended.value.code, told.count("\n")) == (78, 1)
    assert says in told


def test_a_folder_must_be_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUS_KEYS_DIR")
    with pytest.raises(SystemExit):
        run(["list"])
    assert "BUS_KEYS_DIR" in capsys.readouterr().err
