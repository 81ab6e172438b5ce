"""The operator's rules for a head that outlives its pod: state kept in Redis, or in an embedded store (rocksdb)."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.ray_objects import ClusterSpec, Rule, pod, ray_container, variable

ENABLED = "ray.io/ft-enabled"
NAMESPACE = "ray.io/external-storage-namespace"
STORE = "gcs-storage"  # the operator's volume
STORE_PATH = "/data/gcs"
STORE_VARIABLES = ("RAY_gcs_storage", "RAY_gcs_storage_path")


def options(cluster: ClusterSpec) -> Field:
    return cluster.spec["gcsFaultToleranceOptions"]


def rocksdb(cluster: ClusterSpec) -> bool:
    return options(cluster)["backend"].text == "rocksdb"


def head_variable(cluster: ClusterSpec, name: str) -> Field:
    return variable(ray_container(cluster.head)["env"], name)


def enabled_twice(cluster: ClusterSpec) -> Iterator[Fault]:
    """Fault tolerance is asked for by the options or by the older annotation, whatever that says."""
    if cluster.annotations[ENABLED].text and options(cluster).present:
        yield cluster.annotations[ENABLED].fault("gcsFaultToleranceOptions is set; leave the annotation out")


def address_without_tolerance(cluster: ClusterSpec) -> Iterator[Fault]:
    """An address of Redis in the head's environment would turn fault tolerance on behind the operator's back."""
    entry, on = head_variable(cluster, "RAY_REDIS_ADDRESS"), cluster.annotations[ENABLED].text.lower() == "true"
    if entry.present and not on and not options(cluster).present:
        yield entry.fault("RAY_REDIS_ADDRESS without fault tolerance; use gcsFaultToleranceOptions.redisAddress")


def address_twice(cluster: ClusterSpec) -> Iterator[Fault]:
    """With the options, Redis' address stands in them."""
    entry = head_variable(cluster, "RAY_REDIS_ADDRESS")
    if entry.present and options(cluster).present:
        yield entry.fault("use gcsFaultToleranceOptions.redisAddress instead of RAY_REDIS_ADDRESS")


def password_parameter(cluster: ClusterSpec) -> Iterator[Fault]:
    """With the options, Redis' password is no parameter of `ray start`."""
    parameter = cluster.head["rayStartParams"]["redis-password"]
    if parameter.text and options(cluster).present:
        yield parameter.fault("use gcsFaultToleranceOptions.redisPassword")


def password_variable(cluster: ClusterSpec) -> Iterator[Fault]:
    """With the options, Redis' password is no variable of the head."""
    entry = head_variable(cluster, "REDIS_PASSWORD")
    if entry.present and options(cluster).present:
        yield entry.fault("use gcsFaultToleranceOptions.redisPassword instead of REDIS_PASSWORD")


def namespace_twice(cluster: ClusterSpec) -> Iterator[Fault]:
    """With the options, the namespace in the store stands in them."""
    if cluster.annotations[NAMESPACE].text and options(cluster).present:
        yield cluster.annotations[NAMESPACE].fault("use gcsFaultToleranceOptions.externalStorageNamespace")


def username(cluster: ClusterSpec) -> Iterator[Fault]:
    """Redis' user name stands in the options and nowhere else, with or without them."""
    parameter, entry = cluster.head["rayStartParams"]["redis-username"], head_variable(cluster, "REDIS_USERNAME")
    for place in (parameter if parameter.text else None, entry if entry.present else None):
        if place:
            yield place.fault("use gcsFaultToleranceOptions.redisUsername")


def rocksdb_gate(cluster: ClusterSpec) -> Iterator[Fault]:
    """The embedded store has a gate."""
    if rocksdb(cluster) and not cluster.gates["GCSFaultToleranceEmbeddedStorage"]:
        yield options(cluster)["backend"].fault("rocksdb needs the gate GCSFaultToleranceEmbeddedStorage, which is off")


def rocksdb_without_redis(cluster: ClusterSpec) -> Iterator[Fault]:
    """The embedded store leaves no use for what is said about Redis. An empty user or password says something."""
    for name in ("redisAddress", "externalStorageNamespace"):
        if rocksdb(cluster) and options(cluster)[name].text:
            yield options(cluster)[name].fault("means nothing with the backend rocksdb; leave it out")
    for name in ("redisUsername", "redisPassword"):
        if rocksdb(cluster) and options(cluster)[name].present:
            yield options(cluster)[name].fault("means nothing with the backend rocksdb; leave it out")


def own_claim(cluster: ClusterSpec) -> Iterator[Fault]:
    """Who brings a volume claim leaves out what would describe a new one."""
    storage = options(cluster)["storage"]
    described = [name for name in ("size", "storageClassName") if storage[name].present]
    described += ["accessModes"] if storage["accessModes"].filled else []
    if rocksdb(cluster) and storage["claimName"].text and described:
        yield storage["claimName"].fault(f"a claim of one's own is as it is; leave out {', '.join(described)}")


def rocksdb_variables(cluster: ClusterSpec) -> Iterator[Fault]:
    """Where the embedded store is, the operator tells the head."""
    for name in STORE_VARIABLES:
        entry = head_variable(cluster, name)
        if rocksdb(cluster) and entry.present:
            yield entry.fault(f"{name} is set by the operator with the backend rocksdb; leave it out")


def rocksdb_mount(cluster: ClusterSpec) -> Iterator[Fault]:
    """The embedded store's mount in the head container is the operator's, by name and by path."""
    for mount in ray_container(cluster.head)["volumeMounts"]:
        if rocksdb(cluster) and (mount["name"].text == STORE or mount["mountPath"].text == STORE_PATH):
            yield mount.fault(f"the operator mounts {STORE} at {STORE_PATH} with the backend rocksdb; use others")


def rocksdb_volume(cluster: ClusterSpec) -> Iterator[Fault]:
    """The embedded store's volume in the head pod is the operator's."""
    for volume in pod(cluster.head)["volumes"]:
        if rocksdb(cluster) and volume["name"].text == STORE:
            yield volume["name"].fault(f"{STORE} is the operator's with the backend rocksdb; use another name")


def storage_without_rocksdb(cluster: ClusterSpec) -> Iterator[Fault]:
    """Redis needs no storage from here, not even an empty block of it."""
    if not rocksdb(cluster) and options(cluster)["storage"].present:
        yield options(cluster)["storage"].fault("only the backend rocksdb has storage; leave it out")


RULES: tuple[Rule, ...] = (
    enabled_twice,
    address_without_tolerance,
    address_twice,
    password_parameter,
    password_variable,
    namespace_twice,
    username,
    rocksdb_gate,
    rocksdb_without_redis,
    own_claim,
    rocksdb_variables,
    rocksdb_mount,
    rocksdb_volume,
    storage_without_rocksdb,
)
