"""REST addresses as people write them: with or without the version of the API and a last slash. Pure."""

from __future__ import annotations

VERSION = "v2"


def strip_version(url: str) -> str:
    """The address without `/v2` and slashes at its end: requests add the version themselves."""
    return url.strip().rstrip("/").removesuffix(f"/{VERSION}").rstrip("/")
