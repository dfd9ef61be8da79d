"""Files of keys: what they hold is read back, damaged ones are refused, and no error shows what is in them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq

from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.zeromq.key_files import (
    AdmittedKeys,
    KeyPair,
    Program,
    format_pair,
    name_program,
    parse_pair,
    parse_public,
)
from quotebus.bus.transport.zeromq.key_folder import KeyFolder, make_pair, read_pair, write_pair
from tests.support.keyed import Keys

STRAT = name_program("worker", "strat")


def pair_of(program: Program = STRAT) -> KeyPair:
    return make_pair(program, zmq.curve_keypair()[0])


@pytest.mark.parametrize("program", [STRAT, name_program("node", "a.b:c_9"), Program("broker", "broker")])
def test_a_file_is_read_as_it_was_written(program: Program) -> None:
    pair = make_pair(program) if program.role == "broker" else pair_of(program)
    assert parse_pair(format_pair(pair)) == pair
    assert pair.secret.decode() not in repr(pair)


@pytest.mark.parametrize(("role", "name"), [("broker", "x"), ("", "x"), ("worker", ""), ("worker", "a-b"),
                                            ("worker", "a/b"), ("worker", "x" * 41), ("Worker", "x")])  # fmt: skip
def test_who_cannot_be_named(role: str, name: str) -> None:
    with pytest.raises(ValueError):
        name_program(role, name)


def test_a_damaged_file_is_refused_wherever_it_is_cut() -> None:
    text = format_pair(pair_of())
    for end in range(len(text) - 2):
        with pytest.raises(ValueError) as refused:
            parse_pair(text[:end])
        assert not any(word in str(refused.value) for word in text[:end].split() if len(word) == 40)
    with pytest.raises(ValueError, match="no file of"):
        parse_pair(f"{text}anything else\n")


def test_the_first_word_of_a_public_file_is_the_role() -> None:
    key = zmq.curve_keypair()[0]
    assert parse_public("worker-strat.pub", f"{key.decode()}\n") == (STRAT, key)
    for name, text in (("strat.pub", key.decode()), ("worker-a-b.pub", key.decode()), ("worker-strat.pub", "")):
        with pytest.raises(ValueError):
            parse_public(name, text)


def test_a_key_under_two_names_admits_neither() -> None:
    one, other = name_program("worker", "one"), name_program("worker", "other")
    key, second = zmq.curve_keypair()[0], zmq.curve_keypair()[0]
    both = AdmittedKeys.of([(one, key), (other, second), (other, key)])
    assert both.programs == {second: other}
    assert AdmittedKeys.of([(one, key)]).lost(both) == [one]
    assert both.lost(both) == []
    assert AdmittedKeys.of([(name_program("node", "x"), key)]).lost(AdmittedKeys.of([(one, key)])) != []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    pair, path = pair_of(), tmp_path / "strat.key"
    write_pair(path, pair)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_pair(path) == pair
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}; it must be 0600") as refused:
        read_pair(path)
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError, match="cannot write"):
        write_pair(path, pair)


def test_a_secret_that_is_not_there_or_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "strat.key"
    with pytest.raises(ConfigError, match="No such file"):
        read_pair(path)
    for data in (b"", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\n"):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(ConfigError, match=str(path)):
            read_pair(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_another_users_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "strat.key"
    write_pair(path, pair_of())
    os.chown(path, 54_321, 54_321)
    with pytest.raises(ConfigError, match="belongs to user 54321"):
        read_pair(path)


def test_one_bad_file_admits_nobody_and_disturbs_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keys(tmp_path)
    good, writable = keys.make("worker", "strat"), keys.make("worker", "open")
    (keys.path / "worker-open.pub").chmod(0o666)
    (keys.path / "worker-torn.pub").write_text("half a key")
    before = keys.folder.signature()
    assert keys.folder.read_admitted().programs == {good.public: good.program}
    assert "worker-torn.pub admits nobody" in caplog.text
    assert "worker-open.pub admits nobody: others could have written it" in caplog.text
    keys.admit(writable)
    assert keys.folder.signature() != before
    assert len(keys.folder.read_admitted().programs) == 2


def test_a_folder_that_others_can_add_to_is_refused(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    keys.path.chmod(0o770)
    with pytest.raises(ConfigError, match="others can add keys"):
        KeyFolder(keys.path)
    with pytest.raises(ConfigError, match="quotebus keys new"):
        KeyFolder(tmp_path / "none")
