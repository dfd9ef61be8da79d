"""The pages of the site: their links, their samples, their commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "docs/start.md", ROOT / "docs/concepts.md", *sorted((ROOT / "docs/guides").glob("*.md"))]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def list_pages() -> list[Path]:
    """Every page that git knows, tests apart."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split() if not name.startswith("tests/")]


def list_blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return _FENCE.findall(page.read_text())


def list_commands(page: Path) -> list[list[str]]:
    """The words of every command line in console blocks, comments cut off."""
    return [words for kind, text in list_blocks(page) if kind == "console" for words in list_commands_of(text)]


def list_commands_of(block: str) -> list[list[str]]:
    """The words of the command lines of one console block."""
    return [shlex.split(line[2:], comments=True) for line in block.splitlines() if line.startswith("$ ")]


def list_links(page: Path) -> list[str]:
    """Links of a page to other pages and files of the repository."""
    prose = _FENCE.sub("", page.read_text())
    return [link for link in _LINK.findall(prose) if not re.match(r"[a-z]+:", link)]


def list_anchors(page: Path) -> set[str]:
    """What a link to this page may name behind its `#`."""
    prose, anchors = _FENCE.sub("", page.read_text()), set[str]()
    for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        anchors.add(re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", text.strip().lower())))
    return anchors
