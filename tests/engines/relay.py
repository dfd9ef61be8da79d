"""Passes TCP connections on: `python -m tests.engines.relay LISTEN_HOST TO_HOST PORT …`, over a link that may be cut.

Prints `ready` once it listens on all ports. A side that closes closes the other one.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading

CHUNK = 64 << 10


def _pass(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            to.sendall(data)
    for each in (source, to):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _carry(near: socket.socket, address: tuple[str, int]) -> None:
    with near, contextlib.suppress(OSError), socket.create_connection(address, timeout=30) as far:
        far.settimeout(None)
        for each in (near, far):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_pass, args=(far, near), daemon=True)
        back.start()
        _pass(near, far)
        back.join()


def _serve(server: socket.socket, address: tuple[str, int]) -> None:
    while True:
        near, _ = server.accept()
        threading.Thread(target=_carry, args=(near, address), daemon=True).start()


def main() -> None:
    host, to_host, *ports = sys.argv[1:]
    threads = [
        threading.Thread(target=_serve, args=(socket.create_server((host, int(port))), (to_host, int(port))))
        for port in ports
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)


if __name__ == "__main__":
    main()
