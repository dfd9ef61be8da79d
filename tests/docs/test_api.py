"""docs/api.md is what the code says, every public name is explained, and every example runs."""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import griffe
import pytest

import quotebus
from tests.docs import api_page
from tests.support.forkserver import fork_server
from tests.support.market import day, write
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
RETURNED = {
    "AssetFacts",
    "AsyncFeed",
    "ConnectionHealth",
    "ExecutionResult",
    "Feed",
    "OrderUpdate",
    "Quote",
    "Reasons",
    "ReportedOrder",
    "Standing",
    "SymbolResult",
    "Trade",
    "Verdict",
    "version",
}
"""What a client returns is used in its example, not named."""
EXAMPLES = sorted(api_page.EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("world"))
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    yield world
    world.close()


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs/api.md").read_text() == api_page.render(), "make apidocs"


def test_every_exported_name_has_its_place_on_the_page_and_no_other() -> None:
    exported = api_page.names(api_page.load())
    assert sorted(name for group in api_page.GROUPS.values() for name in group) == sorted(exported)
    assert sorted(exported) == sorted(quotebus.__all__)


def test_every_name_and_member_is_explained() -> None:
    without: list[str] = []
    for name in set(quotebus.__all__) - {"__version__"}:
        of = api_page.find(api_page.load(), name)
        without += [] if api_page.text(of) else [name]
        if isinstance(of, griffe.Class) and name != "BusSettings" and name not in api_page.WORDS:
            without += [f"{name}.{member.name}" for member in api_page.public(of) if not member.docstring]
    assert not without


def test_every_argument_of_a_client_is_explained() -> None:
    missing: list[str] = []
    for name in api_page.MADE_BY_CALLERS:
        of = api_page.find(api_page.load(), name)
        assert isinstance(of, griffe.Class)
        for member in api_page.public(of):
            said = api_page.text(member)
            if isinstance(member, griffe.Function) and f"As `BusClient.{member.name}`" not in said:
                arguments = [each.name for each in member.parameters if each.name != "self"]
                missing += [f"{name}.{member.name}: {each}" for each in arguments if f"`{each}`" not in said]
    assert not missing


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs_and_prints(world: World, example: Path, tmp_path: Path) -> None:
    if "day.mcap" in example.read_text():
        write(day().entries, tmp_path / "day.mcap")
    with tempfile.TemporaryFile("w+", dir=tmp_path) as errors:
        program = fork_server().start(str(example), [], {**os.environ, **world.environment}, errors.fileno())
        printed = program.stdout.read()
        program.stdout.close()
        status = program.wait(50)
        errors.seek(0)
        assert status == 0, errors.read()
    assert printed.strip(), "it prints nothing"


def test_every_name_has_an_example_that_uses_it() -> None:
    assert {path.stem for path in EXAMPLES} == {name.strip("_") for name in quotebus.__all__}
    for path in EXAMPLES:
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if path.stem not in RETURNED:
            assert path.stem in names, path.stem
