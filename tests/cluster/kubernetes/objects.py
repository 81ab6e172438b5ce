"""Ray objects that nothing refuses, and ways to change them."""

from __future__ import annotations

import copy
import re
from typing import Any


def group(name: str) -> dict[str, Any]:
    return {"groupName": name, "template": pods("worker")}


def pods(container: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": container, "image": "rayproject/ray:2.56.0"}]}}


def cluster_spec() -> dict[str, Any]:
    return {
        "rayVersion": "2.56.0",
        "headGroupSpec": {"template": pods("head")},
        "workerGroupSpecs": [group("cpu"), group("gpu")],
    }


def ray(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


OBJECTS = {
    "cluster": ray("RayCluster", "farm", cluster_spec()),
    "job": ray("RayJob", "train", {"entrypoint": "python train.py", "rayClusterSpec": cluster_spec()}),
    "guest": ray("RayJob", "guest", {"entrypoint": "python train.py", "clusterSelector": {"ray.io/cluster": "farm"}}),
    "service": ray("RayService", "chat", {"serveConfigV2": "applications: []", "rayClusterConfig": cluster_spec()}),
    "gradual": ray(
        "RayService",
        "chat",
        {
            "rayClusterConfig": {**cluster_spec(), "enableInTreeAutoscaling": True},
            "upgradeStrategy": {
                "type": "NewClusterWithIncrementalUpgrade",
                "clusterUpgradeOptions": {"stepSizePercent": 10, "intervalSeconds": 30, "gatewayClassName": "istio"},
            },
        },
    ),
    "cron": ray(
        "RayCronJob",
        "nightly",
        {"schedule": "0 3 * * *", "jobTemplate": {"entrypoint": "true", "rayClusterSpec": cluster_spec()}},
    ),
}

STEP = re.compile(r'\["(.*?)"\]|\[(\d+)\]|([^.\[]+)')


def changed(base: str, changes: dict[str, Any]) -> dict[str, Any]:
    """One of the objects with values set at paths such as `spec.workerGroupSpecs[0].suspend`; `...` removes."""
    value = copy.deepcopy(OBJECTS[base])
    for path, new in changes.items():
        *way, last = [key or name or int(index) for key, index, name in STEP.findall(path)]
        place: Any = value
        for step in way:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        if new is ...:
            del place[last]
        else:
            place[last] = new
    return value
