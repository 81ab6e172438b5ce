"""`--set key=value`: single values of a recipe replaced from the command line."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.errors import RequestError
from cluster.strict_yaml import parse

NAME = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^."'=]+))(\.|=|$)""")  # a name with dots stands in quotes


def apply_override(values: dict[str, Any], override: str, defaults: Mapping[str, Any]) -> None:
    """Put `a.b.0.c=value` (value in YAML) into nested `values`; numbers are places in lists, from 0.

    defaults: the recipe of defaults, for lists that `values` does not have: their other items stay.
    Raises RequestError, in one line that names the override.
    """
    path, text = path_and_value(override)
    place: Any = values
    known: Any = defaults
    for depth, name in enumerate(path):
        key, last = index(place, name, path[:depth], override) if isinstance(place, list) else name, depth == len(path) - 1
        if last:
            place[key] = parse(text, f"--set {override}", "; quote the value")
            return
        known = known.get(name) if isinstance(known, Mapping) else None
        if isinstance(place, dict) and key not in place:
            place[key] = copy.deepcopy(known) if isinstance(known, list) else {}
        place = place[key]
        if not isinstance(place, dict | list):
            raise RequestError(f"--set {override}: {'.'.join(path[: depth + 1])} is not a section")


def path_and_value(override: str) -> tuple[list[str], str]:
    """`a."b.c"=value` as its names and what stands behind the sign."""
    path, at = [], 0
    while found := NAME.match(override, at):
        path.append(next(name for name in found.groups()[:3] if name is not None))
        at = found.end()
        if found[4] == "=":
            return path, override[at:]
    raise RequestError(f"--set {override}: write it as section.key=value; a name with a dot stands in quotes")


def index(place: list[Any], name: str, before: Sequence[str], override: str) -> int:
    """The place in a list that `name` means."""
    if name.isascii() and name.isdigit() and len(name) < 10 and int(name) < len(place):
        return int(name)
    listed = f"{'.'.join(before)} is a list of {len(place)}"
    places = f"name a place in it from 0 to {len(place) - 1}" if place else "give the whole list"
    raise RequestError(f"--set {override}: {listed}; {places}")
