"""`python -m tests.docs.site [--output site]`: the documentation site, from the pages of the repository as they are.

Pages keep their places, so their links hold. Two pages are collected from sections of others: settings and counters. A
link that leads nowhere, or a script or font from elsewhere, fails the build.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "docs/mkdocs.yml"
COLLECTED = {"docs/settings.md": "Settings", "docs/counters.md": "Counters"}
"""Pages made of the sections of this name of every README."""
FROM_TESTS = {"tests/perf/README.md"}
"""What other pages link to of the tests' pages."""
COPIED = (".md", ".csv", ".yml", ".yaml", ".json", ".example", ".service", ".mjs", ".png", ".ipynb")
FOREIGN = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(https?:)?//(?!www\.w3\.org)[^"' >]*""")


def list_pages() -> list[str]:
    """Every page of the repository, and what pages link to beside pages."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    kept = [name for name in listed if name.endswith(".md") and (name[:6] != "tests/" or name in FROM_TESTS)]
    linked = {
        (ROOT / page).parent / link
        for page in kept
        for link in re.findall(r"\]\(([^)#:\s]+)\)", (ROOT / page).read_text())
        if not link.endswith(".md")
    }
    known = {str((ROOT / name).resolve()) for name in listed}
    others = {path.resolve() for path in linked if str(path.resolve()) in known}
    return kept + sorted(str(path.relative_to(ROOT)) for path in others)


def collect(heading: str) -> str:
    """The sections of this heading of every README, each under its part's name, with links that hold in docs/."""
    parts = [f"# {heading}", "", "Collected from the page of each program; more is there."]
    for page in sorted(ROOT.glob("*/README.md")) + sorted(ROOT.glob("*/*/README.md")):
        folder = page.parent.relative_to(ROOT)
        if str(folder).startswith(("tests", "quotebus")):
            continue
        section = page.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0].strip()
        if section:
            moved = re.sub(r"\]\((?![a-z]+:)([^)]*)\)", lambda link, at=folder: f"]({move(link[1], at)})", section)
            parts += ["", f"## {folder}", "", f"[The page](../{folder}/README.md)", "", moved]
    return "\n".join(parts) + "\n"


def move(link: str, folder: Path) -> str:
    """A link of a README, as it reads from docs/."""
    return f"../{folder}/README.md{link}" if link.startswith("#") else f"../{folder}/{link}"


def stage(folder: Path) -> None:
    """Lay out the pages."""
    for name in list_pages():
        if name.endswith(COPIED):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    for name, heading in COLLECTED.items():
        (folder / name).write_text(collect(heading))


def build(output: Path) -> list[str]:
    """Build the site; what is wrong with it. Raises CalledProcessError when mkdocs is not content."""
    with tempfile.TemporaryDirectory() as temporary:
        pages = Path(temporary) / "pages"
        pages.mkdir()
        stage(pages)
        settings = yaml.safe_load(CONFIG.read_text()) | {"docs_dir": str(pages), "site_dir": str(output.resolve())}
        config = Path(temporary) / "mkdocs.yml"
        config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config)]
        subprocess.run(command, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return [
        f"{page.relative_to(output)}: {found.group(0)[:120]}"
        for page in sorted(output.rglob("*.html"))
        for found in FOREIGN.finditer(page.read_text())
        if "rel=canonical" not in found.group(0) and 'rel="canonical"' not in found.group(0)
    ]


def main() -> int:
    """0 when the site is built and stands by itself."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--output", type=Path, default=ROOT / "site")
    output: Path = arguments.parse_args().output
    try:
        foreign = build(output)
    except subprocess.CalledProcessError:
        return 1
    print(*foreign, sep="\n", end="\n" if foreign else "")
    print(f"{len(list(output.rglob('*.html')))} pages in {output}")
    return 1 if foreign else 0


if __name__ == "__main__":
    sys.exit(main())
