"""What the endpoint books of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.errors import RequestError
from cluster.resources import Bundle, Node, shortages

INGRESS_CPUS = 0.5  # it parses JSON; a whole CPU is the engine's


def endpoint(recipe: Any) -> list[Bundle]:
    gpu = recipe.cluster.gpus_per_worker
    several = ["serve.replicas"] if recipe.serve.replicas > 1 else []
    lower = ("serve.threads", *several, *(["cluster.gpus_per_worker"] if gpu else []))
    engine = Bundle(recipe.serve.threads, gpu, holder="engine", lower=lower)
    return [engine, Bundle(INGRESS_CPUS, holder="ingress", lower=lower)] * recipe.serve.replicas


def check_room(recipe: Any, nodes: Sequence[Node]) -> None:
    """Refuse a cluster on which the endpoint could only wait for ever. Raises RequestError."""
    if lines := shortages({"serving": endpoint(recipe)}, nodes):
        raise RequestError(lines[0])
