"""`python -m tests.docs.run_pages`: every command and sample of the guides, really run, in the order of each page.

A broker, the simulated exchange and a node run; somebody wants SPY, QQQ and MSFT all the time. Each page has a folder
of its own. A command that goes on until it is stopped is stopped after five seconds and must then end well. Lines in
`sh` blocks are for an administrator, and are not run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.docs import pages
from tests.support.world import LOOPBACK, World

ENDLESS = ("make up", "quotebus record", "quotebus broker", "execution-worker --symbols", "exchange-simulator",
           "quotebus tap top")  # fmt: skip
ALONE = ("make up", "quotebus broker", "exchange-simulator")
"""Programs that bring a bus or an exchange of their own: on free ports, since one runs here already."""
FOR_S = 100.0
RUNS_S = 5.0
"""How long what goes on until it is stopped is left running."""


def prepare(words: list[str], world: World, quiet: World) -> tuple[list[str], dict[str, str]]:
    """The command as it is run here, and its environment."""
    line = " ".join(words)
    environment = {**os.environ, **world.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {"EXECUTION_ORDERS_URL": world.environment["PRICING_ORDER_REST_URL"],
                    "EXECUTION_JOURNAL_DIR": str(world.folder / "journal")}  # fmt: skip
    if line.startswith(ALONE):
        environment |= {**LOOPBACK, "SIMULATOR_PORT": "0", "SIMULATOR_CONTROL_PORT": "0", "UP_SERVE": "false"}
    if words[0] == "make":
        words = [*words, "--no-print-directory", "-C", str(pages.ROOT)]
    if "replay" in words:
        environment |= quiet.environment  # a replay refuses a bus on which a live node publishes
    return words, environment


def run_command(words: list[str], folder: Path, world: World, quiet: World) -> str | None:
    """What went wrong with a command of a page; None when nothing did."""
    line = " ".join(words)
    command, environment = prepare(words, world, quiet)
    endless = line.startswith(ENDLESS) and "--for" not in line
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as started:
        try:
            if endless:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    started.wait(RUNS_S)
                if started.poll() is None:
                    os.killpg(started.pid, signal.SIGINT)
            printed = started.communicate(timeout=FOR_S)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            return f"{line}: did not end"
    ended_well = started.returncode == 0 or (endless and started.returncode in (-signal.SIGINT, 2, 130))
    return None if ended_well else f"{line}: exit status {started.returncode}\n{printed[-600:]}"


def run_page(page: Path, world: World, quiet: World) -> list[str]:
    """What went wrong on a page."""
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "docs").mkdir()
        (folder / "docs/intents.csv").write_bytes((pages.ROOT / "docs/intents.csv").read_bytes())
        for kind, text in pages.list_blocks(page):
            if kind == "python":
                _, environment = prepare(["python"], world, quiet)
                done = subprocess.run([sys.executable, "-c", text], cwd=folder, env=environment, capture_output=True,
                                      text=True, timeout=FOR_S, check=False)  # fmt: skip
                wrong += [] if done.returncode == 0 else [f"{page.name}: a sample: {done.stderr[-600:]}"]
            elif kind == "console":
                for words in pages.list_commands_of(text):
                    if words[:2] == ["quotebus", "record"]:
                        (folder / "day.mcap").unlink(missing_ok=True)  # no file is ever replaced
                    found = run_command(words, folder, world, quiet)
                    print(f"{page.name}: {' '.join(words)}: {'ok' if found is None else 'WRONG'}", flush=True)
                    wrong += [] if found is None else [f"{page.name}: {found}"]
    return wrong


def main() -> int:
    """0 when everything on the pages does what it says."""
    with tempfile.TemporaryDirectory() as folder:
        world, quiet = World(Path(folder), forked=False), World(Path(folder), forked=False)
        try:
            quiet.broker()
            world.broker()
            world.exchange("--rate", "100")
            world.node()
            world.client("reader-of-all").request(["SPY", "QQQ", "MSFT"], wait_s=20)
            wrong = [each for page in pages.GUIDES for each in run_page(page, world, quiet)]
        finally:
            world.close()
            quiet.close()
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
