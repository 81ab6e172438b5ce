"""The operator's rules for a cluster's autoscaler."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.cluster_rules import negative
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.go_values import version
from cluster.kubernetes.ray_objects import ClusterSpec, Rule, pod, ray_container, variable

V2 = "RAY_enable_autoscaler_v2"
START_COMMAND = "KUBERAY_GEN_AUTOSCALER_START_CMD"
PRIORITY_SINCE = "2.56.0"


def v2_variable(cluster: ClusterSpec) -> Field:
    return variable(ray_container(cluster.head)["env"], V2)


def asks_for_v2(entry: Field) -> bool:
    """Exactly these texts: Ray itself would also take `True`, the operator does not look for it."""
    return entry["value"].text in ("1", "true")


def has_v2(cluster: ClusterSpec) -> bool:
    """By version or by variable, and also where autoscaling is off. A release's own default does not count."""
    return cluster.autoscaler["version"].text == "v2" or asks_for_v2(v2_variable(cluster))


def suspended_group(cluster: ClusterSpec) -> Iterator[Fault]:
    """The autoscaler does not know suspended groups."""
    for group in cluster.workers:
        if cluster.autoscaling and group["suspend"].on:
            yield group["suspend"].fault("a group is not suspended while enableInTreeAutoscaling is on; turn one off")


def v2_without_autoscaling(cluster: ClusterSpec) -> Iterator[Fault]:
    """Who asks for autoscaler v2 by the variable turns autoscaling on."""
    entry = v2_variable(cluster)
    if not cluster.autoscaling and asks_for_v2(entry):
        yield entry.fault(f"{V2} without enableInTreeAutoscaling: true")


def v2_twice(cluster: ClusterSpec) -> Iterator[Fault]:
    """The autoscaler's version is said in autoscalerOptions or by the variable."""
    entry = v2_variable(cluster)
    if cluster.autoscaling and cluster.autoscaler["version"].present and entry.present:
        yield entry.fault(f"autoscalerOptions.version is set; leave {V2} out")


def v2_restart_policy(cluster: ClusterSpec) -> Iterator[Fault]:
    """Autoscaler v2 replaces pods itself, so Kubernetes restarts none of their containers."""
    for group in cluster.groups:
        policy = pod(group)["restartPolicy"]
        if cluster.autoscaling and cluster.autoscaler["version"].text == "v2" and policy.text not in ("", "Never"):
            yield policy.fault(f"{policy.text} with autoscaler v2; Never, or leave it out")


def idle_timeout(cluster: ClusterSpec) -> Iterator[Fault]:
    """The autoscaler's idle timeout is zero or more."""
    yield from negative(cluster.autoscaler["idleTimeoutSeconds"])


def start_command(cluster: ClusterSpec) -> Iterator[Fault]:
    """The variable with the autoscaler's command line is the operator's."""
    entry = variable(cluster.autoscaler["env"], START_COMMAND)
    if entry.present:
        yield entry.fault(f"{START_COMMAND} is set by the operator; leave it out")


def group_idle_timeout(cluster: ClusterSpec) -> Iterator[Fault]:
    """A group's idle timeout is zero or more."""
    for group in cluster.workers:
        yield from negative(group["idleTimeoutSeconds"])


def group_idle_timeout_v2(cluster: ClusterSpec) -> Iterator[Fault]:
    """Only autoscaler v2 has an idle timeout for a group."""
    for group in cluster.workers:
        if group["idleTimeoutSeconds"].present and not has_v2(cluster):
            yield group["idleTimeoutSeconds"].fault("only autoscaler v2 has it: autoscalerOptions.version: v2")


def priority_version(cluster: ClusterSpec) -> Iterator[Fault]:
    """Groups have priorities since Ray 2.56.0, and the spec says which Ray it is."""
    since, stated = version(PRIORITY_SINCE), cluster.spec["rayVersion"].text
    for group in cluster.workers:
        if group["priority"].number and since and (version(stated) or ()) < since:
            yield group["priority"].fault(f"needs rayVersion {PRIORITY_SINCE} or later, not {stated or 'none'}")


def priority_v2(cluster: ClusterSpec) -> Iterator[Fault]:
    """Only autoscaler v2 knows priorities."""
    for group in cluster.workers:
        if group["priority"].number and not has_v2(cluster):
            yield group["priority"].fault("only autoscaler v2 has it: autoscalerOptions.version: v2")


RULES: tuple[Rule, ...] = (
    suspended_group,
    v2_without_autoscaling,
    v2_twice,
    v2_restart_policy,
    idle_timeout,
    start_command,
    group_idle_timeout,
    group_idle_timeout_v2,
    priority_version,
    priority_v2,
)
