"""The recipes of docs/data.md run as they stand, in order, beside a recording."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from quotebus.bus.capture import Capture
from quotebus.bus.capture.inspect.export import Export
from tests.support.market import day, write

PAGE = (Path(__file__).resolve().parents[2] / "docs/data.md").read_text()
SAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_every_recipe_runs_and_prints(sample: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "polars" in sample and not find_spec("polars"):
        pytest.skip("with `make docs` only")
    write(day().entries, tmp_path / "day.mcap")  # tests run in a folder of their own, which is this one
    if "tables/" in sample:
        Export(tmp_path / "tables", "parquet").write(Capture(tmp_path / "day.mcap"))
    exec(compile(sample, "docs/data.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()
