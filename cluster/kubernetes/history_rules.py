"""The operator's rules for the history server's collector, a container that the operator adds to every pod."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.ray_objects import ClusterSpec, Rule, pod

COLLECTOR = "ray-history-collector"
OPERATORS = (
    "POD_IP",
    "FQ_RAY_IP",
    "RAY_CLUSTER_NAME",
    "RAY_CLUSTER_NAMESPACE",
    "RAY_ROLE",
    "OWNER_KIND",
    "OWNER_NAME",
    "EVENTS_PORT",
)
BACKEND, AZURE_MODE = "STORAGE_BACKEND", "AZURE_STORAGE_AUTH_MODE"
CONNECTION, ACCOUNT = "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_URL"
NEEDED = {  # what each store wants to know; one that is not here is taken as it is
    "GCS": ("GCS_BUCKET",),
    "S3": ("S3_REGION",),
    "ALIYUNOSS": ("OSS_BUCKET", "OSS_ENDPOINT", "OSS_REGION"),
}


def options(cluster: ClusterSpec) -> Field:
    return cluster.spec["historyServerOptions"]


def collector(cluster: ClusterSpec) -> Field:
    return options(cluster)["collectorOptions"]


def variables(cluster: ClusterSpec) -> dict[str, Field]:
    """The collector's variables by name; the last of a name counts."""
    return {entry["name"].text: entry for entry in collector(cluster)["env"]}


def is_set(entry: Field | None) -> bool:
    return entry is not None and (entry["value"].text != "" or entry["valueFrom"].present)


def backend(cluster: ClusterSpec) -> str:
    entry = variables(cluster).get(BACKEND)
    return entry["value"].text.upper() if entry else ""


def gate(cluster: ClusterSpec) -> Iterator[Fault]:
    """The history server has a gate."""
    if options(cluster).present and not cluster.gates["RayClusterHistoryServer"]:
        yield options(cluster).fault("needs the gate RayClusterHistoryServer, which is off")


def collector_options(cluster: ClusterSpec) -> Iterator[Fault]:
    """A history has a collector."""
    if options(cluster).present and not collector(cluster).present:
        yield collector(cluster).fault("is missing; it says where histories go")


def container_name(cluster: ClusterSpec) -> Iterator[Fault]:
    """The collector's container is the only one of that name."""
    for group in cluster.groups if options(cluster).present else ():
        for container in pod(group)["containers"]:
            if container["name"].text == COLLECTOR:
                yield container["name"].fault(f"{COLLECTOR} is the operator's container; use another name")


def image(cluster: ClusterSpec) -> Iterator[Fault]:
    """The collector has an image."""
    if collector(cluster).present and not collector(cluster)["image"].text:
        yield collector(cluster)["image"].fault("is missing")


def own_variables(cluster: ClusterSpec) -> Iterator[Fault]:
    """Where it runs, the collector hears from the operator."""
    for name, entry in variables(cluster).items():
        if name in OPERATORS:
            yield entry.fault(f"{name} is set by the operator; leave it out")


def store(cluster: ClusterSpec) -> Iterator[Fault]:
    """The collector knows its store from a value that stands in the manifest."""
    if collector(cluster).present and not backend(cluster):
        yield collector(cluster)["env"].fault(f"{BACKEND} needs a literal value among them")


def store_variables(cluster: ClusterSpec) -> Iterator[Fault]:
    """Each known store is told what it needs, by value or by reference."""
    for name in NEEDED.get(backend(cluster), ()):
        if not is_set(variables(cluster).get(name)):
            yield collector(cluster)["env"].fault(f"{name} is missing, which the store {backend(cluster)} needs")


def azure_variables(cluster: ClusterSpec) -> Iterator[Fault]:
    """Azure is told what its mode of authentication needs; without a known mode either will do."""
    if backend(cluster) != "AZUREBLOB":
        return
    entry = variables(cluster).get(AZURE_MODE)
    mode = entry["value"].text.strip().lower() if entry else ""
    either = {"connection_string": [CONNECTION], "workload_identity": [ACCOUNT], "default": [ACCOUNT]}.get(
        mode, [CONNECTION, ACCOUNT]
    )
    if not any(is_set(variables(cluster).get(name)) for name in either):
        yield collector(cluster)["env"].fault(f"{' or '.join(either)} is missing, which the store AZUREBLOB needs")


RULES: tuple[Rule, ...] = (
    gate,
    collector_options,
    container_name,
    image,
    own_variables,
    store,
    store_variables,
    azure_variables,
)
