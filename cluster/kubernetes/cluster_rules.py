"""The operator's rules for a RayCluster: its name, its upgrades, and its groups of pods."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.names import is_dns_label_letter_first, is_label_key, is_label_value
from cluster.kubernetes.ray_objects import ClusterSpec, RayObject, Rule, pod

LONGEST_NAME = 53  # the longest name made from it, that of a service, then has 63
UNBOUNDED = 2**31 - 1  # the schema's default for maxReplicas
RESOURCE_PARAMETERS = ("num-cpus", "num-gpus", "memory", "resources")
MADE_BY = "ray.io/originated-from-crd"


def name_length(ray: RayObject) -> Iterator[Fault]:
    """The name of a RayCluster is short enough for what is named after it."""
    yield from too_long(ray.name, LONGEST_NAME)


def name_syntax(ray: RayObject) -> Iterator[Fault]:
    """The name of a RayCluster, RayJob or RayService is a DNS label that begins with a letter (RFC 1035)."""
    if not is_dns_label_letter_first(ray.name.text):
        says = f"{ray.name.text!r} is no name for it: lower-case letters, digits and dashes, a letter first, no dash last"
        yield ray.name.fault(says)


def too_long(name: Field, longest: int) -> Iterator[Fault]:
    if (length := len(name.text.encode())) > longest:
        yield name.fault(f"has {length} characters; at most {longest}, for names are made from it")


def upgrade_type(ray: RayObject) -> Iterator[Fault]:
    """A cluster is upgraded by Recreate or not at all (None)."""
    chosen = ray.spec["upgradeStrategy"]["type"]
    if chosen.present and chosen.value not in ("Recreate", "None"):
        yield chosen.fault(f"{chosen.value!r} is not for a RayCluster; Recreate or None")


def upgrade_by_owner(ray: RayObject) -> Iterator[Fault]:
    """Whatever was made by a RayJob or a RayService is upgraded by that, so it states no strategy."""
    owner = ray.root["metadata"]["labels"][MADE_BY].text
    chosen = ray.spec["upgradeStrategy"]["type"]
    if owner in ("RayJob", "RayService") and chosen.present:
        yield chosen.fault(f"the label {MADE_BY} says that a {owner} made this cluster; leave the strategy out")


def containers(cluster: ClusterSpec) -> Iterator[Fault]:
    """The pods of every group have a container."""
    for group in cluster.groups:
        if not pod(group)["containers"].filled:
            yield pod(group)["containers"].fault("no container; the first one runs Ray")


def resources_once(cluster: ClusterSpec) -> Iterator[Fault]:
    """What a group offers to Ray is said in one place: parameters of `ray start`, or the field `resources`."""
    for group in cluster.groups:
        said = [name for name in RESOURCE_PARAMETERS if group["rayStartParams"][name].text]
        if said and group["resources"].filled:
            yield group["resources"].fault(f"rayStartParams has {', '.join(said)} too; say all of it in one of them")


def labels_parameter(cluster: ClusterSpec) -> Iterator[Fault]:
    """Labels of Ray's nodes are a field of the group, never a parameter of `ray start`."""
    for group in cluster.groups:
        if "labels" in group["rayStartParams"].keys:
            yield group["rayStartParams"]["labels"].fault("not taken there; use the field labels of the group")


def label_syntax(cluster: ClusterSpec) -> Iterator[Fault]:
    """Labels of a group are written as Kubernetes has labels."""
    for group in cluster.groups:
        for key in group["labels"].keys:
            label = group["labels"][key]
            if not is_label_key(key):
                yield label.fault(f"{key!r} is no label key: an optional sub.domain/, then at most 63 of letters, digits, -_.")
            if not is_label_value(label.text):
                yield label.fault(f"{label.text!r} is no label value: at most 63 of letters, digits, -_.")


def replicas(cluster: ClusterSpec) -> Iterator[Fault]:
    """minReplicas and maxReplicas are zero or more."""
    for group in cluster.workers:
        yield from negative(group["minReplicas"])
        yield from negative(group["maxReplicas"])


def negative(field: Field) -> Iterator[Fault]:
    if (field.number or 0) < 0:
        yield field.fault(f"{field.number} is negative; 0 or more")


def replicas_in_order(cluster: ClusterSpec) -> Iterator[Fault]:
    """minReplicas is at most maxReplicas. `replicas` itself may be outside: the operator moves it."""
    for group in cluster.workers:
        fewest, most = group["minReplicas"], group["maxReplicas"].number
        if (fewest.number or 0) > (most := UNBOUNDED if most is None else most):
            yield fewest.fault(f"{fewest.number or 0} is more than maxReplicas ({most})")


def suspend_gate(cluster: ClusterSpec) -> Iterator[Fault]:
    """Single groups are suspended only behind the gate RayJobDeletionPolicy."""
    for group in cluster.workers:
        if group["suspend"].on and not cluster.gates["RayJobDeletionPolicy"]:
            yield group["suspend"].fault("needs the gate RayJobDeletionPolicy, which is off")


def group_names(ray: RayObject) -> Iterator[Fault]:
    """Groups of a RayCluster have names of their own. Only the optional admission webhook refuses; without it pods mix."""
    seen: set[str] = set()
    for group in ray.spec["workerGroupSpecs"]:
        name = group["groupName"]
        if name.text in seen:
            yield name.fault(f"{name.text!r} names another group too (the admission webhook refuses that)")
        seen.add(name.text)


OF_THE_OBJECT: tuple[Rule, ...] = (name_length, name_syntax, upgrade_type, upgrade_by_owner, group_names)
RULES: tuple[Rule, ...] = (
    containers,
    resources_once,
    labels_parameter,
    label_syntax,
    replicas,
    replicas_in_order,
    suspend_gate,
)
