"""`python -m tests.forgeries --attempts 10000`: forged messages against a broker with keys, and how many arrived."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.forgeries.run import forge_for


def main() -> int:
    """0 when none was accepted."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--attempts", type=int, default=10_000)
    with TemporaryDirectory() as folder:
        tally = forge_for(Path(folder), arguments.parse_args().attempts)
    print(f"{tally.attempts} attempts, {tally.accepted} accepted")
    for line in [*tally.let_in, *tally.arrived][:20]:
        print(line)
    return 1 if tally.accepted else 0


if __name__ == "__main__":
    sys.exit(main())
