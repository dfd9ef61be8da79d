"""The repository's own rules: who may import whom, what pure means, and how large a file may be."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", bound=ast.AST)
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bus", "pricing", "execution_adapter")
OURS = "quotebus."
IMPURE_MODULES = {"datetime", "secrets", "socket", "ssl", "select", "selectors", "threading",
                  "subprocess", "os", "zmq", "websocket", "asyncio", "queue", "io", "pathlib", "tempfile"}  # fmt: skip
FORMATS_TIME = {"gmtime", "strftime", "struct_time"}
SEEDED = {"Random"}
READS_CLOCK = {"now_ns", "utc_ns", "sleep_s", "measure_wall_offset_ns"}
MUST_BE_PURE = {
    "bus/address.py",
    "bus/process/loopback.py",
    "bus/own_names.py",
    "bus/book.py",
    "bus/capture/format/captured.py",
    "bus/capture/format/chunks.py",
    "bus/capture/inspect/columns.py",
    "bus/capture/format/compression.py",
    "bus/capture/record/frame_packer.py",
    "bus/capture/format/metadata.py",
    "bus/capture/replay/mark_replayed.py",
    "bus/capture/format/records.py",
    "bus/capture/format/schemas.py",
    "bus/capture/format/summary.py",
    "bus/capture/inspect/message_text.py",
    "bus/capture/replay/timeline.py",
    "bus/client_warnings.py",
    "bus/codec.py",
    "bus/consumer.py",
    "bus/edge/audience.py",
    "bus/edge/edge_session.py",
    "bus/edge/formats.py",
    "bus/edge/line_loss.py",
    "bus/edge/order_format.py",
    "bus/edge/order_session.py",
    "bus/envelope.py",
    "bus/events.py",
    "bus/execution_result.py",
    "bus/intent_follower.py",
    "bus/intent_request.py",
    "bus/order_events.py",
    "bus/halts.py",
    "bus/health_owner.py",
    "bus/interest.py",
    "bus/protocol.py",
    "bus/quote_windows.py",
    "bus/received.py",
    "bus/sequence.py",
    "bus/serve/access.py",
    "bus/serve/activity.py",
    "bus/serve/hop_latency.py",
    "bus/serve/page_messages.py",
    "bus/serve/page_stream.py",
    "bus/serve/readiness.py",
    "bus/serve/row_changes.py",
    "bus/serve/state.py",
    "bus/serve/timeline.py",
    "bus/source_clock.py",
    "bus/states.py",
    "bus/stream_clock.py",
    "bus/tick_queue.py",
    "bus/tap/freshness.py",
    "bus/tap/price_history.py",
    "bus/topics.py",
    "bus/verdict.py",
    "bus/transport/nats/protocol.py",
    "bus/transport/nats/subjects.py",
    "bus/transport/zeromq/attendance.py",
    "bus/transport/zeromq/broker_limits.py",
    "bus/transport/zeromq/coverage.py",
    "bus/transport/zeromq/key_files.py",
    "bus/transport/zeromq/roles.py",
    "execution_adapter/decision/event.py",
    "execution_adapter/orders/child_order.py",
    "execution_adapter/decision/choose.py",
    "execution_adapter/decision/decision_table.py",
    "execution_adapter/decision/action.py",
    "execution_adapter/symbol_rounds.py",
    "execution_adapter/orders/journal_entries.py",
    "execution_adapter/orders/asked_intent.py",
    "execution_adapter/orders/intent_ends.py",
    "execution_adapter/orders/price_memory.py",
    "execution_adapter/orders/settling_order.py",
    "execution_adapter/orders/sell_all.py",
    "execution_adapter/decision/fallback.py",
    "execution_adapter/gateways/answer_table.py",
    "execution_adapter/gateways/base.py",
    "execution_adapter/gateways/unsent.py",
    "execution_adapter/verify/history.py",
    "execution_adapter/intents.py",
    "execution_adapter/orders/broker_clock.py",
    "execution_adapter/orders/intent_reports.py",
    "execution_adapter/orders/deferral.py",
    "execution_adapter/orders/request_pace.py",
    "bus/process/order_budget.py",
    "execution_adapter/orders/judged_intent.py",
    "execution_adapter/orders/order_stream.py",
    "execution_adapter/orders/order.py",
    "execution_adapter/decision/limit_price.py",
    "execution_adapter/orders/states.py",
    "execution_adapter/replay_decisions.py",
    "execution_adapter/orders/summary.py",
    "execution_adapter/decision/tactics.py",
    "execution_adapter/decision/assessment.py",
    "execution_adapter/verify/losses.py",
    "execution_adapter/verify/rebuild.py",
    "execution_adapter/verify/verifier.py",
    "execution_adapter/decision/resting.py",
    "execution_adapter/orders/parent_order.py",
    "execution_adapter/orders/intent_progress.py",
    "pricing/symbol_limit.py",
    "pricing/backoff.py",
    "pricing/commands.py",
    "pricing/core.py",
    "pricing/demand.py",
    "pricing/faults.py",
    "pricing/halts.py",
    "pricing/halt_watch.py",
    "pricing/feed_watch.py",
    "pricing/lag.py",
    "pricing/level.py",
    "pricing/listening.py",
    "pricing/market_days.py",
    "pricing/mute.py",
    "pricing/new_york.py",
    "pricing/request_budget.py",
    "pricing/messages.py",
    "pricing/orders/core.py",
    "pricing/orders/messages.py",
    "pricing/orders/supervisor.py",
    "pricing/allocation.py",
    "pricing/quality.py",
    "pricing/sale_conditions.py",
    "pricing/session.py",
    "pricing/session_states.py",
    "pricing/sessions.py",
    "pricing/simulator/faults.py",
    "pricing/simulator/market.py",
    "pricing/simulator/trading/broker.py",
    "pricing/simulator/trading/data_api.py",
    "pricing/simulator/trading/market_hours.py",
    "pricing/simulator/trading/matching.py",
    "pricing/simulator/trading/order.py",
    "pricing/simulator/trading/order_store.py",
    "pricing/simulator/trading/refusals.py",
    "pricing/simulator/trading/rest_limit.py",
    "pricing/subscription.py",
    "pricing/subscription_set.py",
    "pricing/symbols.py",
    "pricing/ticks.py",
    "pricing/upstream/doubted.py",
    "pricing/symbol_lifecycle.py",
}
ZMQ_LIVES_IN = "bus/transport/zeromq/"
NATS_LIVES_IN = "bus/transport/nats/"
KNOW_AN_ENGINE = {"bus/transport/engines.py", "bus/cli/broker.py", "bus/cli/keys.py", "bus/cli/up_keys.py"}
"""Which engine carries the bus is chosen in one place; the broker is ZeroMQ's alone."""
CLOCKS_ARE_READ_IN = {"bus/clock.py"}
SHARED_WITH_SIMULATOR = {"Broker", "Listener", "Quote", "Session", "Trade"}
ENVIRONMENT_IS_READ_IN = {"bus/cli/up.py", "bus/process/readiness.py", "bus/process/spelling.py"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def everything(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def nodes(path: Path, kind: type[N]) -> list[N]:
    return [node for node in everything(path) if isinstance(node, kind)]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in nodes(path, ast.Import):
        found |= {alias.name.removeprefix(OURS) for alias in node.names}
    for node in nodes(path, ast.ImportFrom):
        assert node.level == 0, f"{name(path)}: relative import"
        found |= {f"{node.module}.{alias.name}".removeprefix(OURS) for alias in node.names}
    return found


def declared_pure() -> list[Path]:
    return [path for path in sources(*PACKAGES) if "Pure" in (ast.get_docstring(tree(path)) or "")]


def test_quotebus_is_the_facade_and_its_links_lead_to_the_folders() -> None:
    links = {path.name: path.resolve() for path in (ROOT / "quotebus").iterdir() if path.is_symlink()}
    assert links == {package: ROOT / package for package in PACKAGES}


def test_imports_go_one_way() -> None:
    across = []
    for path in sources(*PACKAGES):
        package = name(path).partition("/")[0]
        others = {other for other in (*PACKAGES, "tests") if other not in (package, "bus")}
        across += [(name(path), each) for each in imports(path) if each.partition(".")[0] in others]
    assert not across


def imported_files(path: Path) -> set[str]:
    """The product's files that this one imports, also inside functions and only for types."""
    modules = {part for imported in imports(path) for part in (imported, imported.rpartition(".")[0]) if part}
    paths = {module.replace(".", "/") + ending for module in modules for ending in (".py", "/__init__.py")}
    return {file for file in paths if (ROOT / file).is_file()} - {name(path)}


def test_no_circle_of_imports_between_product_files() -> None:
    """A file that imports none of those left, or that none of those left imports, is in no circle."""
    left = {name(path): imported_files(path) for path in sources(*PACKAGES)}
    while True:
        used = set().union(*left.values())
        outside = {here for here, imported in left.items() if not imported & left.keys() or here not in used}
        if not outside:
            break
        left = {here: imported - outside for here, imported in left.items() if here not in outside}
    assert not left


def test_no_part_imports_the_facade() -> None:
    """`quotebus/__init__.py` imports the parts, so a part that imports from it is a circle."""
    assert not [
        (name(path), imported)
        for path in sources(*PACKAGES)
        for imported in imports(path)
        if imported.partition(".")[0] not in PACKAGES and imported.startswith("quotebus")
    ] + [
        f"{name(path)}:{node.lineno}"
        for path in sources(*PACKAGES)
        for node in nodes(path, ast.ImportFrom)
        if node.module == "quotebus" and {alias.name for alias in node.names} - set(PACKAGES)
    ]


def test_simulator_shares_no_code_with_the_client_side() -> None:
    allowed = ("bus.settings", "bus.errors", "bus.clock", "bus.process", "pricing.simulator")
    assert not [
        (name(path), imported)
        for path in sources("pricing/simulator")
        for imported in imports(path)
        if imported.startswith(("bus", "pricing")) and not imported.startswith(allowed)
    ]


def test_node_does_not_know_the_simulator() -> None:
    assert not [
        (name(path), imported)
        for path in sources("pricing")
        for imported in imports(path)
        if "simulator" not in path.parts and imported.startswith("pricing.simulator")
    ]


def test_rooms_of_the_execution_worker_depend_one_way() -> None:
    """decision <- orders <- verify, and gateways beside them: only the workers at the root know a gateway."""
    never = {
        "decision": ("orders", "gateways", "verify"),
        "orders": ("gateways", "verify"),
        "verify": ("gateways",),
    }
    assert not [
        (name(path), imported)
        for room, others in never.items()
        for path in sources(f"execution_adapter/{room}")
        for imported in imports(path)
        if imported.startswith(tuple(f"execution_adapter.{other}" for other in others))
    ]


def test_the_core_declares_itself_pure() -> None:
    assert {name(path) for path in declared_pure()} >= MUST_BE_PURE


def test_pure_files_read_no_clock_no_random_no_socket() -> None:
    impure = []
    for path in declared_pure():
        for imported in imports(path):
            module, _, attribute = imported.rpartition(".")
            reads_a_clock = module == "bus.clock" and attribute in READS_CLOCK
            if reads_a_clock or imported.partition(".")[0] in IMPURE_MODULES or module in ("time", "random"):
                impure.append((name(path), imported))
        for node in nodes(path, ast.Attribute):
            if isinstance(node.value, ast.Name):
                allowed = {"time": FORMATS_TIME, "random": SEEDED}.get(node.value.id)
                if allowed is not None and node.attr not in allowed:
                    impure.append((f"{name(path)}:{node.lineno}", ast.unparse(node)))
    assert not impure


def test_io_lives_in_its_places() -> None:
    misplaced = []
    for path in sources(*PACKAGES):
        here = name(path)
        for imported in imports(path):
            top = imported.partition(".")[0]
            if top == "zmq" and not here.startswith(ZMQ_LIVES_IN):
                misplaced.append((here, imported))
            if top == "datetime" and here not in CLOCKS_ARE_READ_IN:
                misplaced.append((here, imported))
        for node in nodes(path, ast.Attribute):
            read = node.value.id if isinstance(node.value, ast.Name) else ""
            reads_a_clock = read == "time" and here not in CLOCKS_ARE_READ_IN and node.attr not in FORMATS_TIME
            reads_the_environment = node.attr in ("environ", "getenv") and here not in ENVIRONMENT_IS_READ_IN
            if reads_a_clock or reads_the_environment:
                misplaced.append((f"{here}:{node.lineno}", ast.unparse(node)))
    assert not misplaced


def test_above_the_seam_no_engine_is_known() -> None:
    assert {
        name(path)
        for path in sources(*PACKAGES)
        if not name(path).startswith(ZMQ_LIVES_IN)
        and any(imported.startswith("bus.transport.zeromq") for imported in imports(path))
    } == KNOW_AN_ENGINE
    assert {
        name(path)
        for path in sources(*PACKAGES)
        if not name(path).startswith(NATS_LIVES_IN)
        and any(imported.startswith("bus.transport.nats") for imported in imports(path))
    } == {"bus/transport/engines.py"}


def test_files_are_small_and_named_for_their_job() -> None:
    lines = {name(path): path.read_text().count("\n") for path in sources(*PACKAGES, "tests")}
    assert not {here: count for here, count in lines.items() if count > (600 if here.startswith("tests/") else 400)}
    assert not [
        f"{name(path)}: {node.name}"
        for path in sources(*PACKAGES, "tests")
        for node in nodes(path, ast.ClassDef)
        if any(word in node.name for word in ("Manager", "Helper", "Utils", "Service"))
    ]


def test_the_path_of_each_quote_does_not_log() -> None:
    for file in ("pricing/upstream/hot.py", "pricing/upstream/publisher.py", "pricing/upstream/upstream_socket.py"):
        assert "logging" not in imports(ROOT / file)


def test_a_class_name_is_defined_once() -> None:
    """One word, one meaning; the simulator is another program, whose words for its own side may be the same."""
    places: dict[str, list[str]] = {}
    for path in sources(*PACKAGES):
        for node in nodes(path, ast.ClassDef):
            places.setdefault(node.name, []).append(name(path))
    twice = {each: found for each, found in places.items() if len(found) > 1}
    assert set(twice) <= SHARED_WITH_SIMULATOR, twice
    for each, found in twice.items():
        assert sum(file.startswith("pricing/simulator/") for file in found) == len(found) - 1 == 1, (each, found)


def test_no_run_of_ten_lines_stands_twice() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for path in sources(*PACKAGES):
        lines = [
            (number, line.strip())
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if line.strip() and not line.strip().startswith(("#", "from ", "import "))
        ]
        for start in range(len(lines) - 9):
            run = tuple(text for _, text in lines[start : start + 10])
            here = f"{name(path)}:{lines[start][0]}"
            assert run not in seen, f"{here} repeats {seen[run]}"
            seen[run] = here


def test_every_module_says_what_it_is_for() -> None:
    assert not [name(path) for path in sources(*PACKAGES) if not ast.get_docstring(tree(path))]


def test_nothing_catches_everything() -> None:
    assert not [
        f"{name(path)}:{node.lineno}"
        for path in sources(*PACKAGES)
        for node in nodes(path, ast.ExceptHandler)
        if node.type is None or ast.unparse(node.type) == "Exception"
    ]


def test_tests_wait_for_events_and_do_not_sleep() -> None:
    allowed = {
        "tests/support/programs.py",
        "tests/scenarios/test_lazy.py",
        "tests/engines/nats_failures.py",
        "tests/engines/nats_partition.py",
        "tests/engines/nats_slow.py",
        "tests/engines/slow_side.py",
        "tests/faults/outages.py",
        "tests/strangers/__main__.py",
    }  # the poll, and a measurement's length
    assert not [
        f"{name(path)}:{node.lineno}"
        for path in sources("tests")
        if name(path) not in allowed and "perf" not in path.parts
        for node in nodes(path, ast.Call)
        if ast.unparse(node.func) in ("time.sleep", "sleep", "sleep_s")
    ]


def test_no_machine_path_or_registry_address_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    for file in listed or [name(path) for path in sources(*PACKAGES)]:
        if (ROOT / file).is_symlink():
            continue
        text = (ROOT / file).read_text(errors="replace")
        for forbidden in (str(ROOT.parent) + "/", "--index" + "-url", "--extra-index" + "-url", "--find" + "-links"):
            if forbidden in text and "--no-emit" not in text:
                raise AssertionError(f"{file} holds {forbidden}")
