"""Engines of the bus by command: `python -m tests.engines VERB`, or `make engines ARGS=VERB`.

`bench`: our NATS wire beside nats-py. `compare`: the whole pipeline over each engine. `fuzz`: the reader of the
protocol. `proof`: what an answer proves. `kill`, `freeze`, `outage`: servers of a cluster. `crowd`: many.
`slow`: a frozen reader beside a fast one.
`partition`: hosts cut off. `standby`: two nodes on two hosts. Exit status 1 when a bound does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.engines import (
    compare,
    nats_bench,
    nats_crowd,
    nats_failures,
    nats_fuzz,
    nats_partition,
    nats_proof,
    nats_slow,
    nats_standby,
)
from tests.support.nats_server import why_not


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.engines", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    bench = verbs.add_parser("bench", help="messages a second and processor time beside nats-py")
    bench.add_argument("--rounds", type=int, default=5)
    bench.add_argument("--count", type=int, default=300_000, help="messages a round")
    fuzz = verbs.add_parser("fuzz", help="good, damaged and cut streams, compared with a slow reader")
    fuzz.add_argument("--times", type=int, default=1_000_000, help="inputs: one call of the reader each")
    fuzz.add_argument("--seed", type=int, default=0)
    compared = verbs.add_parser("compare", help="quotes a second and latency of the whole pipeline over each engine")
    compared.add_argument("--rounds", type=int, default=3)
    compared.add_argument("--quotes", type=int, default=100_000)
    compared.add_argument("--seconds", type=float, default=4)
    proof = verbs.add_parser("proof", help="an answer proves the subscriptions before it, over a route and a leaf")
    proof.add_argument("--times", type=int, default=1_000)
    crowd = verbs.add_parser("crowd", help="connections that ask a node for 100 of 10,000 symbols each")
    crowd.add_argument("--connections", type=int, default=1_000)
    slow = verbs.add_parser("slow", help="a frozen reader beside a fast one, with the shipped bounds")
    slow.add_argument("--rounds", type=int, default=3)
    partition = verbs.add_parser("partition", help="the node's host cut off for 3 s and 9 s; needs root")
    partition.add_argument("--times", type=int, default=3)
    standby = verbs.add_parser("standby", help="the active one of two nodes on two hosts harmed; needs root")
    standby.add_argument("--times", type=int, default=3)
    for verb in nats_failures.PLAYS:
        failure = verbs.add_parser(verb, help="of servers of a cluster, under a real node and real clients")
        failure.add_argument("--times", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.verb == "fuzz":
        inputs, streams, broken = nats_fuzz.run(arguments.times, arguments.seed)
        print(f"{inputs:,} inputs of {streams:,} streams, {broken:,} of them broken: as by the specification")
        return 0
    if why_not():
        print(why_not(), file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        if arguments.verb == "proof":
            return 0 if nats_proof.run(Path(folder), arguments.times) else 1
        if arguments.verb == "crowd":
            return 0 if nats_crowd.run(Path(folder), arguments.connections) else 1
        if arguments.verb == "partition":
            return 0 if nats_partition.run(Path(folder), arguments.times) else 1
        if arguments.verb == "standby":
            return 0 if nats_standby.run(Path(folder), arguments.times) else 1
        if arguments.verb == "slow":
            return 0 if nats_slow.run(Path(folder), arguments.rounds) else 1
        if arguments.verb == "compare":
            return 0 if compare.run(arguments.rounds, arguments.quotes, arguments.seconds) else 1
        if arguments.verb in nats_failures.PLAYS:
            return 0 if nats_failures.run(Path(folder), arguments.verb, arguments.times) else 1
        return 0 if nats_bench.run(Path(folder), arguments.rounds, arguments.count) else 1


if __name__ == "__main__":
    sys.exit(main())
