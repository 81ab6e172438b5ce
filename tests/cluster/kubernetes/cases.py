"""Manifests with the verdict of KubeRay's own rules, from the folder of real data (its README says how they were made)."""

from __future__ import annotations

import copy
import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cluster.kubernetes.gates import DEFAULTS, Gates

FOLDER = Path(os.environ.get("PAGELOOM_SHARED") or Path(__file__).parents[4] / "shared") / "kuberay-crds"

Case = dict[str, Any]


@cache
def data() -> dict[str, Any]:
    """Bases and cases; no cases where the folder is not here."""
    file = FOLDER / "cases.yaml"
    return yaml.load(file.read_text(), yaml.CSafeLoader) if file.is_file() else {"cases": [], "bases": {}, "gate_defaults": {}}


def manifest(case: Case, patch: str = "patch") -> dict[str, Any]:
    """The case's base with a JSON Patch applied; `add` and `remove` are all that occur."""
    value = copy.deepcopy(data()["bases"][case["base"]])
    for step in case[patch]:
        *way, last = [key.replace("~1", "/").replace("~0", "~") for key in step["path"].split("/")[1:]]
        place = value
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place[key]
        if isinstance(place, list):
            index = len(place) if last == "-" else int(last)
            place[index : index + (step["op"] == "remove")] = [step["value"]] if step["op"] == "add" else []
        elif step["op"] == "add":
            place[last] = step["value"]
        else:
            del place[last]
    return value


def gates(case: Case) -> Gates:
    return {**DEFAULTS, **({case["needs_gate"]: True} if case["needs_gate"] else {}), **case.get("gates", {})}
