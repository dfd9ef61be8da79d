"""An answer proves the subscriptions made before its question, also between servers."""

from __future__ import annotations

from pathlib import Path

from tests.engines.nats_proof import cluster_and_leaf, prove
from tests.support.nats_server import access_to, needs_server

pytestmark = needs_server


def test_an_answer_across_a_route_and_a_leaf_proves_the_subscriptions(tmp_path: Path) -> None:
    with cluster_and_leaf(tmp_path) as (cluster, leaf):
        other = access_to(cluster.servers[1])
        assert prove(access_to(cluster.servers[0]), other, 100) == 0
        assert prove(access_to(leaf), other, 100) == 0
