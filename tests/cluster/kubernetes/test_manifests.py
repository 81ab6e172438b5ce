"""Files of manifests, right and hostile."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from cluster.errors import RequestError
from cluster.kubernetes.manifests import DEEPEST, MOST_BYTES, MOST_VALUES, Strict, documents, embedded, manifests


def read(text: str) -> list[Any]:
    return list(documents(text, Strict))


def test_objects_are_found_in_documents_and_in_lists_and_named(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(
        "# only a comment\n---\n{kind: A, metadata: {name: one, namespace: team}}\n---\n---\n"
        "kind: List\nitems:\n- {kind: B, metadata: {generateName: two-}}\n- {kind: CList, items: [{kind: C}, 7]}\n"
    )
    found = manifests(str(file))
    assert [each.label for each in found] == [
        "A team/one",
        "B two-",
        "document 3, item 2, item 1",
        "document 3, item 2, item 2",
    ]
    assert [each.value for each in found][2:] == [{"kind": "C"}, 7]


# What sigs.k8s.io/yaml makes of these, not PyYAML: https://pkg.go.dev/sigs.k8s.io/yaml
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:22", "22:22"),  # no number to base 60
        ("2024-01-01", "2024-01-01"),
        ("1e3", 1000),
        ("1.0", 1),
        ("1.5", 1.5),
        ("0x1F", 31),
        ("017", 15),
        ("0o17", 15),
        ("089", 89),
        ("1_000", 1000),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("=", "="),
        ('"1"', "1"),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        ("{<<: {a: 1, b: 2}, a: 3}", {"a": 3, "b": 2}),
    ],
)
def test_values_are_read_as_kubernetes_reads_them(text: str, value: Any) -> None:
    assert read(text) == [value]
    assert type(read(text)[0]) is type(value)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, f"more than {MOST_VALUES:,} values, aliases written out"),
        ("&a [*a]", "line 1: a value that holds itself"),
        ("[" * 300_000, f"nested deeper than {DEEPEST}"),
        ("- " * 300_000, f"nested deeper than {DEEPEST}"),
        ("- a\n" * (MOST_VALUES + 1), f"more than {MOST_VALUES:,} values"),
        ("!!python/object/apply:os.system [ls]", "not valid YAML: could not determine a constructor"),
        ("!mine 1", "not valid YAML: could not determine a constructor"),
        ("!!binary aGVsbG8=", "a value tagged as bytes"),
        ("!!set {a, b}", "a value tagged as set"),
        ("!!timestamp 2024-01-01", "a value tagged as date"),
        ("!!int perhaps", "not valid YAML"),
        (".inf", "inf: no number that JSON has"),
        ("9" * 6000, "not valid YAML: Exceeds the limit"),
        ("{~: 1}", "a key that is null"),
        ("? [a]\n: 1", "a key that is list, not a text"),
        ("a: 1\na: 2", "line 2: a is written twice"),
        ("a: [", "not valid YAML"),
        ("a: 1\n--- \nb: [", "not valid YAML"),
        ("*nobody", "not valid YAML"),
        (bytes(range(256)), "not valid YAML"),
        (b"a: caf\xe9", "not valid YAML"),
        ("", "holds no object"),
        ("# nothing\n---\n", "holds no object"),
    ],
)
def test_hostile_files_are_one_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RequestError) as refused:
        manifests(str(file))
    assert str(refused.value).startswith(f"{file}: {words}")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_what_is_no_readable_file_is_one_line(tmp_path: Path) -> None:
    huge, fifo = tmp_path / "huge.yaml", tmp_path / "fifo"
    with huge.open("wb") as file:
        file.truncate(10**10)
    os.mkfifo(fifo)
    for place, words in {
        str(huge): "more than 16.8 MB",
        str(tmp_path): "a directory, not a file",
        str(tmp_path / "none"): "no such file; check the path",
        "/dev/zero": "not a regular file",
        str(fifo): "not a regular file",
        "x" * 5000: "cannot be read",
        "a\0b": "no such file",
    }.items():
        with pytest.raises(RequestError) as refused:
            manifests(place)
        assert f": {words}" in str(refused.value)


def test_stdin_is_a_file_with_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{kind: A, metadata: {name: a}}")))
    assert [(each.file, each.label) for each in manifests("-")] == [("stdin", "A a")]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"#" * (MOST_BYTES + 1))))
    with pytest.raises(RequestError, match=r"^stdin: more than 16\.8 MB"):
        manifests("-")


def test_yaml_within_a_manifest_may_name_a_key_twice_but_is_no_less_limited() -> None:
    assert embedded("a: 1\na: 2\n---\nb: 1") == {"a": 2}
    assert embedded("# nothing") is None
    for hostile in (BOMB, "[" * 300_000, "!mine 1", "a: ["):
        with pytest.raises(ValueError, match=r"values|nested|not valid"):
            embedded(hostile)


def test_recipes_still_read_dates_and_numbers_their_own_way() -> None:
    """The resolvers above are those of manifests alone."""
    assert yaml.safe_load("22:22") == 22 * 60 + 22
