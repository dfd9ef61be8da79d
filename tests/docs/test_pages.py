"""Links lead somewhere, commands have the flags that are written, samples over a recording run."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from tests.docs import pages
from tests.support.market import day, write
from tests.support.programs import run

SCRIPTS = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"]["scripts"]
COLLECTED = ("docs/settings.md", "docs/counters.md")
FROM_TESTS = ("tests/perf/README.md",)
REPLAYED = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in pages.GUIDES
    for number, (kind, text) in enumerate(pages.list_blocks(page))
    if kind == "python" and "with ReplayClient(" in text
]


def test_every_link_leads_to_a_page_and_to_a_heading_on_it() -> None:
    lost: list[str] = []
    for page in pages.list_pages():
        for link in pages.list_links(page):
            target, _, anchor = link.partition("#")
            path = (page.parent / target).resolve() if target else page
            if not path.exists():
                lost.append(f"{page.name}: {link}")
            elif anchor and path.suffix == ".md" and anchor not in pages.list_anchors(path):
                lost.append(f"{page.name}: {link}: no such heading")
    assert not lost


@cache
def help_of(*words: str) -> str:
    return run(*words, "--help")[1]


@pytest.mark.parametrize("page", pages.GUIDES, ids=lambda page: page.stem)
def test_commands_have_their_verbs_and_flags(page: Path) -> None:
    for words in pages.list_commands(page):
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", (pages.ROOT / "Makefile").read_text(), re.MULTILINE)
            continue
        assert words[0] in SCRIPTS, words
        depth = 3 if words[:2] in (["quotebus", "tap"], ["quotebus", "capture"]) else 2 if words[0] == "quotebus" else 1
        told = help_of(*words[:depth])
        assert "usage:" in told, words
        for flag in (word.partition("=")[0] for word in words[depth:] if word.startswith("-")):
            assert re.search(rf"(^|[\s,]){re.escape(flag)}\b", told), f"{' '.join(words)}: {flag}"


@pytest.mark.parametrize("sample", REPLAYED)
def test_samples_over_a_recording_run(sample: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(day().entries, tmp_path / "day.mcap")  # tests run in a folder of their own, which is this one
    exec(compile(sample, "sample", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def test_the_site_has_every_page(tmp_path: Path) -> None:
    config = (pages.ROOT / "docs/mkdocs.yml").read_text()
    listed = set(re.findall(r": ([\w/.-]+\.md)$", config, re.MULTILINE))
    there = {str(page.relative_to(pages.ROOT)) for page in pages.list_pages()}
    assert listed - there == {*COLLECTED, *FROM_TESTS}
    assert there - listed == set(), "a page that nothing leads to"
