"""Which of the operator's rules are for which kind.

They are those of KubeRay 1.7 (ray-operator/controllers/ray/utils/validation.go, and of the admission webhook that the names of
groups differ). Not judged, for it is decided by a live object: that a RayCluster's status does not say both suspending and
suspended, and that a RayJob waits only in InteractiveMode. That minReplicas and maxReplicas are set cannot be broken: the
schema's defaults fill them in.
"""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes import (
    autoscaler_rules,
    cluster_rules,
    cronjob_rules,
    deletion_rules,
    fault_tolerance_rules,
    history_rules,
    job_rules,
    security_rules,
    service_rules,
)
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.gates import Gates
from cluster.kubernetes.ray_objects import RayObject, Rule

OF_OBJECTS: dict[str, tuple[Rule, ...]] = {
    "RayCluster": cluster_rules.OF_THE_OBJECT,
    "RayJob": (*job_rules.OF_THE_OBJECT, cluster_rules.name_syntax),
    "RayService": (*job_rules.OF_THE_OBJECT, cluster_rules.name_syntax, *service_rules.RULES),
    "RayCronJob": cronjob_rules.RULES,
}
OF_JOBS: tuple[Rule, ...] = (*job_rules.RULES, *deletion_rules.RULES)
OF_CLUSTERS: tuple[Rule, ...] = (
    *cluster_rules.RULES,
    *autoscaler_rules.RULES,
    *fault_tolerance_rules.RULES,
    *history_rules.RULES,
    *security_rules.RULES,
)


def every_rule() -> list[Rule]:
    """All rules, each once."""
    return list(dict.fromkeys([rule for rules in OF_OBJECTS.values() for rule in rules] + [*OF_JOBS, *OF_CLUSTERS]))


def judged(root: Field, gates: Gates) -> Iterator[tuple[Rule, Fault]]:
    """What the operator would refuse of an object of ray.io, after the schema's defaults, with the rule that says so.

    The operator stops at the first; here every rule speaks. An object of a kind that it does not know passes.
    """
    ray = RayObject(root, gates)
    for rule in OF_OBJECTS.get(ray.kind, ()):
        yield from ((rule, fault) for fault in rule(ray))
    if job := ray.job():
        for rule in OF_JOBS:
            yield from ((rule, fault) for fault in rule(job))
    cluster = ray.cluster() if ray.kind in OF_OBJECTS else None
    if cluster:
        for rule in OF_CLUSTERS:
            yield from ((rule, fault) for fault in rule(cluster))
