"""`python -m tests.forgeries --attempts 10000`: forged messages on buses that know who is who, and how many arrived.

So many against a broker with keys, and so many over a NATS server with roles.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.forgeries.over_nats import forge_over_nats
from tests.forgeries.run import forge_for
from tests.support.nats_server import why_not


def main() -> int:
    """0 when none was accepted."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--attempts", type=int, default=10_000)
    logging.getLogger("quotebus").setLevel(logging.ERROR)  # each refusal of the server would be a line
    attempts, accepted = arguments.parse_args().attempts, 0
    for name, forge in (("keys", forge_for), ("NATS", forge_over_nats)):
        if name == "NATS" and why_not():
            print(f"NATS: not tried: {why_not()}")
            continue
        with TemporaryDirectory() as folder:
            tally = forge(Path(folder), attempts)
        accepted += tally.accepted
        print(f"{name}: {tally.attempts} attempts, {tally.accepted} accepted")
        for line in [*tally.let_in, *tally.arrived][:20]:
            print(line)
    return 1 if accepted else 0


if __name__ == "__main__":
    sys.exit(main())
