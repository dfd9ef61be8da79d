"""How many random histories a test runs through: few in the suite, as many as asked for by `make seeds`."""

from __future__ import annotations

import os


def seeds(fewest: int) -> range:
    """From 0; at least `fewest`, more where QUOTEBUS_SEEDS says so."""
    return range(max(fewest, int(os.environ.get("QUOTEBUS_SEEDS", "0"))))
