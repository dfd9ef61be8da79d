"""The import arrows of a package: between its files, and between its rooms."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Arrow = tuple[str, str]


def find_arrows(package: str) -> set[Arrow]:
    """Which file of a package imports which other one, both by dotted name within the package.

    `package` is a folder such as `bus/capture`; its own `__init__` has the name `__init__`.
    """
    prefix = f"quotebus.{package.replace('/', '.')}."
    files = {_name(path, package): path for path in (ROOT / package).rglob("*.py")}
    return {
        (name, imported.removeprefix(prefix))
        for name, path in files.items()
        for imported in _find_imports(path)
        if imported.startswith(prefix) and imported.removeprefix(prefix) in files and imported != prefix + name
    }


def room(file: str) -> str:
    """The room of a file: the folder within the package that holds it, `root` for none."""
    return file.split(".")[0] if "." in file else "root"


def find_room_arrows(arrows: Iterable[Arrow]) -> set[Arrow]:
    """The same arrows between rooms. The package's `__init__`, its door, is left out: it imports what it exports."""
    pairs = {(room(file), room(imported)) for file, imported in arrows if file != "__init__"}
    return {(one, other) for one, other in pairs if one != other}


def find_circle(arrows: Iterable[Arrow]) -> list[str]:
    """Names from which arrows lead back to themselves; empty where there is no circle."""
    leads_to: dict[str, set[str]] = {}
    for one, other in arrows:
        leads_to.setdefault(one, set()).add(other)
    return sorted(name for name in leads_to if name in _reach(name, leads_to))


def _reach(name: str, leads_to: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        for other in leads_to.get(waiting.pop(), set()) - seen:
            seen.add(other)
            waiting.append(other)
    return seen


def _name(path: Path, package: str) -> str:
    return ".".join(path.relative_to(ROOT / package).with_suffix("").parts)


def _find_imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
