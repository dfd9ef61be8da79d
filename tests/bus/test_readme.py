"""The README's file map, socket table and import order are those of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from quotebus import bus
from quotebus.bus.transport.zeromq.sockets import Role

ROOT = Path(bus.__file__).parent
TEXT = (ROOT / "README.md").read_text()
FILES = re.findall(r"^\| `([\w/]+\.py)` \| .* \| (yes|) ?\|$", TEXT, re.MULTILINE)
LAYERS = {
    name: level
    for level, names in enumerate(
        [
            ["errors", "version", "clock", "process"],
            ["states", "envelope", "order_events", "events", "topics", "protocol", "address", "own_names"],
            ["codec"],
            [
                "sequence",
                "interest",
                "source_clock",
                "stream_clock",
                "health_owner",
                "received",
                "verdict",
                "halts",
                "execution_result",
                "intent_follower",
                "intent_request",
            ],
            ["book"],
            ["client_warnings"],
            [
                *("consumer", "tick_queue", "feed", "async_feed", "settings", "replay_scheduler"),
                *("frames", "quote_windows", "tick_handlers"),
            ],
            ["judgement"],
            ["transport"],
            ["base_client"],
            ["data_client"],
            ["client", "async_client"],
            ["capture"],
            ["tap"],
            ["serve"],
            ["edge"],
            ["sdk"],
            ["cli"],
        ]
    )
    for name in names
}


def imported(file: Path) -> set[str]:
    """Modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("quotebus.") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = node.module.removeprefix("quotebus.")
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == "bus" else {module}
    return found


def test_file_map_names_every_file() -> None:
    there = {str(file.relative_to(ROOT)) for file in ROOT.rglob("*.py")}
    listed = {name for name, _ in FILES}
    elsewhere = ("cli/", "tap/", "capture/", "edge/", "sdk/", "serve/")
    assert listed == {name for name in there if not name.endswith("__init__.py") and not name.startswith(elsewhere)}


def test_pure_files_import_nothing_that_has_effects() -> None:
    effects = {"time", "os", "socket", "threading", "zmq", "random", "subprocess", "logging", "pathlib"}
    pure = [name for name, said in FILES if said]
    assert len(pure) >= 8
    for name in pure:
        assert not {module.partition(".")[0] for module in imported(ROOT / name)} & effects, name


def test_imports_go_downwards() -> None:
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        if parts == ("__init__",):
            continue
        for module in imported(file):
            target = module.split(".")
            if target[0] == "bus" and len(target) > 1:
                assert LAYERS[target[1]] <= LAYERS[parts[0]], f"{file.name} imports {module}"


def test_zeromq_lives_in_its_folder_only_and_other_programs_nowhere() -> None:
    for file in ROOT.rglob("*.py"):
        roots = {module.partition(".")[0] for module in imported(file)}
        assert not roots & {"pricing", "execution_adapter"}, file
        if "zmq" in roots:
            assert file.relative_to(ROOT).parts[:2] == ("transport", "zeromq"), file


def test_socket_table_names_every_option_that_is_set() -> None:
    section = TEXT.partition("## Sockets")[2].partition("## Time")[0]
    options = {option.name for role in Role for option in role.options()}  # type: ignore[attr-defined]
    ours = {"RCVTIMEO", "SNDTIMEO"}  # of the proxy's inner command line
    for name in options - ours:
        stem, _, last = name.rpartition("_")
        assert f"`{name}`" in section or (f"`{stem}" in section and f"`_{last}`" in section), name
