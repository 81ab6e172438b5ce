"""Custom resource definitions from a folder: which kinds they define, and what they refuse."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.errors import RequestError
from cluster.kubernetes.cel import Rules
from cluster.kubernetes.core import Core
from cluster.kubernetes.field import Fault, Field
from cluster.kubernetes.manifests import MOST_BYTES, Strict, documents, objects, refuse_large, whole_file
from cluster.kubernetes.structure import Schema, Structural, faults, formats

CRD = "CustomResourceDefinition"


@dataclass(frozen=True)
class Definition:
    """A kind. versions: name -> schema of those that are served."""

    group: str
    kind: str
    versions: dict[str, Schema]


class Definitions:
    """The CRDs of a folder. A file is parsed when a kind is asked for that it mentions: all four of Ray take a second."""

    def __init__(self, folder: str, core: Core) -> None:
        """core: the schemas that CRDs themselves have to follow.

        Raises RequestError for a folder without *.yaml or *.yaml.gz, or a file there that cannot be read.
        """
        place = Path(folder)
        try:
            files = sorted(each for each in place.iterdir() if each.name.endswith((".yaml", ".yaml.gz")))
        except OSError as error:
            raise RequestError(f"--crds {folder}: {(error.strerror or str(error)).lower()}; name a folder of CRDs") from error
        if not files:
            raise RequestError(f"--crds {folder}: no *.yaml or *.yaml.gz there")
        self.core = core
        self.texts = {str(file): unpacked(file) for file in files}
        self.parsed: dict[str, list[Definition]] = {}
        self.rules = Rules()

    def find(self, group: str, kind: str) -> Definition | None:
        """The definition of a kind. Raises RequestError for a file that mentions it and is no YAML, or defines it wrongly."""
        mention = re.compile(rb"\bkind[\"']?\s*:\s*[\"']?" + re.escape(kind.encode()) + rb"\b")
        for file, text in self.texts.items():
            if file not in self.parsed and mention.search(text):
                self.parsed[file] = self.parse(file, text)
        found = [each for known in self.parsed.values() for each in known if (each.group, each.kind) == (group, kind)]
        return found[0] if found else None

    def parse(self, file: str, text: bytes) -> list[Definition]:
        try:
            found = [each for value in documents(text, Strict) for each, _ in objects(value, "")]
        except ValueError as error:
            raise RequestError(f"{file}: {error}") from error
        crds = [each for each in found if Field(each)["kind"].text == CRD]
        schema = self.core.schema("apiextensions.k8s.io", "v1", CRD)
        for fault in (fault for crd in crds if schema for fault in self.core.check(crd, schema)):
            raise RequestError(f"{file}: no CRD that Kubernetes takes: {fault.path}: {fault.says}")
        return [definition(Field(each)) for each in crds]

    def check(self, value: Any, schema: Schema, before: Any) -> tuple[list[Fault], list[Fault]]:
        """What schema and CEL refuse of a completed object. CEL is asked where the schema has nothing to say."""
        structural = faults(Structural(schema, format_checker=formats).iter_errors(value))
        return structural, [] if structural else list(self.rules.check(value, schema, before))


def unpacked(file: Path) -> bytes:
    if file.suffix != ".gz":
        return whole_file(str(file))
    try:
        with gzip.open(file) as packed:
            text = packed.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RequestError(f"{file}: cannot be unpacked ({error})") from error
    refuse_large(str(file), len(text))
    return text


def definition(crd: Field) -> Definition:
    spec = crd["spec"]
    served = [version for version in spec["versions"] if version["served"].on]
    schemas = {version["name"].text: version["schema"]["openAPIV3Schema"].value or {} for version in served}
    return Definition(spec["group"].text, spec["names"]["kind"].text, schemas)
