"""A value of a manifest together with the place where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class Fault:
    """What is wrong at one place of an object. path: as `spec.workerGroupSpecs[0].minReplicas`, empty for the object itself."""

    path: str
    says: str


@dataclass(frozen=True)
class Field:
    """A value and its path.

    Reading never fails: what is absent, null or of another type reads as the zero value that Go would have there, since rules
    run also where no schema has looked at the types.
    """

    value: Any
    path: str = ""

    def __getitem__(self, key: str | int) -> Field:
        inside = None
        if isinstance(key, str):
            if isinstance(self.value, dict):
                inside = self.value.get(key)
        elif isinstance(self.value, list) and key < len(self.value):
            inside = self.value[key]
        return Field(inside, below(self.path, key))

    def __iter__(self) -> Iterator[Field]:
        """The elements of a list."""
        for index in range(len(self.value) if isinstance(self.value, list) else 0):
            yield self[index]

    @property
    def keys(self) -> list[str]:
        return list(self.value) if isinstance(self.value, dict) else []

    @property
    def present(self) -> bool:
        return self.value is not None

    @property
    def filled(self) -> bool:
        """Whether there is a list, mapping or text with anything in it."""
        return isinstance(self.value, list | dict | str) and len(self.value) > 0

    @property
    def on(self) -> bool:
        return self.value is True

    @property
    def text(self) -> str:
        return self.value if isinstance(self.value, str) else ""

    @property
    def number(self) -> int | None:
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    def fault(self, says: str) -> Fault:
        return Fault(self.path, says)


def below(path: str, key: str | int) -> str:
    """The path of what a key or an index leads to."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key
