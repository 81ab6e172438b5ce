"""Run as a program, `probe.py ADDRESS`: what the Ray cluster there says of itself, as one line of JSON on stdout.

A process of its own, as Ray's client has no time limit, writes to stderr, and keeps the first token that it sees.
{"address", "ray", "python", "nodes": [{"address", "cpu", "gpu", "memory", "labels", "planned"}]}, or {"refused": why}
where a token is missing or wrong, or {"failed": why}. planned: not there yet, but the autoscaler may add it.
Nothing of this project is imported: what is asked here is whether Ray can be.
"""

from __future__ import annotations

import json
import sys
from typing import Any

TIMEOUT = 4  # seconds a request
UNLIMITED = 1000  # nodes of a group that may grow without end


def described(address: str) -> dict[str, Any]:
    from ray._private.services import canonicalize_bootstrap_address_or_die
    from ray._raylet import (  # type: ignore[attr-defined]  # a compiled module
        GCS_AUTOSCALER_CLUSTER_CONFIG_KEY,
        GCS_AUTOSCALER_STATE_NAMESPACE,
        GcsClient,
    )
    from ray.exceptions import AuthenticationError

    try:
        resolved = canonicalize_bootstrap_address_or_die(address)
    except (ConnectionError, ValueError) as error:
        return {"failed": str(error).partition(". ")[0]}
    try:
        client = GcsClient(address=resolved)
        versions = json.loads(client.internal_kv_get(b"CLUSTER_METADATA", b"cluster", timeout=TIMEOUT) or b"{}")
        known = client.get_all_node_info(timeout=TIMEOUT).values()
        nodes = [described_node(node) for node in known if node.state == node.ALIVE]
        groups = client.internal_kv_get(
            GCS_AUTOSCALER_CLUSTER_CONFIG_KEY.encode(), GCS_AUTOSCALER_STATE_NAMESPACE.encode(), timeout=TIMEOUT
        )
    except AuthenticationError as error:
        return {"refused": str(error).splitlines()[0]}
    return {
        "address": resolved,
        "ray": versions.get("ray_version", ""),
        "python": versions.get("python_version", ""),
        "nodes": nodes + planned_nodes(groups, nodes),
    }


def described_node(node: Any) -> dict[str, Any]:
    total = node.resources_total
    return {
        "address": node.node_manager_address,
        "id": node.node_id.hex(),
        "cpu": total.get("CPU", 0.0),
        "gpu": total.get("GPU", 0.0),
        "memory": int(total.get("memory", 0)),
        "labels": dict(node.labels),
        "planned": False,
    }


def planned_nodes(groups: bytes | None, present: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes that an autoscaler may add to those that are there: of each group its maximum less those of the same size."""
    from ray.core.generated.autoscaler_pb2 import ClusterConfig  # type: ignore[attr-defined]  # made by protoc

    planned: list[dict[str, Any]] = []
    for group in ClusterConfig.FromString(groups).node_group_configs if groups else ():
        size = {"cpu": float(group.resources.get("CPU", 0)), "gpu": float(group.resources.get("GPU", 0))}
        there = sum(all(node[kind] == amount for kind, amount in size.items()) for node in present)
        most = UNLIMITED if group.max_count < 0 else group.max_count
        memory = int(group.resources.get("memory", 0))
        planned += [
            {"address": "", "id": "", **size, "memory": memory, "labels": {}, "planned": True} for _ in range(most - there)
        ]
    return planned


if __name__ == "__main__":
    try:
        found = described(sys.argv[1])
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    print(json.dumps(found))
