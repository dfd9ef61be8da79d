"""The notebook's cells run in order over a recording, in one event loop, as in a kernel."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.support import aio
from tests.support.market import day, write

NOTEBOOK = json.loads((Path(__file__).resolve().parents[2] / "docs/recording.ipynb").read_text())
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


async def execute(cell: str, names: dict[str, Any]) -> None:
    code = compile(cell, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = FunctionType(code, names)()
    if inspect.isawaitable(result):
        await result
    await asyncio.sleep(0)


def test_every_cell_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(day().entries, tmp_path / "day.mcap")  # tests run in a folder of their own, which is this one
    names: dict[str, Any] = {"__name__": "__main__"}

    async def main() -> None:
        for cell in CELLS:
            await execute(cell, names)

    aio.run(main())
    assert len(names["quotes"]) == 300
    assert "2026-01-05" in capsys.readouterr().out


def test_it_is_kept_without_results_in_the_form_of_notebooks() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)
