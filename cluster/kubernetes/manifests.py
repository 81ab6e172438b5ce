"""Files of manifests: several documents of YAML, lists of objects within, each file possibly hostile."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.amounts import human_bytes
from cluster.errors import RequestError
from cluster.kubernetes.field import Field
from cluster.strict_yaml import Refused, file_bytes, refuse_twice, written_out

MOST_BYTES = 16 << 20  # an API server takes 3 MiB in one request
MOST_VALUES = 300_000  # of a file; and of a document with every alias written out. Ray's four CRDs in one file have 145,000.
DEEPEST = 200  # libyaml's composer has no limit of its own and overflows the stack at 200,000

STDIN = "-"


@dataclass(frozen=True)
class Manifest:
    """One object of a file. value: as JSON has it. label: how a person finds it."""

    file: str
    label: str
    value: Any


class Lenient(yaml.CSafeLoader):
    """Plain values, read as the YAML library of Kubernetes' tools reads them: no dates, no numbers to base 60, `1e3` is one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Keys are texts at once: to Python the keys 1 and true are the same."""
        self.flatten_mapping(node)
        return {key_text(self.construct_object(key, deep)): self.construct_object(each, deep) for key, each in node.value}


NUMBERS = {
    "int": r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]*|[1-9][0-9_]*)$",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$",
}
KNOWN = ("bool", "merge", "null")
Lenient.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0].rpartition(":")[2] in KNOWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for tag, pattern in NUMBERS.items():
    Lenient.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list("-+.0123456789"))


class Strict(Lenient):
    """The same without a key that stands twice, which `kubectl apply` refuses."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        refuse_twice(node)
        return super().construct_mapping(node, deep)


def documents(text: str | bytes, loader: type[Lenient]) -> Iterator[Any]:
    """The values of a YAML text, as JSON could hold them. Raises ValueError, in one line, for any other text."""
    try:
        refuse_deep(text)
        reader = loader(text)
        while reader.check_node():
            node: yaml.Node = reader.get_node()  # type: ignore[assignment]  # there is one
            if written_out(node, {}) > MOST_VALUES:
                raise Refused(f"more than {MOST_VALUES:,} values, aliases written out")
            yield plain(reader.construct_document(node))
    except Refused as error:
        raise ValueError(str(error)) from error
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as error:  # `!!int perhaps`, a number of 5,000 digits
        raise ValueError(f"not valid YAML: {' '.join(str(error).split())[:300]}") from error


def refuse_deep(text: str | bytes) -> None:
    """Raise Refused for a text that is nested too deeply or has too many values, before anything is built of it."""
    depth = values = 0
    for event in yaml.parse(text, Loader=yaml.CLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST or values > MOST_VALUES:
            raise Refused(f"nested deeper than {DEEPEST}" if depth > DEEPEST else f"more than {MOST_VALUES:,} values")


def plain(value: Any) -> Any:
    """The value with whole numbers as integers. Raises Refused for what JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Refused(f"{value}: no number that JSON has")
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, str | int):
        return value
    raise Refused(f"a value tagged as {type(value).__name__}, which JSON does not have")


def key_text(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    if isinstance(key, str | int | float):
        return str(key)
    raise Refused(f"a key that is {'null' if key is None else type(key).__name__}, not a text")


def embedded(text: str) -> Any:
    """The first document of a YAML text within a manifest, None for nothing. Raises ValueError, in one line, for no YAML.

    A key may stand twice: nothing strict reads it.
    """
    return next(documents(text, Lenient), None)


def manifests(place: str) -> list[Manifest]:
    """The objects of a file, or of stdin (`-`), those in lists one by one.

    Raises RequestError, in one line that begins with the place, for a file that cannot be read, holds no YAML or no object.
    """
    content = stdin() if place == STDIN else whole_file(place)
    label = name_of(place)
    found: list[Manifest] = []
    try:
        for number, value in enumerate(documents(content, Strict), 1):
            if value is not None:  # what is between two lines of `---`, or only a comment
                found += [Manifest(label, label_of(each, where), each) for each, where in objects(value, f"document {number}")]
    except ValueError as error:
        raise RequestError(f"{label}: {error}") from error
    if not found:
        raise RequestError(f"{label}: holds no object")
    return found


def name_of(place: str) -> str:
    return "stdin" if place == STDIN else place


def whole_file(place: str) -> bytes:
    path = Path(place)
    try:
        size = path.stat().st_size if path.is_file() else 0
    except (OSError, ValueError):
        size = 0  # file_bytes says what is the matter
    refuse_large(place, size)
    return file_bytes(place, "no such file; check the path")


def stdin() -> bytes:
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    refuse_large("stdin", len(content))
    return content


def refuse_large(place: str, size: int) -> None:
    if size > MOST_BYTES:
        raise RequestError(f"{place}: more than {human_bytes(MOST_BYTES)}, which no manifests are; split it")


def objects(value: Any, where: str) -> Iterator[tuple[Any, str]]:
    """An object, or those in a list of them (`kind: List`, `RayClusterList`, ...)."""
    if isinstance(value, dict) and str(value.get("kind")).endswith("List") and isinstance(value.get("items"), list):
        for number, each in enumerate(value["items"], 1):
            yield from objects(each, f"{where}, item {number}")
    else:
        yield value, where


def label_of(value: Any, where: str) -> str:
    """`RayCluster team/farm`, or where it stands if it does not say that much."""
    kind, metadata = Field(value)["kind"].text, Field(value)["metadata"]
    name, namespace = metadata["name"].text or metadata["generateName"].text, metadata["namespace"].text
    return f"{kind} {namespace}{'/' if namespace else ''}{name}" if kind and name else where
