"""The page's files, read once at the start: our own, and the chart library's script out of its Python package."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import NamedTuple

from quotebus.bus.errors import ConfigError

_OWN = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CHART = ("litecharts", "js/lightweight-charts.js")
"""TradingView's Lightweight Charts, as its maker publishes it. Nothing of the package's Python is run."""


class PageFile(NamedTuple):
    """One file, and what a browser needs to know of it."""

    body: bytes
    content_type: str
    etag: str


def load_assets() -> dict[str, PageFile]:
    """All files by name, `index.html`, `chart.js` and so on. Raises ConfigError without the extra."""
    found = {path.name: _make(path) for path in sorted(_OWN.iterdir()) if path.suffix in _TYPES}
    found["chart.js"] = _make(_find_chart())
    return found


def _find_chart() -> Path:
    package, file = CHART
    spec = importlib.util.find_spec(package)
    places = [] if spec is None else spec.submodule_search_locations or []
    script = next((Path(place) / file for place in places if (Path(place) / file).is_file()), None)
    if script is None:
        raise ConfigError(f"{package} does not hold {file}")
    return script


def _make(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:20])
