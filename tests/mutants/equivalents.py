"""Changes that alter nothing a caller can see, by module and by the name that `mutate.py` gives them, each with why."""

from __future__ import annotations

from collections.abc import Mapping

EQUIVALENTS: Mapping[str, Mapping[str, str]] = {}
