"""Topic prefixes as a person gives them: `quote.`, `decision.worker-1`, several with commas between them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import GAP_TOPIC


def parse_prefixes(given: Iterable[str]) -> tuple[str, ...]:
    """All of them; none means every topic. ValueError names one with which no topic begins."""
    found = tuple(filter(None, (text.strip() for several in given for text in several.split(","))))
    for text in found:
        if not text.isascii() or not any(_begins(text, kind) for kind in (*codec.KINDS, GAP_TOPIC)):
            raise ValueError(f"no topic begins so: {text[:40]!r} (there are {', '.join(codec.KINDS)})")
    return found


def _begins(text: str, kind: str) -> bool:
    return kind.startswith(text) or text.startswith(f"{kind}.")
