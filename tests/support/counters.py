"""Names of counters as a README's tables list them."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"`(\w+)`")


def documented(readme: Path, after: str) -> set[str]:
    """Every name in the first column of the first table after this text."""
    rows = readme.read_text().partition(after)[2].lstrip().splitlines()
    names: set[str] = set()
    table = False
    for row in rows:
        if row.startswith("|"):
            table = True
            names |= set(_NAME.findall(row.split("|")[1]))
        elif table:
            break
    assert names, f"no table after {after!r}"
    return names
