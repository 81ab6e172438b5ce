"""The rules that a CRD states in CEL (`x-kubernetes-validations`), evaluated by Google's own runtime (cel-expr-python).

As in an API server, a rule that cannot be evaluated refuses, and one that compares with the object before (`oldSelf`) is left
out where there is none. What Kubernetes adds to CEL (`isURL`, `quantity`, ...) the runtime does not know: such rules are not
judged, and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from cluster.kubernetes.field import Fault, below

OLD = re.compile(r"\boldSelf\b")
# Fields are read as `self.name`, so what CEL cannot read so has another name there (structural schemas, "escaping").
ESCAPES = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
RESERVED = {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
RESERVED |= {"let", "loop", "package", "namespace", "return", "var", "void", "while"}


@cache
def environment() -> Any:
    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


@cache
def program(rule: str) -> Any:
    """The compiled rule, None for one that the runtime does not understand."""
    try:
        return environment().compile(rule)
    except RuntimeError:
        return None


def bound(value: Any, schema: Mapping[str, Any]) -> Any:
    """A value as its rule sees it: declared fields only, under names that CEL can read."""
    if isinstance(value, list):
        return [bound(each, schema.get("items") or {}) for each in value]
    if not isinstance(value, dict) or not schema.get("properties"):
        return value
    known = schema["properties"]
    return {escaped(key): bound(each, known[key]) for key, each in value.items() if key in known}


def escaped(name: str) -> str:
    if name in RESERVED:
        return f"__{name}__"
    for sign, word in ESCAPES:
        name = name.replace(sign, word)
    return name


class Rules:
    """Evaluates the rules of schemas. unjudged: rules that the runtime does not understand, of what was looked at."""

    def __init__(self) -> None:
        self.unjudged: set[str] = set()

    def check(self, value: Any, schema: Mapping[str, Any], before: Any = None, path: str = "") -> Iterator[Fault]:
        """Faults of a value that its schema took. before: the same value of the object as it was, None where there was none."""
        for rule in schema.get("x-kubernetes-validations") or ():
            yield from self.judge(rule, value, schema, before, path)
        if isinstance(value, dict):
            known, other = schema.get("properties") or {}, schema.get("additionalProperties")
            for key, each in value.items():
                own = known.get(key) or (other if isinstance(other, dict) else {})
                older = before.get(key) if isinstance(before, dict) else None
                yield from self.check(each, own, older, below(path, key))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                yield from self.check(each, schema.get("items") or {}, same(each, before, schema), below(path, index))

    def judge(self, rule: Mapping[str, Any], value: Any, schema: Mapping[str, Any], before: Any, path: str) -> Iterator[Fault]:
        text = rule["rule"]
        compares = OLD.search(text) is not None
        if compares and before is None and not rule.get("optionalOldSelf"):
            return
        compiled = None if rule.get("optionalOldSelf") else program(text)
        if compiled is None:
            self.unjudged.add(text)
            return
        data = {"self": bound(value, schema)} | ({"oldSelf": bound(before, schema)} if compares else {})
        result = compiled.eval(data=data).value()
        if result is not True:
            why = "" if result is False else f" ({result})"
            yield Fault(path, f"{rule.get('message') or f'breaks the rule {text}'}{why}")


def same(entry: Any, before: Any, schema: Mapping[str, Any]) -> Any:
    """The entry of an earlier list that has the same names, None where entries have none."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(entry, dict) or not isinstance(before, list):
        return None
    names = [entry.get(key) for key in keys]
    return next((each for each in before if isinstance(each, dict) and [each.get(key) for key in keys] == names), None)
