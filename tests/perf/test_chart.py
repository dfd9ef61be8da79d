"""The picture of the measurements says what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.perf.chart import draw, panels, read
from tests.perf.processors import CROWDED


def measured(contender: str, rate: float, others: float = 0.0, **figures: float) -> dict[str, Any]:
    return {"contender": contender, "per_frame": 1, "rate": rate, "others": others, **figures}


ROUNDS = [
    measured("quotebus", 0.0, quotes_per_s=184_400.0),
    measured("quotebus", 0.0, quotes_per_s=2.0, others=CROWDED),
    measured("alpaca-py", 0.0, quotes_per_s=19_000.0, others=CROWDED),
    measured("quotebus", 2_000.0, p50_ms=0.3, p99_ms=0.8),
    measured("alpaca-py", 2_000.0, p50_ms=900.0, p99_ms=950.0),
]


def test_disturbed_rounds_are_left_out_where_there_are_others_and_who_falls_behind_has_no_bar(tmp_path: Path) -> None:
    file = tmp_path / "rounds.json"
    file.write_text(json.dumps({"rounds": ROUNDS}))
    drawn = draw(list(panels(read([file]))))
    texts = [text.text for text in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:5] == ["quotes a second, one quote a frame", "quotebus", "184 k", "alpaca-py, direct", "19 k"]
    assert texts[5:-1] == ["latency at 2,000 quotes/s", "quotebus", "0.30, 0.80 ms", "alpaca-py, direct",
                           "falls behind without end"]  # fmt: skip
