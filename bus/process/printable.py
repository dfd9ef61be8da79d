"""Text from elsewhere, file names among it, made fit for one line on a terminal. Pure."""

from __future__ import annotations


def escaped(text: str) -> str:
    """With every character that is not plainly printable written out, as Python writes it in a string."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
