"""`--set` reaches every place of a recipe and refuses the rest by name."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cluster.errors import RequestError
from cluster.overrides import apply_override

VALUES = {"crawl": {"sources": [{"name": "a", "weight": 1}, {"name": "b"}]}, "pages": {"heuristics": None}}
DEFAULTS = {"pages": {"language": {"keep": ["en", "de"]}, "sources": {}}, "crawl": {"sources": []}}


def after(override: str) -> dict[str, Any]:
    values = copy.deepcopy(VALUES)
    apply_override(values, override, DEFAULTS)
    return values


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("crawl.max_pages=3", ("crawl", "max_pages"), 3),
        ("crawl.sources.0.weight=2", ("crawl", "sources", 0, "weight"), 2),
        ("crawl.sources.1.weight=2", ("crawl", "sources", 1, "weight"), 2),
        ("crawl.sources.1={name: c}", ("crawl", "sources", 1), {"name": "c"}),
        ('pages.sources."a.b".language=null', ("pages", "sources", "a.b", "language"), None),
        ("pages.sources.'a.b'.language=null", ("pages", "sources", "a.b", "language"), None),
        ('pages.sources."a=b.c"=x=y', ("pages", "sources", "a=b.c"), "x=y"),
        ("pages.sources.0.language=null", ("pages", "sources", "0", "language"), None),
        ("pages.language.keep.1=fr", ("pages", "language", "keep"), ["en", "fr"]),
        ("pages.heuristics={min_words: 3}", ("pages", "heuristics", "min_words"), 3),
        ("name=", ("name",), None),
    ],
)
def test_a_place_in_sections_lists_and_names_with_dots(override: str, path: tuple[Any, ...], value: Any) -> None:
    found: Any = after(override)
    for name in path:
        found = found[name]
    assert found == value
    if override.startswith("crawl.sources"):
        assert len(after(override)["crawl"]["sources"]) == 2


def test_lists_of_defaults_are_copied_not_changed() -> None:
    after("pages.language.keep.0=fr")
    assert DEFAULTS["pages"]["language"]["keep"] == ["en", "de"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("name", "write it as section.key=value; a name with a dot stands in quotes"),
        ("=1", "write it as"),
        ("a..b=1", "write it as"),
        (".a=1", "write it as"),
        ("a.=1", "write it as"),
        ('"a=1', "write it as"),
        ('"a"b=1', "write it as"),
        ("crawl.sources.2.weight=1", "crawl.sources is a list of 2; name a place in it from 0 to 1"),
        ("crawl.sources.-1.weight=1", "crawl.sources is a list of 2"),
        ("crawl.sources.name=1", "crawl.sources is a list of 2"),
        ("crawl.sources.²=1", "crawl.sources is a list of 2"),
        ("pages.heuristics.min_words=1", "pages.heuristics is not a section"),
        ("crawl.sources.0.name.x=1", "crawl.sources.0.name is not a section"),
        ("a={", "not valid YAML: while parsing a flow node"),
        ("a={b: 1, b: 2}", "line 1: b is written twice"),
    ],
)
def test_what_names_no_place_is_refused(override: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        after(override)
    assert str(caught.value).startswith(f"--set {override}: {words}")
    assert "\n" not in str(caught.value)
