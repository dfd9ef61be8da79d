"""Rows told to pages that are at different versions end up the same everywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.serve.row_changes import PageRow, RowChanges
from tests.support.samples import QUICK

TABLES = st.lists(st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 3)), min_size=1, max_size=12)


class Page:
    def __init__(self) -> None:
        self.version = 0
        self.rows: dict[str, PageRow] = {}

    def take(self, told: dict[str, object]) -> None:
        if told["full"]:
            self.rows.clear()
        for row in told["rows"]:  # type: ignore[attr-defined]
            self.rows[str(row[0])] = row
        for symbol in told["gone"]:  # type: ignore[attr-defined]
            self.rows.pop(symbol, None)
        self.version = int(told["version"])  # type: ignore[call-overload]


@QUICK
@given(TABLES, st.integers(1, 4), st.integers(1, 4))
def test_every_page_ends_with_the_same_rows(tables: list[dict[str, int]], fast: int, slow: int) -> None:
    changes, pages = RowChanges(), {Page(): fast, Page(): slow}
    for number, table in enumerate(tables):
        changes.replace((symbol, value) for symbol, value in table.items())
        for page, every in pages.items():
            if number % every == 0:
                page.take(changes.since(page.version))
    for page in pages:
        page.take(changes.since(page.version))
        assert page.rows == {symbol: (symbol, value) for symbol, value in tables[-1].items()}


def test_a_version_of_another_start_gets_everything() -> None:
    changes = RowChanges()
    changes.replace([("A", 1)])
    assert changes.since(77)["full"] is True
    assert changes.since(1) == {"version": 1, "full": False, "rows": [], "gone": []}
