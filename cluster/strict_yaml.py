"""YAML as recipes have it: a key stands once, names stay small when they are written out, every failure is one line."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import RequestError, first_line

MOST_VALUES = 100_000  # with every alias written out; the shipped recipes have some 100

NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # the surrogates between stand for bytes of names that are no UTF-8


class Refused(yaml.YAMLError):
    """What YAML permits and a recipe must not hold."""


class Loader(yaml.SafeLoader):
    """Plain values only, no key twice, no value that aliases make huge or endless. A date is text: no setting is one."""

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is None:
            return None
        if written_out(node, {}) > MOST_VALUES:
            raise Refused(f"more than {MOST_VALUES:,} values, aliases written out")
        return self.construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        refuse_twice(node)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [each for each in known if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def refuse_twice(node: yaml.MappingNode) -> None:
    """Raise Refused for a key that stands twice. Keys behind `<<` may be replaced: that is what merging is for."""
    own: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in own:
                raise Refused(f"line {key.start_mark.line + 1}: {key.value} is written twice; keep one of them")
            own.add((key.tag, key.value))


def written_out(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node is once every alias in it is written out. Raises Refused for one that holds itself.

    known: the answer by the node's id; None while it is being counted.
    """
    if id(node) in known:
        if (count := known[id(node)]) is None:
            raise Refused(f"line {node.start_mark.line + 1}: a value that holds itself")
        return count
    if isinstance(node, yaml.ScalarNode) and NO_TEXT.search(node.value):
        raise Refused(f"line {node.start_mark.line + 1}: a sign that no text and no name of a file can hold")
    known[id(node)] = None
    below: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        below = node.value
    elif isinstance(node, yaml.MappingNode):
        below = [each for pair in node.value for each in pair]
    known[id(node)] = count = 1 + sum(written_out(each, known) for each in below)
    return count


def parse(text: str | bytes, label: str, remedy: str = "") -> Any:
    """The value that a YAML text stands for. Raises RequestError, one line that begins with `label`, for any other text."""
    try:
        return yaml.load(text, Loader)
    except Refused as error:
        raise RequestError(f"{label}: {error}{remedy}") from error
    except yaml.YAMLError as error:
        raise RequestError(f"{label}: not valid YAML: {' '.join(str(error).split())}{remedy}") from error
    except RecursionError as error:
        raise RequestError(f"{label}: not valid YAML: nested too deeply{remedy}") from error
    except (ValueError, KeyError, AttributeError) as error:  # a number of 5,000 digits, `!!bool perhaps`
        raise RequestError(f"{label}: not valid YAML: {' '.join(str(error).split())}{remedy}") from error


def file_bytes(place: str, absent: str) -> bytes:
    """What is in a file that a person named.

    absent: what to say where there is none. Raises RequestError, in one line, also for one that cannot be read.
    """
    path = Path(place)
    try:
        if path.is_file():
            return path.read_bytes()
        problem = "a directory, not a file" if path.is_dir() else "not a regular file" if path.exists() else absent
    except (OSError, ValueError) as error:  # may not be read; a name of 5,000 characters
        problem = f"cannot be read ({(isinstance(error, OSError) and error.strerror) or first_line(error)})"
    raise RequestError(f"{place}: {problem}")
