"""Topic prefixes as people write them: `quote.`, `decision.worker-1`, several separated by commas. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import GAP_TOPIC


def parse_prefixes(given: Iterable[str]) -> tuple[str, ...]:
    """All prefixes given; none selects every topic. Raises ValueError for one that no topic begins with."""
    found = tuple(filter(None, (text.strip() for several in given for text in several.split(","))))
    for text in found:
        if not text.isascii() or not any(_matches(text, kind) for kind in (*codec.KINDS, GAP_TOPIC)):
            raise ValueError(f"no topic begins with {text[:40]!r}; topics begin with {', '.join(codec.KINDS)}")
    return found


def _matches(text: str, kind: str) -> bool:
    return kind.startswith(text) or text.startswith(f"{kind}.")
