"""`quotebus` itself: every name is where it says, for a program, an editor and a type checker alike."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import quotebus

SOURCE = Path(quotebus.__file__)


def homes() -> dict[str, str]:
    """What a type checker reads: names, and the modules that they are imported from."""
    return {
        alias.name: str(node.module)
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("quotebus")
        for alias in node.names
    }


def test_a_program_finds_the_names_that_a_type_checker_reads() -> None:
    assert sorted(homes()) == sorted(quotebus.__all__)
    for name, module in homes().items():
        assert getattr(quotebus, name) is getattr(importlib.import_module(module), name)


def test_names_are_listed_before_they_are_used() -> None:
    assert set(dir(quotebus)) >= {*quotebus.__all__, "__doc__", "__file__"}


def test_an_unknown_name_is_said_as_python_says_it() -> None:
    with pytest.raises(AttributeError, match="module 'quotebus' has no attribute 'BusClinet'"):
        quotebus.BusClinet  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'BusClinet' from 'quotebus'"):
        exec("from quotebus import BusClinet")


@pytest.mark.parametrize(
    ("statement", "loads"),
    [
        ("import quotebus", False),
        ("from quotebus import __version__", False),
        ("from quotebus import BusClient", True),
        ("from quotebus import *", True),
        ("import quotebus; quotebus.BusClient", True),
    ],
)
def test_only_what_is_used_is_imported(statement: str, loads: bool) -> None:
    code = f"import sys; {statement}; print('zmq' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(loads)
