"""The operator's rules for authentication, network policies and TLS."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.go_values import version
from cluster.kubernetes.names import is_dns_label
from cluster.kubernetes.ray_objects import ClusterSpec, Rule, ray_container, variable

TOKEN_SINCE, KUBERNETES_TOKEN_SINCE = "2.52.0", "2.55.0"
TLS_VARIABLES = ("RAY_USE_TLS", "RAY_TLS_SERVER_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_CA_CERT")
TLS_VOLUME, TLS_PATH = "ray-tls", "/etc/ray/tls"


def auth(cluster: ClusterSpec) -> Field:
    return cluster.spec["authOptions"]


def by_token(cluster: ClusterSpec) -> bool:
    return auth(cluster)["mode"].text == "token"


def kubernetes_token(cluster: ClusterSpec) -> Field:
    return auth(cluster)["enableK8sTokenAuth"]


def older(cluster: ClusterSpec, since: str) -> bool:
    """Whether the stated Ray is older, or none that can be read."""
    return (version(cluster.spec["rayVersion"].text) or ()) < (version(since) or ())


def token_version(cluster: ClusterSpec) -> Iterator[Fault]:
    """Ray knows tokens since 2.52.0, and the spec says which Ray it is."""
    if by_token(cluster) and older(cluster, TOKEN_SINCE):
        stated = cluster.spec["rayVersion"]
        yield stated.fault(f"authOptions.mode token needs {TOKEN_SINCE} or later, not {stated.text or 'none'}")


def kubernetes_token_version(cluster: ClusterSpec) -> Iterator[Fault]:
    """Ray asks Kubernetes about tokens since 2.55.0."""
    if by_token(cluster) and kubernetes_token(cluster).on and older(cluster, KUBERNETES_TOKEN_SINCE):
        stated = cluster.spec["rayVersion"].text or "none"
        yield kubernetes_token(cluster).fault(f"needs rayVersion {KUBERNETES_TOKEN_SINCE} or later, not {stated}")


def kubernetes_token_secret(cluster: ClusterSpec) -> Iterator[Fault]:
    """Where Kubernetes knows the tokens, none stands in a secret."""
    if by_token(cluster) and kubernetes_token(cluster).on and auth(cluster)["secretName"].text:
        yield auth(cluster)["secretName"].fault("enableK8sTokenAuth is on; leave the secret out")


def kubernetes_token_mode(cluster: ClusterSpec) -> Iterator[Fault]:
    """Kubernetes is asked about tokens only in the mode that has them."""
    if kubernetes_token(cluster).on and not by_token(cluster):
        yield kubernetes_token(cluster).fault("needs authOptions.mode: token")


def policy(cluster: ClusterSpec) -> Field:
    return cluster.spec["networkPolicy"]


def network_gate(cluster: ClusterSpec) -> Iterator[Fault]:
    """Network policies have a gate."""
    if policy(cluster).present and not cluster.gates["RayClusterNetworkPolicy"]:
        yield policy(cluster).fault("needs the gate RayClusterNetworkPolicy, which is off")


def network_direction(cluster: ClusterSpec) -> Iterator[Fault]:
    """Exceptions are made only from what the mode denies."""
    mode = policy(cluster)["mode"].text
    open_rules = {"DenyAllEgress": "ingressRules", "DenyAllIngress": "egressRules"}.get(mode)
    for place in (policy(cluster)["head"], policy(cluster)["worker"], *policy(cluster)["workerGroups"]):
        if open_rules and place[open_rules].filled:
            yield place[open_rules].fault(f"{mode} leaves that direction open; leave them out")


def network_group_names(cluster: ClusterSpec) -> Iterator[Fault]:
    """With network policies, which are named after groups, a group's name is a DNS label."""
    for group in cluster.workers if policy(cluster).present else ():
        if not is_dns_label(group["groupName"].text):
            says = f"{group['groupName'].text!r} becomes part of a NetworkPolicy's name: lower case, digits, dashes, at most 63"
            yield group["groupName"].fault(says)


def network_groups(cluster: ClusterSpec) -> Iterator[Fault]:
    """A policy for a group names a group of this cluster."""
    known = [group["groupName"].text for group in cluster.workers]
    for place in policy(cluster)["workerGroups"]:
        if place["groupName"].text not in known:
            says = f"{place['groupName'].text!r} is no worker group; there are {', '.join(known) or 'none'}"
            yield place["groupName"].fault(says)


def tls_gate(cluster: ClusterSpec) -> Iterator[Fault]:
    """TLS has a gate, which already the mention needs."""
    if cluster.spec["tlsOptions"].present and not cluster.gates["RayClusterMTLS"]:
        yield cluster.spec["tlsOptions"].fault("needs the gate RayClusterMTLS, which is off")


def tls_places(cluster: ClusterSpec) -> list[Field]:
    """Where the operator puts certificates and variables when TLS is on: Ray's containers and the autoscaler's."""
    if not cluster.spec["tlsOptions"]["enabled"].on:
        return []
    return [*map(ray_container, cluster.groups), cluster.autoscaler]


def tls_variables(cluster: ClusterSpec) -> Iterator[Fault]:
    """With TLS on, Ray's four variables about it are the operator's."""
    for place in tls_places(cluster):
        for name in TLS_VARIABLES:
            entry = variable(place["env"], name)
            if entry.present:
                yield entry.fault(f"{name} is set by the operator with tlsOptions; leave it out")


def tls_mounts(cluster: ClusterSpec) -> Iterator[Fault]:
    """With TLS on, the mount of the certificates is the operator's, by name and by path as it is written."""
    for place in tls_places(cluster):
        for mount in place["volumeMounts"]:
            if mount["name"].text == TLS_VOLUME or mount["mountPath"].text == TLS_PATH:
                yield mount.fault(f"the operator mounts {TLS_VOLUME} at {TLS_PATH} with tlsOptions; use others")


RULES: tuple[Rule, ...] = (
    token_version,
    kubernetes_token_version,
    kubernetes_token_secret,
    kubernetes_token_mode,
    network_gate,
    network_direction,
    network_group_names,
    network_groups,
    tls_gate,
    tls_variables,
    tls_mounts,
)
