"""The repository's own rules: who may import whom, what pure means, and how large a file may be."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bus", "pricing", "execution_adapter")
IMPURE_MODULES = {"datetime", "secrets", "socket", "ssl", "select", "selectors", "threading",
                  "subprocess", "os", "zmq", "websocket", "asyncio", "queue", "io", "pathlib", "tempfile"}  # fmt: skip
FORMATS_TIME = {"gmtime", "strftime", "struct_time"}
SEEDED = {"Random"}
READS_CLOCK = {"now_ns", "utc_ns", "sleep_s"}
MUST_BE_PURE = {
    "bus/book.py", "bus/codec.py", "bus/consumer.py", "bus/events.py", "bus/interest.py", "bus/sequence.py",
    "bus/topics.py", "bus/transport/coverage.py", "bus/tick_queue.py", "bus/capture/captured.py",
    "bus/capture/metadata.py", "bus/capture/schemas.py", "bus/capture/compression.py", "bus/capture/records.py",
    "bus/capture/chunks.py", "bus/capture/summary.py", "bus/capture/intake.py", "bus/capture/text.py",
    "bus/capture/columns.py", "bus/capture/patch.py", "bus/capture/timeline.py", "pricing/backoff.py",
    "pricing/core.py", "pricing/demand.py",
    "pricing/failures.py", "pricing/lag.py", "pricing/messages.py", "pricing/quality.py", "pricing/session.py",
    "pricing/subscription.py", "pricing/symbols.py", "pricing/simulator/faults.py", "pricing/simulator/market.py",
    "pricing/admission.py", "pricing/halts.py", "pricing/placement.py", "pricing/tickers.py", "pricing/orders/core.py",
    "pricing/orders/messages.py", "pricing/simulator/trading/broker.py", "pricing/simulator/trading/matching.py",
    "pricing/simulator/trading/order.py",
    "execution_adapter/decide.py", "execution_adapter/decision.py", "execution_adapter/verdict.py",
    "execution_adapter/pricing.py", "execution_adapter/fallback.py", "execution_adapter/intents.py",
    "execution_adapter/orders.py", "execution_adapter/child.py", "execution_adapter/states.py",
    "execution_adapter/working.py", "execution_adapter/tactics.py", "execution_adapter/order_line.py",
    "execution_adapter/gateway.py", "execution_adapter/summary.py", "execution_adapter/stream.py",
    "execution_adapter/verify.py",
}  # fmt: skip
ZMQ_LIVES_IN = {"bus/transport", "pricing/node.py", "pricing/upstream/hot.py", "pricing/upstream/hot_thread.py",
                "pricing/upstream/outlet.py"}  # fmt: skip
CLOCKS_ARE_READ_IN = {"bus/clock.py"}
ENVIRONMENT_IS_READ_IN = {"bus/cli/up.py"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def declared_pure() -> list[Path]:
    return [path for path in sources(*PACKAGES) if "Pure" in (ast.get_docstring(tree(path)) or "")]


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_imports_go_one_way(path: Path) -> None:
    package = name(path).partition("/")[0]
    others = {other for other in (*PACKAGES, "tests") if other not in (package, "bus")}
    for imported in imports(path):
        assert imported.partition(".")[0] not in others, f"{name(path)} imports {imported}"


@pytest.mark.parametrize("path", sources("pricing/simulator"), ids=name)
def test_simulator_shares_no_code_with_the_client_side(path: Path) -> None:
    allowed = ("bus.settings", "bus.errors", "bus.clock", "pricing.simulator")
    for imported in imports(path):
        if imported.startswith(("bus", "pricing")):
            assert imported.startswith(allowed), f"{name(path)} imports {imported}"


@pytest.mark.parametrize("path", [p for p in sources("pricing") if "simulator" not in p.parts], ids=name)
def test_node_does_not_know_the_simulator(path: Path) -> None:
    assert not [imported for imported in imports(path) if imported.startswith("pricing.simulator")]


def test_the_core_declares_itself_pure() -> None:
    assert {name(path) for path in declared_pure()} >= MUST_BE_PURE


@pytest.mark.parametrize("path", declared_pure(), ids=name)
def test_pure_files_read_no_clock_no_random_no_socket(path: Path) -> None:
    for imported in imports(path):
        assert imported.partition(".")[0] not in IMPURE_MODULES, f"{name(path)} imports {imported}"
        module, _, attribute = imported.rpartition(".")
        assert not (module == "bus.clock" and attribute in READS_CLOCK), f"{name(path)} reads a clock"
        assert module not in ("time", "random"), f"{name(path)} imports {imported}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            allowed = {"time": FORMATS_TIME, "random": SEEDED}.get(node.value.id)
            assert allowed is None or node.attr in allowed, f"{name(path)}:{node.lineno} {ast.unparse(node)}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_io_lives_in_its_places(path: Path) -> None:
    here = name(path)
    for imported in imports(path):
        top = imported.partition(".")[0]
        if top == "zmq":
            assert any(here.startswith(place) for place in ZMQ_LIVES_IN), f"{here} imports zmq"
        if top == "datetime":
            assert here in CLOCKS_ARE_READ_IN, f"{here} imports {top}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "time" and here not in CLOCKS_ARE_READ_IN:
            assert node.attr in FORMATS_TIME, f"{here}:{node.lineno} {ast.unparse(node)}"
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            assert here in ENVIRONMENT_IS_READ_IN, f"{here} reads the environment past the settings"


@pytest.mark.parametrize("path", sources(*PACKAGES, "tests"), ids=name)
def test_files_are_small_and_named_for_their_job(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= (600 if name(path).startswith("tests/") else 400), f"{name(path)} has {lines} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ClassDef):
            for word in ("Manager", "Helper", "Utils", "Service"):
                assert word not in node.name, f"{name(path)}: {node.name}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree(path)), name(path)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            kind = ast.unparse(node.type) if node.type else "everything"
            assert kind not in ("everything", "Exception"), f"{name(path)}:{node.lineno} catches {kind}"


@pytest.mark.parametrize("path", sources("tests"), ids=name)
def test_tests_wait_for_events_and_do_not_sleep(path: Path) -> None:
    allowed = {"tests/support/programs.py", "tests/scenarios/test_lazy.py"}  # the poll, and a measurement's length
    if name(path) in allowed or "perf" in path.parts:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("time.sleep", "sleep", "sleep_s"), f"{name(path)}:{node.lineno}"


def test_no_machine_path_or_registry_address_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for file in listed or [name(path) for path in sources(*PACKAGES)]:
        text = (ROOT / file).read_text(errors="replace")
        for forbidden in (str(ROOT.parent) + "/", "--index" + "-url", "--extra-index" + "-url", "--find" + "-links"):
            if forbidden in text and "--no-emit" not in text:
                raise AssertionError(f"{file} holds {forbidden}")
