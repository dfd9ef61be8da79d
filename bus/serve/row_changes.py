"""Which rows of the page changed since a client was told last, so that a slow client gets less and not more. Pure.

Every change of a row has a number. A client is served from the number that it has: what changed ten times meanwhile is
sent once, as it is now. That is all that is kept for a client, however slow it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

PageRow = tuple[object, ...]
"""The fields of a row as the page gets them, its symbol first."""
MAX_GONE = 10_000
"""Removed rows that are remembered; a client that is further back gets everything."""


class RowChanges:
    """The rows as they are now, the ones changed last at the end."""

    def __init__(self) -> None:
        self.version = 0
        self._rows: OrderedDict[str, tuple[int, PageRow]] = OrderedDict()
        self._gone: OrderedDict[str, int] = OrderedDict()
        self._complete_from = 0

    def __len__(self) -> int:
        return len(self._rows)

    def replace(self, rows: Iterable[PageRow]) -> None:
        """These are the rows from now on, and no others."""
        version = self.version + 1
        changed, there = False, set()
        for row in rows:
            symbol = str(row[0])
            there.add(symbol)
            former = self._rows.get(symbol)
            if former is None or former[1] != row:
                self._rows[symbol] = (version, row)
                self._rows.move_to_end(symbol)
                self._gone.pop(symbol, None)
                changed = True
        for symbol in [symbol for symbol in self._rows if symbol not in there]:
            del self._rows[symbol]
            self._gone[symbol] = version
            changed = True
        while len(self._gone) > MAX_GONE:
            self._complete_from = self._gone.popitem(last=False)[1]
        if changed:
            self.version = version

    def since(self, version: int) -> dict[str, object]:
        """What a client that has `version` needs; 0 for everything. `full`: forget what was there before."""
        full = version < self._complete_from or version == 0 or version > self.version
        rows: list[PageRow] = []
        for number, row in reversed(self._rows.values()):
            if number <= version and not full:
                break
            rows.append(row)
        gone = [] if full else [symbol for symbol, number in self._gone.items() if number > version]
        return {"version": self.version, "full": full, "rows": rows, "gone": gone}
