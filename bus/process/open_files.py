"""How many files and sockets a process may have open: many shells allow 1,024 where the machine allows far more."""

from __future__ import annotations

import resource


def allow_open_files(most: int) -> None:
    """Let this process open `most`, or as many as it may give itself; never fewer than it had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
