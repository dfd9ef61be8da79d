"""The names under which a program may speak, where the bus knows who it is: by its key, or by its user. Pure.

That own name has no hyphen, so that `strat-1` is one of strat's and nobody else's.
"""

from __future__ import annotations

import re

MAX_NAME = 64
OWN_NAME = re.compile(r"[A-Za-z0-9_.:]{1,40}\Z")
"""What a key or a user may be called, to be the beginning of names."""


def is_own_name(own: str, name: str) -> bool:
    """Whether a program with this own name may call a client, a recorder or a source of its own so."""
    return OWN_NAME.match(own) is not None and (name == own or name.startswith(f"{own}-"))


def name_program(own: str, name: str) -> str:
    """What a program is called among others under its own name: `worker-execution` for `worker-execution-host-1`."""
    rest = name.removeprefix(own).removeprefix("-").partition("-")[0]
    return f"{own}-{rest}" if rest else own


def make_own(own: str, name: str) -> str:
    """`name` where it is an own one or the program has no own name, else with that in front; its end is kept."""
    if not own or is_own_name(own, name):
        return name
    return f"{own}-{name[-(MAX_NAME - 1 - len(own)) :]}"
