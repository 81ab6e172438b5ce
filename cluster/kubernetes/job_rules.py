"""The operator's rules for a RayJob, which also hold for the template of a RayCronJob."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.kubernetes.cluster_rules import negative, too_long
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.manifests import embedded
from cluster.kubernetes.ray_objects import JobSpec, RayObject, Rule, pod

LONGEST_NAME = 47  # of a RayJob or RayService; its cluster's name has six more
SELECTED = "ray.io/cluster"


def name_length(ray: RayObject) -> Iterator[Fault]:
    """The name of a RayJob or RayService is short enough for the name of its cluster."""
    yield from too_long(ray.name, LONGEST_NAME)


def suspended(job: JobSpec) -> Iterator[Fault]:
    """A suspended job gives its cluster back."""
    if job.spec["suspend"].on and not job.spec["shutdownAfterJobFinishes"].on:
        yield job.spec["suspend"].fault("needs shutdownAfterJobFinishes: true")


def time_to_live(job: JobSpec) -> Iterator[Fault]:
    """ttlSecondsAfterFinished is zero or more."""
    yield from negative(job.spec["ttlSecondsAfterFinished"])


def time_to_live_without_end(job: JobSpec) -> Iterator[Fault]:
    """A time until the cluster goes needs a cluster that goes."""
    seconds = job.spec["ttlSecondsAfterFinished"]
    if (seconds.number or 0) > 0 and not job.spec["shutdownAfterJobFinishes"].on:
        yield seconds.fault("needs shutdownAfterJobFinishes: true")


def selected_suspended(job: JobSpec) -> Iterator[Fault]:
    """A cluster that others use is not suspended."""
    if job.selects and job.spec["suspend"].on:
        yield job.spec["suspend"].fault("not with clusterSelector")


def somewhere_to_run(job: JobSpec) -> Iterator[Fault]:
    """A job runs on a cluster of its own or on one that it selects; with both it selects."""
    if not job.selects and not job.spec["rayClusterSpec"].present:
        yield job.spec.fault("neither rayClusterSpec nor clusterSelector; one of them is needed")


def selected_name(job: JobSpec) -> Iterator[Fault]:
    """A cluster is selected by name, under one key."""
    if job.selects and not job.spec["clusterSelector"][SELECTED].text:
        yield job.spec["clusterSelector"].fault(f"names no cluster; {SELECTED}: NAME does")


def selected_sidecar(job: JobSpec) -> Iterator[Fault]:
    """A submitter beside the head needs a head of the job's own."""
    if job.selects and job.mode == "SidecarMode":
        yield job.spec["submissionMode"].fault("SidecarMode does not go with clusterSelector")


def selected_retries(job: JobSpec) -> Iterator[Fault]:
    """Retries start a new cluster, so there are none on a selected one. Those of the submitter are others."""
    if job.selects and (job.spec["backoffLimit"].number or 0) > 0:
        yield job.spec["backoffLimit"].fault("no retries with clusterSelector; 0, or leave it out")


def interactive_retries(job: JobSpec) -> Iterator[Fault]:
    """What a person submits is not submitted again."""
    if job.mode == "InteractiveMode" and (job.spec["backoffLimit"].number or 0) > 0:
        yield job.spec["backoffLimit"].fault("no retries in InteractiveMode; 0, or leave it out")


def retries(job: JobSpec) -> Iterator[Fault]:
    """backoffLimit is zero or more."""
    yield from negative(job.spec["backoffLimit"])


def sidecar_submitter(job: JobSpec) -> Iterator[Fault]:
    """A submitter beside the head has no pod of its own to describe, not even with an empty block."""
    for name in ("submitterPodTemplate", "submitterConfig"):
        if job.mode == "SidecarMode" and job.spec[name].present:
            yield job.spec[name].fault("means nothing in SidecarMode; leave it out")


def sidecar_restart_policy(job: JobSpec) -> Iterator[Fault]:
    """A submitter beside the head runs once, so the head pod restarts nothing."""
    policy = pod(job.spec["rayClusterSpec"]["headGroupSpec"])["restartPolicy"]
    if job.mode == "SidecarMode" and policy.text not in ("", "Never"):
        yield policy.fault(f"{policy.text} in SidecarMode; Never, or leave it out")


def kubernetes_token(job: JobSpec) -> Iterator[Fault]:
    """The operator submits with a token of its own, which Kubernetes does not know."""
    yield from no_kubernetes_token(job.spec["rayClusterSpec"], "RayJob")


def no_kubernetes_token(cluster: Field, kind: str) -> Iterator[Fault]:
    asked = cluster["authOptions"]["enableK8sTokenAuth"]
    if asked.on:
        yield asked.fault(f"not for the cluster of a {kind}")


def runtime_environment(job: JobSpec) -> Iterator[Fault]:
    """runtimeEnvYAML is YAML for a mapping, or for nothing."""
    text = job.spec["runtimeEnvYAML"]
    try:
        value = embedded(text.text)
    except ValueError as error:
        yield text.fault(str(error))
        return
    if value is not None and not isinstance(value, dict):
        yield text.fault("stands for no mapping; `pip: [...]` or the like")


def deadlines(job: JobSpec) -> Iterator[Fault]:
    """Deadlines leave some time."""
    for name in ("activeDeadlineSeconds", "preRunningDeadlineSeconds"):
        seconds = job.spec[name]
        if seconds.number is not None and seconds.number <= 0:
            yield seconds.fault(f"{seconds.number} leaves no time; 1 or more, or leave it out")


OF_THE_OBJECT: tuple[Rule, ...] = (name_length,)
RULES: tuple[Rule, ...] = (
    suspended,
    time_to_live,
    time_to_live_without_end,
    selected_suspended,
    somewhere_to_run,
    selected_name,
    selected_sidecar,
    selected_retries,
    interactive_retries,
    retries,
    sidecar_submitter,
    sidecar_restart_policy,
    kubernetes_token,
    runtime_environment,
    deadlines,
)
