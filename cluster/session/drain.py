"""Take this node out of its cluster before it goes: `python -m cluster.session.drain SECONDS`, a pod's preStop hook.

Ray gives a draining node no new work, and Serve starts replicas elsewhere before it ends those here. A node that is merely
stopped is missed by others only after some seconds, in which they still send it requests.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

REQUEST_SECONDS = 5


def drain(address: str, node: str, seconds: int) -> None:
    """Tell the cluster at `address` (HOST:PORT) that the node with the IP `node` goes in so many seconds.

    Raises LookupError where the cluster knows no such node, RuntimeError where it does not let the node go.
    """
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # a compiled module
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason  # type: ignore[attr-defined]  # made by protoc

    client: Any = GcsClient(address=address)
    known = client.get_all_node_info(timeout=REQUEST_SECONDS).values()
    here = [each for each in known if each.state == each.ALIVE and each.node_manager_address == node]
    if not here:
        raise LookupError(f"{address} knows no node {node}")
    deadline = int((time.time() + seconds) * 1000)
    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")  # the other reason, idleness, is refused by a node at work
    for each in here:
        accepted, why = client.drain_node(each.node_id.hex(), reason, "its pod is being ended", deadline)
        if not accepted:
            raise RuntimeError(f"{node} is not let go: {why}")


if __name__ == "__main__":
    drain(os.environ["RAY_ADDRESS"], os.environ["POD_IP"], int(sys.argv[1]))
