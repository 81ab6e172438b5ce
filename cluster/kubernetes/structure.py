"""Schemas as an API server uses them, on top of jsonschema: its own keywords, and faults in words."""

from __future__ import annotations

import copy
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from cluster.kubernetes.field import Fault, below

Schema = dict[str, Any]
Keyword = Callable[[Any, Any, Any, Schema], Iterator[ValidationError]]

SHOWN = 60  # signs of a value in a fault
NAMES = {"object": "a mapping", "array": "a list", "string": "a text", "integer": "a whole number", "number": "a number"}
NAMES |= {"boolean": "true or false", "null": "null"}
QUANTITY = re.compile(r"[+-]?(\d+|\d+\.\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?", re.ASCII)


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def of_type(validator: Any, types: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    """`type`, with Kubernetes' `nullable`."""
    wanted = [types] if isinstance(types, str) else types
    if not (value is None and schema.get("nullable")) and not any(validator.is_type(value, each) for each in wanted):
        says = " or ".join(NAMES[each] for each in wanted if each != "null")
        yield ValidationError(f"{shown(value)} is not {says}")


def required(validator: Any, names: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    for name in names if isinstance(value, dict) else ():
        if name not in value:
            yield ValidationError("is missing", path=[name])


def one_of_values(validator: Any, allowed: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if value not in allowed:
        yield ValidationError(f"{shown(value)} is none of {', '.join(map(str, allowed))}")


def pattern(validator: Any, wanted: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and not re.search(wanted, value):
        quantity = schema.get("x-kubernetes-int-or-string")  # the only ones of these that have a pattern
        yield ValidationError(f"{shown(value)} is no quantity" if quantity else f"{shown(value)} does not match {wanted}")


def any_of(validator: Any, schemas: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if not any(fits(validator, value, schemas)):
        yield ValidationError(f"{shown(value)} is not {alternatives(schemas)}")


def one_of(validator: Any, schemas: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if sum(fits(validator, value, schemas)) != 1:
        yield ValidationError(f"{shown(value)} is not {alternatives(schemas)}")


def fits(validator: Any, value: Any, schemas: list[Schema]) -> list[bool]:
    return [validator.evolve(schema=each).is_valid(value) for each in schemas]


def alternatives(schemas: list[Schema]) -> str:
    """Types in words: Kubernetes has alternatives where a value may be a number or a text."""
    types = [each["type"] if isinstance(each["type"], str) else each["type"][0] for each in schemas if "type" in each]
    return " or ".join(NAMES[each] for each in types) or "one of what may stand here"


def properties(validator: Any, known: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    """`properties`; where there are some and nothing says that there may be more, `kubectl apply` refuses others."""
    yield from Draft202012Validator.VALIDATORS["properties"](validator, known, value, schema)
    open_ended = schema.get("additionalProperties") or schema.get("x-kubernetes-preserve-unknown-fields")
    for name in value if isinstance(value, dict) and not open_ended else ():
        if name not in known:
            near = get_close_matches(name, known, 1) if len(name) < SHOWN else []
            yield ValidationError("no such field" + (f"; did you mean {near[0]}?" if near else ""), path=[name])


def additional(validator: Any, allowed: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    """`additionalProperties` as a schema; as `false` it says what `properties` says here."""
    if isinstance(allowed, dict):
        yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, allowed, value, schema)


def distinct_entries(validator: Any, keys: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    """A list whose entries are named by some of their fields, as `groupName`: every name once."""
    seen = set()
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        name = json.dumps([entry.get(key) for key in keys] if isinstance(entry, dict) else entry)
        if isinstance(entry, dict) and name in seen:
            yield ValidationError(f"a second entry whose {', '.join(keys)} is {name[1:-1]}", path=[index])
        seen.add(name)


def distinct_values(validator: Any, kind: Any, value: Any, schema: Schema) -> Iterator[ValidationError]:
    seen = set()
    for index, entry in enumerate(value if kind == "set" and isinstance(value, list) else ()):
        if (name := json.dumps(entry)) in seen:
            yield ValidationError(f"{shown(entry)} for the second time", path=[index])
        seen.add(name)


KEYWORDS: dict[str, Keyword] = {
    "type": of_type,
    "required": required,
    "enum": one_of_values,
    "pattern": pattern,
    "anyOf": any_of,
    "oneOf": one_of,
    "properties": properties,
    "additionalProperties": additional,
    "x-kubernetes-list-map-keys": distinct_entries,
    "x-kubernetes-list-type": distinct_values,
}
Structural: Any = extend(Draft202012Validator, KEYWORDS)

formats = FormatChecker(formats=())


def within(bits: int) -> Callable[[object], bool]:
    edge = 1 << (bits - 1)
    return lambda value: not isinstance(value, int) or isinstance(value, bool) or -edge <= value < edge


formats.checks("int32")(within(32))
formats.checks("int64")(within(64))


@formats.checks("byte", ValueError)
def is_base64(value: object) -> bool:
    return not isinstance(value, str) or b64decode("".join(value.split()), validate=True) is not None


@formats.checks("date-time", ValueError)
def is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@formats.checks("quantity")
def is_quantity(value: object) -> bool:
    return not isinstance(value, str) or QUANTITY.fullmatch(value) is not None


def completed(value: Any, schema: Mapping[str, Any]) -> Any:
    """A copy as an API server has it before it looks: without nulls where none may be, with the schema's defaults."""
    if isinstance(value, list):
        return [completed(each, schema.get("items") or {}) for each in value]
    if not isinstance(value, dict):
        return value
    known, other = schema.get("properties") or {}, schema.get("additionalProperties")
    inside = {}
    for key, each in value.items():
        own = known.get(key) or (other if isinstance(other, dict) else {})
        if each is not None or own.get("nullable"):
            inside[key] = completed(each, own)
    for key, own in known.items():
        if key not in inside and "default" in own:
            inside[key] = completed(copy.deepcopy(own["default"]), own)
    return inside


def faults(errors: Iterable[ValidationError], path: str = "") -> list[Fault]:
    """What a validator found, each in words with its place below `path`."""
    found = []
    for error in errors:
        place = path
        for key in error.absolute_path:
            place = below(place, key)
        says = f"{shown(error.instance)} is no {error.validator_value}" if error.validator == "format" else error.message
        found.append(Fault(place, says))
    return found
