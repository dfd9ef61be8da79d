"""`quotebus capture`: exit statuses and what each verb prints."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quotebus.bus.capture import CaptureWriter
from quotebus.bus.cli.capture import run
from quotebus.bus.cli.program import main
from tests.support.captures import HEAD, read_all, write_events, write_golden
from tests.support.samples import QUOTE, SAMPLES


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    return write_golden(tmp_path / "golden.mcap")


def test_verify_tells_whole_from_not(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(golden)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "whole"
    assert "13 on 13 topics" in out
    assert "lost      2 (bus)" in out
    golden.write_bytes(golden.read_bytes()[:-100])
    assert run(["verify", str(golden)]) == 3
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "NOT whole"
    assert "good up to message 13" in out


def test_verify_names_payloads_that_do_not_decode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with CaptureWriter(tmp_path / "a.mcap", HEAD) as writer:
        writer.write("quote.SPY", b"\xc1", 1, 1)
    assert run(["verify", str(tmp_path / "a.mcap")]) == 3
    assert "message 1 (quote.SPY)" in capsys.readouterr().out


def test_info_says_who_recorded_what(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", str(golden)]) == 0
    out = capsys.readouterr().out
    for part in ("all (recorder-9d0e44) on desk, run 0123456789abcdef", "quotebus 0.1.0", "2026-01-05T14:30:00", "yes"):
        assert part in out


def test_cat_filters_and_prints_json(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cat", "--json", "--topics", "quote.,trade.", str(golden)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["Quote", "Trade"]
    assert run(["cat", str(golden)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SAMPLES)


def test_cat_of_a_part_prints_what_was_received_in_it(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cat", "--json", "--from", "+0.002", "--to", "2026-01-05T14:30:00.004Z", str(golden)]) == 0
    assert [json.loads(line)["sequence"] for line in capsys.readouterr().out.splitlines()] == [3, 4]
    with pytest.raises(SystemExit) as ended:
        run(["cat", "--from", "yesterday", str(golden)])
    assert ended.value.code == 78


@pytest.mark.parametrize("verb", ["info", "verify", "cat", "recover", "export", "report"])
def test_a_file_that_is_not_there_is_status_66(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, str(tmp_path / "nowhere.mcap")]) == 66
    assert "nowhere.mcap" in capsys.readouterr().err


def test_cat_of_a_damaged_capture_prints_the_prefix_and_says_so(
    golden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden.write_bytes(golden.read_bytes()[:-100])
    assert run(["cat", str(golden)]) == 3
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == len(SAMPLES)
    assert "golden.mcap" in printed.err


def test_recover_makes_a_whole_file_beside_a_damaged_one(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = read_all(golden)
    damaged = golden.read_bytes()[:-100]
    golden.write_bytes(damaged)
    assert run(["recover", str(golden)]) == 0
    assert "recovered 13 messages" in capsys.readouterr().out
    assert golden.read_bytes() == damaged
    assert read_all(golden.with_name("golden.recovered.mcap")) == original
    assert run(["recover", str(golden)]) == 3
    assert "already exists" in capsys.readouterr().out
    assert run(["recover", str(golden), "-o", str(golden.with_name("other.mcap"))]) == 0
    assert run(["verify", str(golden.with_name("other.mcap"))]) == 0


def test_export_writes_tables(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = golden.with_name("tables")
    assert run(["export", str(golden), "-o", str(out), "--topics", "quote."]) == 0
    assert [path.name for path in out.iterdir()] == ["quote.parquet"]
    assert "quote.parquet  1 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["nothing"], 78),
        (["verify", __file__], 3),
        (["export", __file__], 3),
        (["--help"], 0),
        ([], 0),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: list[str],
    status: int,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == status
    assert len(capsys.readouterr().err.splitlines()) == (1 if status else 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cat", "--topics", "quote.,quotes."], "no topic begins with 'quotes.'"),
        (["export", "--topics", "é"], "no topic begins with"),
        (["export", "-o", "day.csv"], "day.csv: not a folder"),
    ],
)
def test_what_would_find_or_make_nothing_is_refused_by_name(
    arguments: list[str], says: str, golden: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run([*arguments, str(golden)])
    printed = capsys.readouterr().err
    assert (ended.value.code, printed.count("\n")) == (78, 1), printed
    assert says in printed


def test_names_in_a_capture_cannot_act_on_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_events(tmp_path / "a.mcap", [QUOTE], head=replace(HEAD, host="\x1b[2Jdesk", recorder="\x07"))
    assert run(["info", str(tmp_path / "a.mcap")]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_report_replaces_no_capture(golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = golden.read_bytes()
    other = golden.with_name("other.html")
    other.write_bytes(before)
    for arguments in ([str(golden), "-o", str(golden)], [str(other)]):
        with pytest.raises(SystemExit) as ended:
            run(["report", *arguments])
        assert ended.value.code == 78
        assert "is a capture and is not overwritten" in capsys.readouterr().err
    assert golden.read_bytes() == other.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["a,b.mcap", "[x].mcap", 'q"x.mcap', "123", "{}", "-", "ä\x1b[31m.mcap", "b\udcff.mcap"]
)
def test_a_file_may_have_any_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_golden(tmp_path / name)
    for verb in ("info", "verify", "cat", "recover"):
        assert run([verb, str(path)]) == 0, capsys.readouterr()
    assert run(["export", str(path), "-o", str(tmp_path / "tables"), "--format", "csv"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_each_damaged_file_of_a_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, run_id in enumerate("abc"):
        head = replace(HEAD, run=run_id * 16, utc_ns=HEAD.utc_ns + number)
        path = write_events(tmp_path / f"{run_id}.mcap", [QUOTE], head=head)
        if run_id != "c":
            path.write_bytes(path.read_bytes()[:-1])
    assert run(["verify", str(tmp_path)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("damaged")] == ["a.mcap:", "b.mcap:"]
    assert lines[0].startswith("messages  3 ")
    assert run(["cat", str(tmp_path)]) == 3
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("verb", ["cat", "export"])
def test_a_selection_of_nothing_is_said(verb: str, golden: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ["-o", f"{golden}.d"] if verb == "export" else []
    assert run([verb, "--from", "+500", str(golden), *output]) == 0
    assert capsys.readouterr().err == f"quotebus capture {verb}: no matching message\n"
    with pytest.raises(SystemExit) as ended:
        run([verb, "--from", "+2", "--to", "+1", str(golden)])
    assert ended.value.code == 78


@pytest.mark.parametrize("arguments", [["capture", "report"], ["replay"]])
def test_nothing_to_play_or_draw_is_no_damage(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_events(tmp_path / "empty.mcap", [])
    assert run(["verify", str(path)]) == 0
    with pytest.raises(SystemExit) as ended:
        main([*arguments, str(path)])
    assert ended.value.code == 66
    assert capsys.readouterr().err == f"quotebus {' '.join(arguments)}: empty.mcap: no message in it\n"


def test_older_tables_are_named(golden: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = ["-o", str(tmp_path / "tables"), "--format", "csv"]
    assert run(["export", str(golden), *output]) == 0
    assert capsys.readouterr().err == ""
    assert run(["export", str(golden), *output, "--topics", "quote."]) == 0
    assert "remain: capture_gap, counters, decision" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "command",
    [
        "quotebus capture verify",
        "execution-worker verify",
        "bus-tap echo --file",
        "bus-tap top --count 1 --file",
        "quotebus --help",
    ],
)
def test_an_output_that_takes_nothing_is_one_line_and_74(command: str, tmp_path: Path) -> None:
    capture = write_events(tmp_path / "a.mcap", [QUOTE])
    words = [str(Path(sys.executable).parent / command.split()[0]), *command.split()[1:], str(capture)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (74, 1), done.stderr
    assert "No space left" in done.stderr
    closed = subprocess.run(
        ["bash", "-c", 'exec "$@" >&-', "-", *words], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    decisions = "" if command != "execution-worker verify" else f"{command}: {capture}: no decision in it\n"
    assert (closed.returncode, closed.stderr) == (66 if decisions else 0, decisions)
