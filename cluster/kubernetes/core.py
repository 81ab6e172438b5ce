"""Objects of Kubernetes itself, and the pod templates within others, by the schemas of kubernetes-validate, strictly.

Its own `validate` names one fault and reads 3 MB of definitions for every object, so its schemas are used here directly.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from kubernetes_validate import utils
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from cluster.errors import RequestError
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.structure import Schema, Structural, completed, faults, formats

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
POD_TEMPLATE = "io.k8s.api.core.v1.PodTemplateSpec"
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Core:
    """The schemas of one release of Kubernetes."""

    def __init__(self, release: str) -> None:
        """release: such as `1.36`. Raises RequestError for one that kubernetes-validate does not have."""
        known = {utils.major_minor(version): version for version in utils.all_versions()}
        if release.removeprefix("v") not in known:
            raise RequestError(f"--kubernetes {release}: no schemas for this release; there are {', '.join(known)}")
        self.release = release.removeprefix("v")
        self.folder = f"kubernetes-json-schema/v{known[self.release]}-local-strict"

    @cached_property
    def definitions(self) -> Schema:
        contents: Schema = utils.schema_contents(f"{self.folder}/_definitions.json", self.release)
        contents["$defs"][QUANTITY] = {"type": ["string", "number"], "format": "quantity"}  # it takes any text there
        return contents

    @cached_property
    def registry(self) -> Any:
        """Where references lead, by the path that they are written with."""
        resource = Resource.from_contents(self.definitions, DRAFT202012)
        return Registry().with_resource(self.definitions["$id"], resource)

    @cached_property
    def groups(self) -> set[str]:
        """API groups that are Kubernetes' own."""
        named = [each.get("x-kubernetes-group-version-kind", ()) for each in self.definitions["$defs"].values()]
        return {each["group"] for names in named for each in names}

    def schema(self, group: str, version: str, kind: str) -> Schema | None:
        """The schema of a kind, None for one that this release does not have."""
        if not (group + version + kind).replace(".", "").isalnum():  # it becomes a file's name
            return None
        name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
        try:
            found: Schema = utils.schema_contents(f"{self.folder}/{name}.json", self.release)
        except (FileNotFoundError, OSError):
            return None
        wanted = {"group": group, "version": version, "kind": kind}
        return found if wanted in found.get("x-kubernetes-group-version-kind", ()) else None

    def check(self, value: Any, schema: Schema, path: str = "") -> list[Fault]:
        validator = Structural(schema, registry=self.registry, format_checker=formats)
        return faults(validator.iter_errors(completed(value, {})), path)

    def check_part(self, part: Field, definition: str) -> list[Fault]:
        """Faults of a part of an object that one of Kubernetes' definitions describes."""
        return self.check(part.value, {"$ref": f"{self.definitions['$id']}#/$defs/{definition}"}, part.path)
