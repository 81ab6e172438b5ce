"""The parts of Ray objects that the operator's rules look at. Every one holds the gates, which decide some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.gates import Gates

FIRST = 0  # The Ray container of a pod is its first; others are sidecars.


@dataclass(frozen=True)
class RayObject:
    """A whole object of ray.io."""

    root: Field
    gates: Gates

    @property
    def kind(self) -> str:
        return self.root["kind"].text

    @property
    def spec(self) -> Field:
        return self.root["spec"]

    @property
    def annotations(self) -> Field:
        return self.root["metadata"]["annotations"]

    @property
    def name(self) -> Field:
        """The name; for `generateName` one of those that the API server will choose, five signs longer."""
        metadata = self.root["metadata"]
        if metadata["generateName"].text and not metadata["name"].text:
            return Field(metadata["generateName"].text + "x" * 5, metadata["generateName"].path)
        return metadata["name"]

    def job(self) -> JobSpec | None:
        """What a RayJob or RayCronJob runs. The operator reads a RayCronJob's template without any annotations."""
        if self.kind == "RayJob":
            return JobSpec(self.spec, self.annotations, self.gates)
        if self.kind == "RayCronJob":
            return JobSpec(self.spec["jobTemplate"], Field(None), self.gates)
        return None

    def cluster(self) -> ClusterSpec | None:
        """The cluster that the object describes, None for a job that selects a running one."""
        if job := self.job():
            return job.cluster()
        spec = self.spec if self.kind == "RayCluster" else self.spec["rayClusterConfig"]
        return ClusterSpec(spec, self.annotations, self.gates)


@dataclass(frozen=True)
class JobSpec:
    """The spec of a RayJob, or the template of a RayCronJob."""

    spec: Field
    annotations: Field
    gates: Gates

    @property
    def selects(self) -> bool:
        """Whether it runs on a cluster that is there already."""
        return self.spec["clusterSelector"].filled

    @property
    def mode(self) -> str:
        return self.spec["submissionMode"].text

    def cluster(self) -> ClusterSpec | None:
        spec = self.spec["rayClusterSpec"]
        return ClusterSpec(spec, self.annotations, self.gates) if spec.present else None

    @property
    def autoscaling(self) -> bool:
        return self.spec["rayClusterSpec"]["enableInTreeAutoscaling"].on


@dataclass(frozen=True)
class ClusterSpec:
    """The spec of a RayCluster, wherever it stands. annotations: of the object around it."""

    spec: Field
    annotations: Field
    gates: Gates

    @property
    def head(self) -> Field:
        return self.spec["headGroupSpec"]

    @property
    def workers(self) -> list[Field]:
        return list(self.spec["workerGroupSpecs"])

    @property
    def groups(self) -> list[Field]:
        return [self.head, *self.workers]

    @property
    def autoscaling(self) -> bool:
        return self.spec["enableInTreeAutoscaling"].on

    @property
    def autoscaler(self) -> Field:
        return self.spec["autoscalerOptions"]


Rule = Callable[[Any], Iterator[Fault]]  # of a RayObject, JobSpec or ClusterSpec; its docstring is the rule's sentence


def pod(group: Field) -> Field:
    return group["template"]["spec"]


def ray_container(group: Field) -> Field:
    return pod(group)["containers"][FIRST]


def variable(env: Field, name: str) -> Field:
    """The first entry of that name in a list of variables; absent where none has it."""
    return next((each for each in env if each["name"].text == name), Field(None, env.path))


def pod_templates(ray: RayObject) -> Iterator[Field]:
    """Every pod template within the object."""
    if (job := ray.job()) and job.spec["submitterPodTemplate"].present:
        yield job.spec["submitterPodTemplate"]
    if cluster := ray.cluster():
        for group in cluster.groups:
            if group["template"].present:
                yield group["template"]
