"""What a cluster with KubeRay would refuse of a manifest, layer by layer.

    file        the file is no YAML, or holds no objects
    metadata    names, label keys and values (every object)
    schema      types, enumerations, unknown and missing fields: of Kubernetes' own kinds by kubernetes-validate, of custom
                ones by their CRD after its defaults, of pod templates within Ray objects by both
    cel         rules that a CRD states in CEL
    operator    KubeRay's own rules (operator_rules)

Not judged, for a cluster decides it: whether what a manifest names is there (namespaces, secrets, volumes, images, a selected
RayCluster), quotas, admission webhooks and policies, what Kubernetes checks beyond types and names (that a mount has its
volume, that ports are free), changes that Kubernetes forbids, status fields. Changes that CRDs forbid are judged where the
objects before the change are given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cluster.errors import RequestError
from cluster.kubernetes import metadata
from cluster.kubernetes.core import METADATA, POD_TEMPLATE, Core
from cluster.kubernetes.custom import Definition, Definitions
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.gates import Gates
from cluster.kubernetes.manifests import Manifest, manifests, name_of
from cluster.kubernetes.operator_rules import OF_OBJECTS, judged
from cluster.kubernetes.ray_objects import RayObject, pod_templates
from cluster.kubernetes.structure import Schema, completed

RAY = "ray.io"
HOW_TO_GET = "kubectl get crd rayclusters.ray.io rayjobs.ray.io rayservices.ray.io raycronjobs.ray.io -o yaml"


@dataclass(frozen=True)
class Finding:
    """A fault, where it is, and which layer refuses it."""

    file: str
    object: str
    path: str
    says: str
    layer: str

    def __str__(self) -> str:
        return f"{': '.join(filter(None, (self.file, self.object, self.path, self.says)))} ({self.layer})"

    def values(self) -> dict[str, str]:
        return asdict(self)


class Checker:
    """Checks objects one by one and remembers what it could not judge."""

    def __init__(self, core: Core, crds: Definitions | None, gates: Gates, before: Iterable[Manifest] = ()) -> None:
        """before: the objects as they are in the cluster, for rules about changes."""
        self.core, self.crds, self.gates = core, crds, gates
        self.before = {identity(Field(each.value)): each.value for each in before}
        self.objects = 0
        self.unknown: Counter[str] = Counter()  # kinds without a schema
        self.without_crds = 0  # Ray objects
        self.asleep = 0  # RayCronJobs while their gate is off

    def check_file(self, place: str) -> list[Finding]:
        try:
            found = manifests(place)
        except RequestError as error:
            file = name_of(place)
            return [Finding(file, "", "", str(error).removeprefix(f"{file}: "), "file")]
        return [finding for manifest in found for finding in self.check(manifest)]

    def check(self, manifest: Manifest) -> list[Finding]:
        """The object's faults, of each place those of the first layer that has any."""
        self.objects += 1
        found: dict[str, list[Finding]] = {}
        for layer, faults in self.layers(manifest.value):
            new: dict[str, list[Finding]] = {}
            for fault in dict.fromkeys(faults):
                if fault.path not in found:
                    new.setdefault(fault.path, []).append(Finding(manifest.file, manifest.label, fault.path, fault.says, layer))
            found |= new
        return [finding for findings in found.values() for finding in findings]

    def layers(self, value: Any) -> list[tuple[str, list[Fault]]]:
        """Faults by layer, in the order in which an object meets them."""
        root = Field(value)
        stated, kind = root["apiVersion"].text, root["kind"].text
        if not isinstance(value, dict) or not stated or not kind:
            missing = [name for name in ("apiVersion", "kind") if not root[name].text]
            return [("schema", [Fault("", f"no object of Kubernetes: {' and '.join(missing)} missing")])]
        group, _, version = stated.rpartition("/")
        if group == RAY:
            return self.of_ray(root, version, kind)
        named = ("metadata", metadata.check(root, group))
        if schema := self.core.schema(group, version, kind):
            return [named, ("schema", self.core.check(value, schema))]
        if group in self.core.groups:
            says = f"{stated} {kind} is no kind of Kubernetes {self.core.release}"
            return [("schema", [Fault("", says)])]
        if self.crds and (definition := self.crds.find(group, kind)):
            _, layers = self.of_definition(root, version, definition)
            return [named, *layers]
        self.unknown[f"{stated} {kind}"] += 1
        return [named]

    def of_ray(self, root: Field, version: str, kind: str) -> list[tuple[str, list[Fault]]]:
        if kind not in OF_OBJECTS:
            return [("schema", [Fault("kind", f"{kind} is no kind of {RAY}; there are {', '.join(OF_OBJECTS)}")])]
        layers = [("metadata", metadata.check(root, RAY))]
        complete = root.value
        definition = self.crds.find(RAY, kind) if self.crds else None
        if definition:
            complete, own = self.of_definition(root, version, definition)
            layers += own
        else:
            self.without_crds += 1
        ray = RayObject(Field(complete), self.gates)
        self.asleep += kind == "RayCronJob" and not self.gates["RayCronJob"]
        layers.append(("schema", self.of_parts(ray)))
        layers.append(("operator", [fault for _, fault in judged(ray.root, self.gates)]))
        return layers

    def of_parts(self, ray: RayObject) -> list[Fault]:
        """What Kubernetes' own schemas say of parts of a Ray object, where a CRD is laxer or not there."""
        found = self.core.check_part(ray.root["metadata"], METADATA) if ray.root["metadata"].present else []
        for template in pod_templates(ray):
            found += self.core.check_part(template, POD_TEMPLATE)
        return found

    def of_definition(self, root: Field, version: str, definition: Definition) -> tuple[Any, list[tuple[str, list[Fault]]]]:
        """The object with the schema's defaults, and what its schema and the rules in it refuse."""
        assert self.crds
        schema: Schema | None = definition.versions.get(version)
        if schema is None:
            says = f"{definition.group}/{version} is not served; there is {', '.join(definition.versions)}"
            return root.value, [("schema", [Fault("apiVersion", says)])]
        complete = completed(root.value, schema)
        before = self.before.get(identity(root))
        structural, rules = self.crds.check(complete, schema, completed(before, schema))
        return complete, [("schema", structural), ("cel", rules)]

    def remarks(self) -> list[str]:
        """What was not judged, a line each."""
        said = [f"{name}: {count} objects not judged, no schema of this kind here" for name, count in self.unknown.items()]
        if self.without_crds:
            how = f"`{HOW_TO_GET} > crds/ray.yaml`, then --crds crds"
            said.append(f"{self.without_crds} Ray objects checked by pod schemas and the operator's rules alone; {how}")
        if self.asleep:
            said.append(f"{self.asleep} RayCronJobs will do nothing while the operator's gate RayCronJob is off, its default")
        if self.crds:
            said += [
                f"not judged, for it has functions that only Kubernetes knows: {rule}" for rule in self.crds.rules.unjudged
            ]
        return said


def identity(root: Field) -> Sequence[str]:
    """What stays of an object that changes: group, kind, namespace, name."""
    place = root["metadata"]
    return (root["apiVersion"].text.rpartition("/")[0], root["kind"].text, place["namespace"].text, place["name"].text)
