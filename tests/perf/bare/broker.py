"""`zmq.proxy` and nothing else: `python -m tests.perf.bare.broker` prints where to publish and where to subscribe."""

from __future__ import annotations

import zmq


def main() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    inside, outside = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
    for each in (inside, outside):
        each.setsockopt(zmq.RCVHWM, 0)
        each.setsockopt(zmq.SNDHWM, 0)
        each.bind("tcp://127.0.0.1:*")
    print(inside.getsockopt_string(zmq.LAST_ENDPOINT), outside.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
    zmq.proxy(inside, outside)


if __name__ == "__main__":
    main()
