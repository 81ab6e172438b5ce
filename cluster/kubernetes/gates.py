"""Feature gates of the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from cluster.errors import RequestError

Gates = Mapping[str, bool]

# As KubeRay 1.7 starts. Five of them decide nothing about a manifest and are there so that any list of gates can be given.
DEFAULTS: Gates = {
    "RayClusterStatusConditions": True,
    "RayJobDeletionPolicy": True,
    "RayMultiHostIndexing": True,
    "RayServiceIncrementalUpgrade": True,
    "RayCronJob": False,
    "SidecarSubmitterRestart": False,
    "RayClusterNetworkPolicy": False,
    "GCSFaultToleranceEmbeddedStorage": False,
    "RayClusterMTLS": False,
    "RayClusterHistoryServer": False,
    "KubernetesWAS": False,
}


def gates(wanted: Sequence[str]) -> dict[str, bool]:
    """All gates, those of `NAME=true|false` set so. Raises RequestError for any other text."""
    chosen = dict(DEFAULTS)
    for each in wanted:
        name, _, state = each.partition("=")
        if name not in chosen:
            near = get_close_matches(name, chosen, 1)
            raise RequestError(f"--gate {each}: no such gate; " + (f"did you mean {near[0]}?" if near else ", ".join(chosen)))
        if state not in ("true", "false"):
            raise RequestError(f"--gate {each}: say {name}=true or {name}=false")
        chosen[name] = state == "true"
    return chosen
