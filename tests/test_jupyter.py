"""The notebook recipe's cells, run in order in one event loop against the real programs, as a kernel would."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.aio import run, soon
from tests.support.bus import set_environment
from tests.support.world import World

RECIPE = (Path(__file__).parents[1] / "docs" / "jupyter.md").read_text()
CELLS = re.findall(r"^```python\n(.*?)^```", RECIPE, re.MULTILINE | re.DOTALL)


def compiled(cell: str) -> CodeType:
    code: CodeType = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


async def execute(cell: str, names: dict[str, Any]) -> None:
    """One cell; the loop goes on in between, as it does in a kernel."""
    result = FunctionType(compiled(cell), names)()
    if inspect.isawaitable(result):
        await result
    await asyncio.sleep(0)


def test_the_recipe_runs(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    fake = ModuleType("IPython.display")
    fake.Markdown = str  # type: ignore[attr-defined]
    fake.display = lambda _, display_id: SimpleNamespace(update=shown.append)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    world.broker()
    world.exchange("--rate", "100")
    world.node()
    set_environment(monkeypatch, world.settings())

    async def main() -> None:
        names: dict[str, Any] = {"__name__": "__main__"}
        *cells, more, end = CELLS
        for cell in cells:
            await execute(cell, names)
        bus, mids = names["bus"], names["mids"]
        await soon(lambda: len(mids.get("SPY", ())) > 3 and "| usable |" in "".join(shown))
        await execute(more, names)
        assert bus.symbols == ("SPY", "AAPL")
        await soon(lambda: bus.usable("AAPL"))
        await execute(end, names)
        assert names["following"].done()
        assert bus.symbols == ()

    run(main())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("True none")
    assert len(lines) == 7
