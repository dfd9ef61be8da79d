"""Other hosts, each a network namespace behind a pair of virtual links that can be cut. Needs root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

IP = "/sbin/ip"


def _ip(*arguments: str) -> None:
    subprocess.run([IP, *arguments], check=True, capture_output=True, timeout=20)


class Host:
    """One host, `there`; this one is `here` to it."""

    def __init__(self, number: int = 0) -> None:
        self.here, self.there = f"10.203.{77 + number}.1", f"10.203.{77 + number}.2"
        self._space, self._link = f"qb{os.getpid()}n{number}", f"qb{os.getpid()}n{number}h"
        _ip("netns", "add", self._space)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", "far", "netns", self._space)
        _ip("addr", "add", f"{self.here}/30", "dev", self._link)
        _ip("link", "set", self._link, "up")
        for words in (f"addr add {self.there}/30 dev far", "link set far up", "link set lo up"):
            _ip("-n", self._space, *words.split())

    def command(self, name: str, *arguments: str) -> tuple[str, ...]:
        """What starts a program there: one of ours by its name, another by its path."""
        path = name if name.startswith("/") else str(Path(sys.executable).parent / name)
        return IP, "netns", "exec", self._space, path, *arguments

    def cut(self, *, down: bool) -> None:
        _ip("link", "set", self._link, "down" if down else "up")

    def close(self) -> None:
        _ip("link", "del", self._link)
        _ip("netns", "del", self._space)
