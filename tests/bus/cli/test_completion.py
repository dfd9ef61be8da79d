"""The scripts complete what the programs take: verbs, flags, choices; files where a file is wanted."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from quotebus.bus.cli.completion import find_places, script
from quotebus.bus.cli.program import VERBS
from quotebus.bus.process.flags import command_line
from quotebus.bus.settings import Settings
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.simulator.settings import SimulatorSettings
from tests.support.programs import run


def complete(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    line = f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}"
    commands = f'{script("bash")}\n{line}\n_quotebus_complete\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", commands], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["quotebus", "re"], ["record", "replay"]),
        (["/usr/bin/quotebus", "b"], ["broker"]),
        (["quotebus", "--v"], ["--version"]),
        (["quotebus", "tap", ""], ["top", "echo", "rate", "delay", "list", "info", "bw", "pub", "why"]),
        (["bus-tap", "d"], ["delay"]),
        (["quotebus", "tap", "top", "--so"], ["--sort"]),
        (["quotebus", "capture", "ex"], ["export"]),
        (["quotebus", "capture", "export", "--format", ""], ["parquet", "csv"]),
        (["quotebus", "record", "--comp"], ["--compression"]),
        (["quotebus", "record", "--compression", "z"], ["zstd"]),
        (["quotebus", "completion", ""], ["bash", "zsh"]),
        (["quotebus", "up", "--f"], ["--for"]),
        (["pricing-node", "--lin"], ["--linger-s"]),
        (["pricing-node", "--feed", "sip", "--log-level", "w"], ["warning"]),
        (["execution-worker", "--inte"], ["--intent", "--interval-s", "--intents", "--intents-file", "--intents-from"]),
        (["execution-worker", "v"], ["verify"]),
        (["exchange-simulator", "--control"], ["--control-port"]),
        (["exchange-simulator", "--bus"], []),
        (["execution-worker", "verify", "day"], []),
        (["quotebus", "replay", "day"], []),
        (["execution-worker", "--intents-file", ""], []),
    ],
)
def test_bash_completes(words: list[str], offered: list[str]) -> None:
    assert sorted(complete(*words)) == sorted(offered)


def test_bash_uses_it_for_all_programs() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{script('bash')}\ncomplete -p"], capture_output=True, text=True, timeout=60, check=True
    )
    registered = {line.split()[-1]: line for line in done.stdout.splitlines() if "_quotebus_complete" in line}
    assert set(registered) == {"quotebus", "bus-tap", "pricing-node", "execution-worker", "exchange-simulator"}
    assert all("-o default" in line for line in registered.values()), "file names where nothing of ours fits"


@pytest.mark.parametrize(
    ("program", "settings"),
    [
        ("pricing-node", PricingSettings),
        ("execution-worker", ExecutionSettings),
        ("exchange-simulator", SimulatorSettings),
    ],
)
def test_flags_of_the_programs_that_are_not_imported_are_theirs(program: str, settings: type[Settings]) -> None:
    shown = {flag for flag in command_line(settings, program).flags() if not flag.startswith(("--no-", "-h"))}
    assert set(find_places()[program].flags) == shown


def test_every_verb_has_a_place() -> None:
    assert set(VERBS) == {name.split()[1] for name in find_places() if name.startswith("quotebus ")}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh on this machine")
def test_zsh_reads_its_script() -> None:
    done = subprocess.run(["zsh", "-n", "-c", script("zsh")], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_program_prints_the_script_or_one_line() -> None:
    assert run("quotebus", "completion", "bash") == (0, script("bash"))
    status, printed = run("quotebus", "completion", "fish")
    assert (status, printed.count("\n")) == (78, 1)
    assert "bash" in printed
