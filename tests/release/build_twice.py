"""`python -m tests.release.build_twice [--output dist]`: wheel and sdist, the same bytes from two clean clones.

The clones lie in different folders, the second is made under another umask and a later clock; what differs is named,
and then nothing is left in the output folder. Builds with the pinned build tools of this environment.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(clone: Path, umask: int, epoch: str | None) -> dict[str, bytes]:
    """What is built from a fresh clone of the newest commit, by name."""
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    if epoch is not None:
        environment["SOURCE_DATE_EPOCH"] = epoch
    former = os.umask(umask)
    try:
        subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(clone)], check=True)
        os.utime(clone / "README.md", (1_000_000_000, 1_000_000_000))
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build"],
            cwd=clone,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    finally:
        os.umask(former)
    return {path.name: path.read_bytes() for path in sorted((clone / "dist").iterdir())}


def main() -> int:
    """0 when both builds are the same, 1 when not."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--output", type=Path, default=ROOT / "dist")
    output: Path = arguments.parse_args().output
    with tempfile.TemporaryDirectory() as folder:
        first = build(Path(folder) / "one", 0o022, None)
        second = build(Path(folder) / "another-name", 0o077, None)
        dated = [build(Path(folder) / name, 0o027, "1700000000") for name in ("dated", "dated-again")]
    different = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    different |= {name for name in dated[0] if dated[0][name] != dated[1].get(name)}
    shutil.rmtree(output, ignore_errors=True)
    if different or not first:
        print(f"not the same bytes twice: {', '.join(sorted(different)) or 'nothing was built'}")
        return 1
    output.mkdir(parents=True)
    for name, data in first.items():
        (output / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
